//! `os`: which operating system this is. The file is read anew each time, since updates change it.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

const LABELS: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = match files::read_if_present(roots.rootfs("etc/os-release"))? {
        Some(text) => text,
        None => files::read(roots.rootfs("usr/lib/os-release"))?,
    };
    let settings: Vec<_> = text.lines().filter_map(setting).collect();
    // The last one holds, as in a shell.
    let of = |key: &str| settings.iter().rev().find(|(name, _)| *name == key).map_or("", |(_, value)| value);
    let labels = LABELS.map(|(label, key)| (label, of(key)));
    out.gauge("node_os_info", "The operating system.", &labels, 1);
    let version = version(of("VERSION_ID"));
    if version > 0.0 {
        let labels = [("id", of("ID")), ("id_like", of("ID_LIKE")), ("name", of("NAME"))];
        out.gauge("node_os_version", "The first two parts of the system's version.", &labels, version);
    }
    let end = of("SUPPORT_END");
    if !end.is_empty() {
        let seconds = date(end).ok_or_else(|| Failure::new(format!("os-release: SUPPORT_END={end} is no date")))?;
        out.gauge("node_os_support_end_timestamp_seconds", "When the system is no longer supported.", &[], seconds);
    }
    Ok(())
}

/// `NAME="value"`, quoted as in a shell.
pub(super) fn setting(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.trim().split_once('=')?;
    if name.starts_with('#') {
        return None;
    }
    let mut out = String::with_capacity(value.len());
    let mut quote = None;
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if letter == open => quote = None,
            (None | Some('"'), '\\') => out.extend(letters.next()),
            _ => out.push(letter),
        }
    }
    Some((name, out))
}

/// `22.04.1` is 22.04.
fn version(text: &str) -> f64 {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(text);
    if end > 0 && text[end..].starts_with('.') {
        end += 1 + digits(&text[end + 1..]);
    }
    text[..end].trim_end_matches('.').parse().unwrap_or(0.0)
}

/// Seconds since 1970 of `2026-05-31`.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the day that is sometimes there is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468;
    Some(days * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_quoted_as_in_a_shell() {
        assert_eq!(setting("A=\"b \\\"c\\\"\""), Some(("A", "b \"c\"".into())));
        assert_eq!(setting("A='b \\c'"), Some(("A", "b \\c".into())));
        assert_eq!(setting("A=b"), Some(("A", "b".into())));
        assert_eq!(setting("# A=b"), None);
    }

    #[test]
    fn versions_have_two_parts() {
        assert_eq!(
            [version("22.04.1"), version("12"), version("26.05.git"), version("rolling"), version("7.")],
            [22.04, 12.0, 26.05, 0.0, 7.0]
        );
    }

    #[test]
    fn dates_are_days_since_1970() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2000-02-29"), Some(951_782_400));
        assert_eq!(date("2024-05-31"), Some(1_717_113_600));
        assert_eq!(date("soon"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*") {
            let _ = (setting(&text), version(&text), date(&text));
        }
    }
}
