//! Reading what `/metrics` says.

use std::collections::BTreeMap;

/// The samples of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<(String, BTreeMap<String, String>, f64)>);

impl Samples {
    /// Reads the text format; panics on a line that is none, since that is a fault of the product.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line}"))).collect())
    }

    /// The sum of a metric over all series that have these labels; zero if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|(_, _, value)| value).sum()
    }

    /// Whether there is such a series.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    /// The values of a label over all series of a metric, each with the series' value.
    pub fn by_label(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        for (_, labels, value) in self.matching(name, &[]) {
            *values.entry(labels.get(label).cloned().unwrap_or_default()).or_default() += value;
        }
        values
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a (String, BTreeMap<String, String>, f64)> {
        self.0.iter().filter(move |(known, has, _)| {
            known == name && labels.iter().all(|(label, value)| has.get(*label).is_some_and(|v| v == value))
        })
    }
}

fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        other => other.parse().ok()?,
    };
    let Some((name, rest)) = series.split_once('{') else { return Some((series.into(), BTreeMap::new(), value)) };
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    while rest != "}" {
        let (label, after) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => text.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => text.push(letter),
            }
        };
        labels.insert(label.to_owned(), text);
        rest = after[end + 1..].trim_start_matches(',');
    }
    Some((name.to_owned(), labels, value))
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn sums_over_the_series_that_match() {
        let samples = Samples::parse("# HELP x\nx{a=\"1\",b=\"q\\\"\"} 2\nx{a=\"2\",b=\"c\"} 3\ny 1.5\n");
        assert_eq!(samples.sum("x", &[]), 5.0);
        assert_eq!(samples.sum("x", &[("b", "q\"")]), 2.0);
        assert_eq!(samples.sum("y", &[]), 1.5);
        assert!(!samples.has("z", &[]));
        assert_eq!(samples.by_label("x", "a")["2"], 3.0);
    }
}
