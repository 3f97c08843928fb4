//! Numbers as Prometheus prints them: the shortest digits that read back the same, with an exponent from 1e+06 on.

use std::fmt::Write as _;

/// Appends `value` to `out`.
pub(crate) fn write(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        integer(out, value);
    } else {
        shortest(out, value);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller checks that it is whole and below 1e15")]
fn integer(out: &mut String, value: f64) {
    if value.is_sign_negative() {
        out.push('-');
    }
    let whole = value.abs() as i64;
    if whole < 1_000_000 {
        let _ = write!(out, "{whole}");
        return;
    }
    let mut digits = whole;
    let mut exponent = 0;
    while digits % 10 == 0 {
        digits /= 10;
        exponent += 1;
    }
    let start = out.len();
    let _ = write!(out, "{digits}");
    let count = out.len() - start;
    if count > 1 {
        out.insert(start + 1, '.');
    }
    let _ = write!(out, "e+{:02}", exponent + count - 1);
}

fn shortest(out: &mut String, value: f64) {
    let start = out.len();
    let _ = write!(out, "{value:e}");
    let Some(mark) = out[start..].find('e').map(|at| at + start) else { return };
    let exponent: i32 = out[mark + 1..].parse().unwrap_or_default();
    out.truncate(start);
    if (-4..6).contains(&exponent) {
        let _ = write!(out, "{value}");
        return;
    }
    let _ = write!(out, "{value:e}");
    out.truncate(mark);
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "e{sign}{:02}", exponent.abs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = String::new();
        write(&mut out, value);
        out
    }

    #[test]
    fn numbers_look_as_prometheus_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-125_000.0, "-125000"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (1.6e9, "1.6e+09"),
            (18_446_744_073_709_552_000.0, "1.8446744073709552e+19"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (301_854.25, "301854.25"),
            (1_234_567.5, "1.2345675e+06"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any::<f64>()) {
            let back: f64 = text(value).parse().unwrap();
            prop_assert!(back == value || (back.is_nan() && value.is_nan()));
        }

        #[test]
        fn whole_numbers_read_back(value in any::<i64>()) {
            let value = value as f64;
            prop_assert_eq!(text(value).parse::<f64>().unwrap(), value);
        }
    }
}
