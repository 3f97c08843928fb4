//! Small texts for people.

use std::io::{self, ErrorKind};

/// An operating system's error without Rust's number in brackets.
pub(crate) fn io(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::AddrInUse => "address already in use".to_owned(),
        _ => {
            let text = error.to_string();
            let plain = text.split(" (os error").next().unwrap_or(&text);
            let mut letters = plain.chars();
            // They stand behind a colon.
            letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
        }
    }
}

/// `1 component`, `2 components`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_after_a_colon() {
        assert_eq!(io(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(io(&io::Error::from_raw_os_error(28)), "no space left on device");
        assert_eq!(count(1, "component"), "1 component");
        assert_eq!(count(0, "component"), "0 components");
    }
}
