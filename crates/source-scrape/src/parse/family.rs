//! What is known of the family that is being read.

use corten_signal::samples::MetricKind;

use super::About;

/// A family as far as it has been described.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// Its name as the format gives it.
    pub name: String,
    /// Its type.
    pub kind: MetricKind,
    /// Its help.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

impl Family {
    /// Takes up what is said; another name begins another family. Answers whether anything has changed.
    pub fn learn(&mut self, name: &str, about: About<'_>) -> bool {
        let mut changed = false;
        if self.name != name {
            // A type goes on to hold for what follows without one, as in Prometheus.
            *self = Self { name: name.to_owned(), kind: self.kind, ..Self::default() };
            changed = true;
        }
        let mut set = |known: &mut String, text: &str| {
            if known != text {
                text.clone_into(known);
                changed = true;
            }
        };
        match about {
            About::Help(text) => set(&mut self.help, text),
            About::Unit(text) => set(&mut self.unit, text),
            About::Kind(kind) => {
                changed |= self.kind != kind;
                self.kind = kind;
            }
        }
        changed
    }

    /// Whether a series of this name belongs to the family.
    pub fn holds(&self, series: &str) -> bool {
        let endings: &[&str] = match self.kind {
            MetricKind::Counter => &["_total", "_created"],
            MetricKind::Histogram => &["_bucket", "_sum", "_count", "_created"],
            MetricKind::GaugeHistogram => &["_bucket", "_gsum", "_gcount", "_sum", "_count"],
            MetricKind::Summary => &["_sum", "_count", "_created"],
            MetricKind::Info => &["_info"],
            _ => &[],
        };
        let family = match self.kind {
            MetricKind::Counter => self.name.strip_suffix("_total").unwrap_or(&self.name),
            MetricKind::Info => self.name.strip_suffix("_info").unwrap_or(&self.name),
            _ => &self.name,
        };
        let ending = series.strip_prefix(family);
        ending.is_some_and(|ending| ending.is_empty() || endings.contains(&ending))
    }
}

/// Which part of a classic histogram a series is, and its base name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Bucket,
    Sum,
    Count,
}

pub(super) fn part(name: &str) -> Option<(Part, &str)> {
    let parts = [("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)];
    parts.into_iter().find_map(|(ending, part)| name.strip_suffix(ending).map(|base| (part, base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_holds_what_its_type_allows() {
        for (family, kind, series, holds) in [
            ("a", MetricKind::Gauge, "a", true),
            ("a", MetricKind::Gauge, "a_total", false),
            ("a", MetricKind::Counter, "a_total", true),
            ("a_total", MetricKind::Counter, "a_total", true),
            ("a_total", MetricKind::Counter, "a", true),
            ("a", MetricKind::Histogram, "a_bucket", true),
            ("a", MetricKind::Histogram, "a", true),
            ("a", MetricKind::Histogram, "ab", false),
            ("a", MetricKind::Summary, "a_bucket", false),
            ("a", MetricKind::Info, "a_info", true),
        ] {
            let family = Family { name: family.to_owned(), kind, ..Family::default() };
            assert_eq!(family.holds(series), holds, "{family:?} {series}");
        }
    }

    #[test]
    fn another_name_begins_anew() {
        let mut family = Family::default();
        assert!(family.learn("a", About::Help("text")));
        assert!(!family.learn("a", About::Help("text")));
        assert!(family.learn("a", About::Kind(MetricKind::Counter)));
        assert!(family.learn("b", About::Unit("seconds")));
        assert_eq!((family.help.as_str(), family.unit.as_str()), ("", "seconds"));
    }
}
