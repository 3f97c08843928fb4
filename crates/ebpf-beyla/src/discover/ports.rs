//! Lists and ranges of ports: `80,443,8000-8999`.

use std::ops::RangeInclusive;

/// Some ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Reads a list.
    ///
    /// # Errors
    /// The part that is no port and no range, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let port = |text: &str| {
            let text = text.trim();
            text.parse::<u16>().map_err(|_| format!("{text:?} is not a port (1 to 65535)"))
        };
        let range = |part: &str| match part.split_once('-') {
            None => port(part).map(|one| one..=one),
            Some((first, last)) => {
                let (first, last) = (port(first)?, port(last)?);
                match first <= last {
                    true => Ok(first..=last),
                    false => Err(format!("the range {part:?} ends before it begins")),
                }
            }
        };
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a port is among them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().cloned().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let ports = Ports::parse("80, 443,8000-8002,").unwrap();
        assert_eq!(ports.iter().collect::<Vec<_>>(), [80, 443, 8000, 8001, 8002]);
        assert!(ports.contains(8001) && !ports.contains(81));
        assert!(Ports::parse("").unwrap().is_empty());
        for bad in ["http", "80-", "90-80", "70000", "-1"] {
            assert!(Ports::parse(bad).is_err(), "{bad}");
        }
    }
}
