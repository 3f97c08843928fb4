//! Integers and floats.

use super::Printer;

impl Printer {
    /// An integer in a base; `verb` decides case and prefix.
    pub(super) fn integer(&mut self, negative: bool, magnitude: u64, base: u32, verb: char) {
        let signed = negative || self.flags.plus || self.flags.space;
        let mut least = 0;
        if let Some(precision) = self.flags.precision {
            least = precision;
            if precision == 0 && magnitude == 0 {
                self.without_zeros(|printer| printer.padding(printer.flags.width.unwrap_or(0)));
                return;
            }
        } else if let (true, false, Some(width)) = (self.flags.zero, self.flags.minus, self.flags.width) {
            least = width.saturating_sub(usize::from(signed));
        }
        let digits = match (base, verb) {
            (2, _) => format!("{magnitude:b}"),
            (8, _) => format!("{magnitude:o}"),
            (16, 'X') => format!("{magnitude:X}"),
            (16, _) => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let digits = format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
        let prefix = match (base, verb) {
            (8, 'O') if self.flags.sharp && !digits.starts_with('0') => "0o0",
            (8, 'O') => "0o",
            (2, _) if self.flags.sharp => "0b",
            (8, _) if self.flags.sharp && !digits.starts_with('0') => "0",
            (16, 'X') if self.flags.sharp => "0X",
            (16, _) if self.flags.sharp => "0x",
            _ => "",
        };
        let sign = match () {
            () if negative => "-",
            () if self.flags.plus => "+",
            () if self.flags.space => " ",
            () => "",
        };
        self.without_zeros(|printer| printer.pad(&format!("{sign}{prefix}{digits}")));
    }

    fn without_zeros(&mut self, write: impl FnOnce(&mut Self)) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        write(self);
        self.flags.zero = zero;
    }

    /// A float; a precision of `None` asks for as many digits as tell it apart.
    pub(super) fn float(&mut self, n: f64, verb: char, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        let negative = n.is_sign_negative() && !n.is_nan();
        let sign = match () {
            () if negative => "-",
            () if self.flags.plus => "+",
            () if self.flags.space => " ",
            // Without a flag infinity still shows its sign.
            () if n.is_infinite() => "+",
            () => "",
        };
        if !n.is_finite() {
            let name = if n.is_nan() { "NaN" } else { "Inf" };
            self.without_zeros(|printer| printer.pad(&format!("{sign}{name}")));
            return;
        }
        let mut digits = match verb {
            'e' | 'E' => scientific(n.abs(), precision),
            'f' => precision.map_or_else(|| n.abs().to_string(), |precision| format!("{:.precision$}", n.abs())),
            'b' => binary(n.abs()),
            'x' | 'X' => hexadecimal(n.abs(), precision),
            _ => general(n.abs(), precision, self.flags.sharp),
        };
        if self.flags.sharp && matches!(verb, 'e' | 'E' | 'f') && !digits.contains('.') {
            let end = digits.find('e').unwrap_or(digits.len());
            digits.insert(end, '.');
        }
        if self.flags.sharp && matches!(verb, 'x' | 'X') {
            let least = if verb == 'x' && precision.is_none() { 4 } else { 0 };
            digits = with_point(&digits, least);
        }
        if verb.is_ascii_uppercase() {
            digits.make_ascii_uppercase();
        }
        let missing = self.flags.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
        if self.flags.zero && !self.flags.minus && missing > 0 {
            // The sign stands before the zeros.
            self.out.push_str(sign);
            self.padding(missing);
            self.out.push_str(&digits);
        } else {
            self.pad(&format!("{sign}{digits}"));
        }
    }
}

/// Digits and exponent of `d.ddd * 10^e`.
fn decompose(n: f64, precision: Option<usize>) -> (String, i32) {
    let text = match precision {
        Some(precision) => format!("{n:.precision$e}"),
        None => format!("{n:e}"),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.replace('.', ""), exponent.parse().unwrap_or(0))
}

fn scientific(n: f64, precision: Option<usize>) -> String {
    let (digits, exponent) = decompose(n, precision);
    mantissa_and_exponent(&digits, exponent)
}

fn mantissa_and_exponent(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs())
}

/// `%g`: with an exponent below 1e-4 and from ten to the precision on; the shortest form counts as six digits there.
fn general(n: f64, precision: Option<usize>, keep_zeros: bool) -> String {
    let precision = precision.map(|precision| precision.max(1));
    let (all, exponent) = decompose(n, precision.map(|precision| precision - 1));
    let trimmed = all.trim_end_matches('0');
    let significant = if trimmed.is_empty() { "0" } else { trimmed };
    let point_at = exponent + 1;
    let count = significant.len() as i32;
    let limit = match precision {
        None => 6,
        Some(precision) if precision as i32 > count && count >= point_at => count,
        Some(precision) => precision as i32,
    };
    let scientific = exponent < -4 || exponent >= limit;
    let wanted = if keep_zeros { precision.unwrap_or(6).max(significant.len()) } else { significant.len() };
    let digits = format!("{significant}{}", "0".repeat(wanted - significant.len()));
    let mut text = if scientific {
        mantissa_and_exponent(&digits, exponent)
    } else if point_at <= 0 {
        format!("0.{}{digits}", "0".repeat(point_at.unsigned_abs() as usize))
    } else if (point_at as usize) < digits.len() {
        format!("{}.{}", &digits[..point_at as usize], &digits[point_at as usize..])
    } else {
        format!("{digits}{}", "0".repeat(point_at as usize - digits.len()))
    };
    if keep_zeros && !text.contains('.') {
        let end = text.find('e').unwrap_or(text.len());
        text.insert(end, '.');
    }
    text
}

/// `%b`: mantissa and binary exponent, `4503599627370496p-52`.
fn binary(n: f64) -> String {
    let (mantissa, exponent) = parts(n);
    format!("{mantissa}p{exponent:+}")
}

/// Mantissa and exponent of `mantissa * 2^exponent`.
fn parts(n: f64) -> (u64, i32) {
    let bits = n.to_bits();
    let (mantissa, biased) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32);
    if biased == 0 { (mantissa, -1074) } else { (mantissa | 1 << 52, biased - 1075) }
}

/// `%x`: `0x1.8p+01`.
fn hexadecimal(n: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(n);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // One bit before the point, 60 behind it.
        let shift = mantissa.leading_zeros() as i32 - 3;
        mantissa <<= shift;
        exponent += 60 - shift;
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let dropped = 60 - 4 * precision as u32;
        let half = 1_u64 << (dropped - 1);
        let rest = mantissa & ((1 << dropped) - 1);
        mantissa >>= dropped;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= dropped;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(precision) => format!("{:0<precision$}", &fraction[..precision.min(15)]),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 60, exponent.unsigned_abs())
}

/// A hexadecimal float with a point and at least so many digits behind it.
fn with_point(text: &str, least: usize) -> String {
    let (mantissa, exponent) = text.split_once('p').unwrap_or((text, "+00"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    format!("{whole}.{fraction:0<least$}p{exponent}")
}
