//! What is mounted where.

use crate::collector::Failure;
use crate::files;
use crate::roots::Roots;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) major: String,
    pub(super) minor: String,
    /// As the machine names it.
    pub(super) mount_point: String,
    pub(super) fs_type: String,
    pub(super) source: String,
    options: String,
    super_options: String,
}

impl Mount {
    /// Whether it cannot be written to, by how it is mounted or by its file system's state.
    pub(super) fn is_read_only(&self) -> bool {
        self.options.split(',').any(|option| option == "ro")
            || self.super_options.split(',').any(|option| matches!(option, "ro" | "emergency_ro"))
    }

    /// The value of an option of the file system.
    pub(super) fn super_option(&self, name: &str) -> Option<&str> {
        let mut pairs = self.super_options.split(',').filter_map(|option| option.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// The machine's mounts: those of its first process, or our own where that is hidden.
pub(super) fn of_machine(roots: &Roots) -> Result<Vec<Mount>, Failure> {
    let text = match files::read(roots.proc("1/mountinfo")) {
        Err(error) if error.is_absent() => files::read(roots.proc("self/mountinfo"))?,
        other => other?,
    };
    parse(&text, roots)
}

/// Of the text of a `mountinfo` file.
pub(super) fn parse(text: &str, roots: &Roots) -> Result<Vec<Mount>, Failure> {
    let mut mounts = Vec::new();
    for line in text.split_terminator('\n') {
        let columns: Vec<_> = line.split(' ').collect();
        let [_, _, device, _, point, options, .., "-", fs_type, source, super_options] = &*columns else {
            return Err(Failure::new(format!("mountinfo: {line:?} has not the form of a mount")));
        };
        let numbers = device.split_once(':').and_then(|(major, minor)| {
            Some((major.parse::<u32>().ok()?.to_string(), minor.parse::<u32>().ok()?.to_string()))
        });
        let (major, minor) = numbers.ok_or_else(|| Failure::new(format!("mountinfo: {device:?} is no device")))?;
        let point = point.replace("\\040", " ").replace("\\011", "\t");
        mounts.push(Mount {
            major,
            minor,
            mount_point: roots.strip(&point).to_owned(),
            fs_type: (*fs_type).to_owned(),
            source: (*source).to_owned(),
            options: (*options).to_owned(),
            super_options: (*super_options).to_owned(),
        });
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn optional_fields_and_escapes_are_understood() {
        let roots = Roots { rootfs: "/host".into(), ..Roots::default() };
        let text = "29 1 8:1 / / rw shared:1 master:2 - ext4 /dev/sda1 rw\n\
            30 29 0:31 / /host/my\\040disk ro,relatime - nfs4 srv:/x rw,addr=10.0.0.1\n";
        let mounts = parse(text, &roots).unwrap();
        assert_eq!((&*mounts[0].mount_point, mounts[0].is_read_only()), ("/", false));
        assert_eq!((&*mounts[1].mount_point, mounts[1].is_read_only()), ("/my disk", true));
        assert_eq!(mounts[1].super_option("addr"), Some("10.0.0.1"));
        assert!(parse("29 1 8:1 / /\n", &roots).is_err());
        assert!(parse("29 1 x / / rw - ext4 /dev/sda1 rw\n", &roots).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "([0-9 :/-]|ext4|\\\\040|\n|.){0,80}") {
            let _ = parse(&text, &Roots::default());
        }
    }
}
