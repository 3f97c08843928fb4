//! Sizes such as `4MiB`.

use std::fmt;

use corten_syntax::Value;

use super::{Attribute, ValueError};

/// A number of bytes, written `"512KiB"`, `"4MiB"`, `"1GB"`. All units are powers of 1024, as Alloy reads them; a
/// bare number counts bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u32); 6] = [("K", 10), ("M", 20), ("G", 30), ("T", 40), ("P", 50), ("E", 60)];

impl ByteSize {
    /// So many kibibytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// So many mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// As a size in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads `1.5MiB`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let shift = match unit {
            "" | "B" => 0,
            _ => {
                let letter = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B'))?;
                UNITS.iter().find(|(name, _)| *name == letter).map(|(_, shift)| *shift)?
            }
        };
        let bytes = number * (1u64 << shift) as f64;
        (bytes.is_finite() && bytes <= u64::MAX as f64).then_some(Self(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().rev().find(|(_, shift)| self.0 >= 1 << shift && self.0.trailing_zeros() >= *shift);
        match unit {
            Some((name, shift)) => write!(f, "{}{name}iB", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Attribute for ByteSize {
    fn type_name() -> String {
        "size".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        if matches!(value, Value::Null) {
            return Ok(Self(0));
        }
        let text = corten_syntax::value::to_text(value).map_err(ValueError::new)?;
        Self::parse(&text).ok_or_else(|| {
            ValueError::new("is not a size").with_help("sizes are text with a unit: \"512KiB\", \"4MiB\", \"1GiB\"")
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn all_units_are_powers_of_1024() {
        assert_eq!(ByteSize::parse("4MiB"), Some(ByteSize::mib(4)));
        assert_eq!(ByteSize::parse("4MB"), Some(ByteSize::mib(4)));
        assert_eq!(ByteSize::parse("1.5KiB"), Some(ByteSize(1536)));
        assert_eq!(ByteSize::parse("17"), Some(ByteSize(17)));
        assert_eq!(ByteSize::parse("0MiB"), Some(ByteSize(0)));
        for wrong in ["", "MiB", "4 MiB", "4mb", "-1B", "1e30EiB", "4XiB"] {
            assert_eq!(ByteSize::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn it_prints_what_it_reads() {
        for text in ["512KiB", "20MiB", "1B", "1536B", "0B"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
    }
}
