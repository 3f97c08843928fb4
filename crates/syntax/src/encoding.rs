//! From bytes to text.

use std::borrow::Cow;

/// The text of a configuration, or why it is none: only UTF-8 is taken, with or without a byte order mark.
pub fn check_encoding(bytes: &[u8]) -> Result<&str, String> {
    // The marks of UTF-32 first: the one of UTF-16 starts the same.
    let marks: [(&[u8], &str); 4] = [
        (&[0x00, 0x00, 0xfe, 0xff], "UTF32BigEndian"),
        (&[0xff, 0xfe, 0x00, 0x00], "UTF32LittleEndian"),
        (&[0xfe, 0xff], "UTF16BigEndian"),
        (&[0xff, 0xfe], "UTF16LittleEndian"),
    ];
    if let Some((_, name)) = marks.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return Err(format!("configuration is encoded with {name} but must be utf8"));
    }
    std::str::from_utf8(bytes).map_err(|_| "unknown encoding for config".to_owned())
}

/// The text with one `?` for every byte that is not UTF-8, so that all offsets stay, and the offsets of those bytes.
pub(crate) fn with_placeholders(bytes: &[u8]) -> (Cow<'_, str>, Vec<u32>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), Vec::new());
    }
    let (mut text, mut bad) = (String::with_capacity(bytes.len()), Vec::new());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            bad.push(text.len() as u32);
            text.push('?');
        }
    }
    (Cow::Owned(text), bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_encoding() {
        assert_eq!(check_encoding(b"a = 1"), Ok("a = 1"));
        assert_eq!(check_encoding(b"\xef\xbb\xbfa = 1"), Ok("\u{feff}a = 1"));
        let name = |bytes: &[u8]| check_encoding(bytes).unwrap_err();
        assert_eq!(name(b"\xff\xfea\0"), "configuration is encoded with UTF16LittleEndian but must be utf8");
        assert_eq!(name(b"\xfe\xff\0a"), "configuration is encoded with UTF16BigEndian but must be utf8");
        assert_eq!(name(b"\xff\xfe\0\0"), "configuration is encoded with UTF32LittleEndian but must be utf8");
        assert_eq!(name(b"\0\0\xfe\xff"), "configuration is encoded with UTF32BigEndian but must be utf8");
        assert_eq!(name(b"a = \"\xff\""), "unknown encoding for config");
    }

    #[test]
    fn placeholders_keep_offsets() {
        let (text, bad) = with_placeholders(b"a\xff\xe2\x82b\xc3\xa9");
        assert_eq!((&*text, &*bad), ("a???bé", &[1, 2, 3][..]));
    }
}
