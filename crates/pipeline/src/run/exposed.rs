//! Files that hold secrets and that everybody can read.

use std::os::unix::fs::PermissionsExt;

/// Those of these files that others than their owner and group may read.
pub(super) fn exposed(files: &[String]) -> Vec<&str> {
    let mode = |file: &&String| std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    files.iter().filter(|file| mode(file) & 0o004 != 0).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn only_the_bit_for_others_counts() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let name = [file.path().display().to_string()];
        for (mode, shown) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
            std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).expect("it is ours");
            assert_eq!(exposed(&name).len(), shown, "{mode:o}");
        }
        assert!(exposed(&["/nowhere/at/all".to_owned()]).is_empty());
    }
}
