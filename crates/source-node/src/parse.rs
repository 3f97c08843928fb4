//! Small things that many parsers share.

use std::fmt::Display;
use std::str::FromStr;

use crate::collector::Failure;

/// A number written in decimal.
pub(crate) fn number<N: FromStr>(text: &str, what: impl Display) -> Result<N, Failure> {
    text.trim().parse().map_err(|_| Failure::new(format!("{what}: expected a number, found {text:?}")))
}

/// A number written in hexadecimal without a prefix.
pub(crate) fn hex(text: &str, what: impl Display) -> Result<u64, Failure> {
    u64::from_str_radix(text, 16)
        .map_err(|_| Failure::new(format!("{what}: expected a hexadecimal number, found {text:?}")))
}

/// A number as C writes constants: `0x` and `0` as prefixes tell the base.
pub(crate) fn c_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let value = if let Some(hex) = lower.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok()?
    } else if lower.len() > 1 && lower.starts_with('0') {
        u64::from_str_radix(&lower[1..], 8).ok()?
    } else {
        lower.parse().ok()?
    };
    Some(if negative { -i128::from(value) } else { i128::from(value) })
}

/// A number with a letter for a power of 1024 after it (`1.5k`, `4M`).
pub(crate) fn binary_units(text: &str) -> Option<f64> {
    let text = text.trim();
    let letter = text.chars().next_back()?;
    let power = match letter.to_ascii_lowercase() {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        'e' => 6,
        'z' => 7,
        'y' => 8,
        _ => return text.parse().ok(),
    };
    let number: f64 = text[..text.len() - letter.len_utf8()].trim().parse().ok()?;
    Some(number * 1024f64.powi(power))
}

/// CPUs as the kernel lists them: `0-3,8,10-11`. At most 65,536 of them.
pub(crate) fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last.saturating_sub(first) > 65_535 || cpus.len() > 65_535 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// A name as metric names allow it: runs of other characters, with underscores around them, become one underscore.
pub(crate) fn metric_name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut pending = String::new();
    let mut foreign = false;
    for letter in text.chars() {
        match letter {
            '_' => pending.push('_'),
            _ if letter.is_ascii_alphanumeric() => {
                out.push_str(if foreign { "_" } else { &pending });
                pending.clear();
                foreign = false;
                out.push(letter);
            }
            _ => foreign = true,
        }
    }
    out.push_str(if foreign { "_" } else { &pending });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prefixes_tell_the_base() {
        assert_eq!(c_number("0x1003"), Some(0x1003));
        assert_eq!(c_number("-1"), Some(-1));
        assert_eq!(c_number("010"), Some(8));
        assert_eq!(c_number("0"), Some(0));
        assert_eq!(c_number("0xffffffffffffffff"), Some(i128::from(u64::MAX)));
        assert_eq!(c_number(""), None);
    }

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(binary_units("1.5k"), Some(1536.0));
        assert_eq!(binary_units("2M"), Some(2_097_152.0));
        assert_eq!(binary_units("17"), Some(17.0));
        assert_eq!(binary_units("k"), None);
    }

    #[test]
    fn cpus_are_listed_by_ranges() {
        assert_eq!(cpu_list("0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list("\n"), Some(vec![]));
        assert_eq!(cpu_list("0-4294967295"), None);
        assert_eq!(cpu_list("x"), None);
    }

    #[test]
    fn names_keep_single_underscores() {
        assert_eq!(metric_name("tx-bytes (ok)"), "tx_bytes_ok_");
        assert_eq!(metric_name("a__b"), "a__b");
        assert_eq!(metric_name("a_-_b"), "a_b");
        assert_eq!(metric_name("_a_"), "_a_");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".*") {
            let _ = (c_number(&text), binary_units(&text), cpu_list(&text), metric_name(&text));
        }
    }
}
