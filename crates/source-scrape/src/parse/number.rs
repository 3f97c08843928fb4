//! Numbers as Go reads and writes them, since exposition formats are defined by Go programs.

/// Powers of ten that a double holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The one NaN that is a value, with the bits that Prometheus gives it.
pub const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// A number, `Inf`, `Infinity` or `NaN` in any case. Hexadecimal ones, underscores and numbers beyond a double's range
/// are none; every NaN becomes the same one, so that a marker of staleness cannot be sent.
pub fn parse_float(text: &[u8]) -> Option<f64> {
    if let Some(value) = simple(text) {
        return Some(value);
    }
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.trim_start_matches(['+', '-']);
    let value: f64 = text.parse().ok()?;
    let letters = unsigned.starts_with(|first: char| first.is_ascii_alphabetic());
    match value {
        value if value.is_nan() => (unsigned.len() == text.len()).then_some(NAN),
        value if value.is_infinite() => letters.then_some(value),
        value => Some(value),
    }
}

/// Digits with at most one point and no exponent, as nearly all numbers are. Exact: both the digits and the power of
/// ten fit a double, so that there is one rounding.
fn simple(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let (mut mantissa, mut point, mut seen) = (0u64, None, 0);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                seen += 1;
            }
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    if seen == 0 || mantissa >= 1 << 53 {
        return None;
    }
    let value = mantissa as f64 / TENS[point.map_or(0, |at| digits.len() - at - 1)];
    Some(if negative { -value } else { value })
}

/// A number as OpenMetrics writes boundaries and quantiles: always with a point or an exponent.
pub fn float_label(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    // The fewest digits that mean this number: `1.234e5`.
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Go's %g, where the shortest form counts as six digits.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    // Negative zero has no sign here.
    let plain = format!("{}", value + 0.0);
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, value) in [
            ("1", 1.0),
            ("-0", -0.0),
            ("+1.5e3", 1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("+INF", f64::INFINITY),
            ("1e-400", 0.0),
            ("0.000123", 0.000_123),
            ("9007199254740993", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
        assert_eq!(parse_float(b"nan").map(f64::to_bits), Some(0x7ff8_0000_0000_0001));
        for text in ["", "-", ".", "+nan", "-NaN", "1e400", "0x1p3", "0x1", "1_000", "1 ", "1f", "infin", "1\r", "e5"] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn boundaries_have_one_form() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (0.5, "0.5"),
            (10.0, "10.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "0.0"),
            (100_000.0, "100000.0"),
            (1_000_000.0, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float_label(value), text);
        }
    }

    proptest! {
        #[test]
        fn the_short_way_is_exact(text in "-?[0-9]{0,9}\\.?[0-9]{0,8}") {
            prop_assert_eq!(parse_float(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = parse_float(&text);
        }
    }
}
