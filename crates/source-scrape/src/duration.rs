//! Durations as Prometheus writes them in labels: `1h30m`, `15s`, `100ms`.

use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads one: whole numbers, each unit at most once, the largest first.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut millis, mut next) = (text, 0u64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = UNITS[next..].iter().position(|(name, _)| *name == &rest[..letters])?;
        millis = millis.checked_add(number.checked_mul(UNITS[next + unit].1)?)?;
        rest = &rest[letters..];
        next += unit + 1;
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// Writes one.
pub(crate) fn text(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, size) in UNITS {
        // Years and weeks are written only where nothing would be left.
        let exact = matches!(name, "y" | "w");
        let count = rest / size;
        if count > 0 && (!exact || rest % size == 0) {
            text.push_str(&format!("{count}{name}"));
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_and_written() {
        for (written, millis, again) in [
            ("15s", 15_000, "15s"),
            ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("1d", 86_400_000, "1d"),
            ("1w", 604_800_000, "1w"),
            ("100ms", 100, "100ms"),
            ("0", 0, "0s"),
        ] {
            assert_eq!(parse(written), Some(Duration::from_millis(millis)), "{written}");
            assert_eq!(text(Duration::from_millis(millis)), again);
        }
        for bad in ["", "1", "s", "1s1m", "1.5s", "-1s", "1s1s", "1 s", "99999999999999999999s", "1ä"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
