//! Prometheus's text format, as files hold it that others have written.

use std::collections::BTreeMap;

use crate::families::{Families, Kind};
use crate::number;

/// Labels and their values.
type Labels = Vec<(String, String)>;

/// The samples of one name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) help: Option<String>,
    kind: Option<Kind>,
    samples: Vec<Sample>,
}

#[derive(Debug, PartialEq)]
struct Sample {
    /// `_bucket`, `_sum`, `_count` of histograms and summaries.
    suffix: &'static str,
    labels: Labels,
    value: f64,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parsed {
    pub(super) families: Vec<Family>,
    /// Whether a sample has a time.
    pub(super) has_timestamps: bool,
}

/// Takes a file apart; an error names the line.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    for (number, line) in text.split_terminator('\n').enumerate() {
        parsed.line(line.trim_start_matches([' ', '\t'])).map_err(|why| format!("line {}: {why}", number + 1))?;
    }
    parsed.families.retain(|family| !family.samples.is_empty());
    Ok(parsed)
}

impl Parsed {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let Some(comment) = line.strip_prefix('#') else {
            return if line.trim().is_empty() { Ok(()) } else { self.sample(line) };
        };
        let mut words = comment.trim_start_matches([' ', '\t']).splitn(2, [' ', '\t']);
        let (Some(word @ ("HELP" | "TYPE")), Some(rest)) = (words.next(), words.next()) else { return Ok(()) };
        let rest = rest.trim_start_matches([' ', '\t']);
        let (name, rest) = take_name(rest, true).ok_or("a name is missing")?;
        let text = rest.trim_start_matches([' ', '\t']);
        let family = self.family(name);
        if word == "HELP" {
            if family.help.replace(unescape(text, false)?).is_some() {
                return Err(format!("a second HELP of {name}"));
            }
            return Ok(());
        }
        if family.kind.is_some() || !family.samples.is_empty() {
            return Err(format!("a second TYPE of {name}, or one after its samples"));
        }
        family.kind = Some(match text.trim_end() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "untyped" => Kind::Untyped,
            other => return Err(format!("{other:?} is no type")),
        });
        Ok(())
    }

    fn family(&mut self, name: &str) -> &mut Family {
        let at = self.families.iter().position(|family| family.name == name).unwrap_or_else(|| {
            self.families.push(Family { name: name.to_owned(), ..Family::default() });
            self.families.len() - 1
        });
        &mut self.families[at]
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = take_name(line, true).ok_or("a name is missing")?;
        let (labels, rest) = take_labels(rest.trim_start_matches([' ', '\t']))?;
        let mut words = rest.split_whitespace();
        let value = words.next().ok_or("a value is missing")?;
        let value = value.parse().map_err(|_| format!("{value:?} is no number"))?;
        if let Some(time) = words.next() {
            time.parse::<i64>().map_err(|_| format!("{time:?} is no time"))?;
            self.has_timestamps = true;
        }
        if let Some(more) = words.next() {
            return Err(format!("{more:?} after the value"));
        }
        let (name, suffix) = self.part_of(name);
        self.family(&name).samples.push(Sample { suffix, labels, value });
        Ok(())
    }

    /// The family that a name belongs to, since histograms and summaries have several.
    fn part_of(&self, name: &str) -> (String, &'static str) {
        for suffix in ["_bucket", "_sum", "_count"] {
            let Some(base) = name.strip_suffix(suffix) else { continue };
            let kind = self.families.iter().find(|family| family.name == base).and_then(|family| family.kind);
            if kind == Some(Kind::Histogram) || (kind == Some(Kind::Summary) && suffix != "_bucket") {
                return (base.to_owned(), suffix);
            }
        }
        (name.to_owned(), "")
    }
}

impl Family {
    /// Adds the family's samples with `help`. A label that a sample lacks and another has is empty.
    pub(super) fn add_to(&self, out: &mut Families, help: &str) {
        let kind = self.kind.unwrap_or(Kind::Untyped);
        let bound = match kind {
            Kind::Histogram => "le",
            Kind::Summary => "quantile",
            _ => "",
        };
        let mut names: Vec<_> =
            self.samples.iter().flat_map(|sample| &sample.labels).map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| *name != bound);
        let of = |sample: &Sample, name: &str| {
            sample.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let mut groups: BTreeMap<Vec<String>, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let values = names.iter().map(|name| of(sample, name).unwrap_or_default()).collect();
            groups.entry(values).or_default().push(sample);
        }
        for (values, samples) in &groups {
            let labels: Vec<_> = names.iter().zip(values).map(|(name, value)| (*name, &**value)).collect();
            match kind {
                Kind::Histogram | Kind::Summary => {
                    let bound_of = |sample: &Sample| of(sample, bound).and_then(|text| text.parse().ok());
                    let samples: Vec<_> = samples.iter().map(|sample| (bound_of(sample), *sample)).collect();
                    self.add_parts(kind, bound, &samples, &labels, out, help);
                }
                _ => samples.iter().for_each(|sample| out.sample(kind, &self.name, help, &labels, sample.value)),
            }
        }
    }

    fn add_parts(
        &self,
        kind: Kind,
        bound: &str,
        samples: &[(Option<f64>, &Sample)],
        labels: &[(&str, &str)],
        out: &mut Families,
        help: &str,
    ) {
        let total =
            |suffix: &str| samples.iter().find(|(_, sample)| sample.suffix == suffix).map_or(0.0, |(_, it)| it.value);
        let mut bounds: Vec<(f64, f64)> =
            samples.iter().filter_map(|(bound, sample)| Some(((*bound)?, sample.value))).collect();
        bounds.sort_by(|left, right| left.0.total_cmp(&right.0));
        let suffix = if kind == Kind::Histogram { "_bucket" } else { "" };
        if kind == Kind::Histogram && bounds.last().is_none_or(|(bound, _)| bound.is_finite()) {
            bounds.push((f64::INFINITY, total("_count")));
        }
        for (at, value) in bounds {
            let mut text = String::new();
            number::write(&mut text, at);
            let labels = [labels, &[(bound, &*text)]].concat();
            out.part(kind, &self.name, suffix, help, &labels, value);
        }
        out.part(kind, &self.name, "_sum", help, labels, total("_sum"));
        out.part(kind, &self.name, "_count", help, labels, total("_count"));
    }
}

/// A name in front of `text`; those of metrics may hold colons.
fn take_name(text: &str, colons: bool) -> Option<(&str, &str)> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || (colons && letter == ':');
    let end = text.find(|letter| !fits(letter)).unwrap_or(text.len());
    let starts = text.starts_with(|first: char| !first.is_ascii_digit());
    (end > 0 && starts).then(|| text.split_at(end))
}

fn take_labels(text: &str) -> Result<(Labels, &str), String> {
    let blank = [' ', '\t'];
    let mut labels = Labels::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Ok((labels, text)) };
    loop {
        rest = rest.trim_start_matches(blank);
        if let Some(end) = rest.strip_prefix('}') {
            return Ok((labels, end));
        }
        let (name, after) = take_name(rest, false).ok_or("a label's name is missing")?;
        let after = after.trim_start_matches(blank).strip_prefix('=').ok_or("a label has no =")?;
        let after = after.trim_start_matches(blank).strip_prefix('"').ok_or("a label's value is not quoted")?;
        let end = closing_quote(after).ok_or("a label's value does not end")?;
        if labels.iter().any(|(known, _)| known == name) {
            return Err(format!("the label {name} stands twice"));
        }
        labels.push((name.to_owned(), unescape(&after[..end], true)?));
        rest = after[end + 1..].trim_start_matches(blank);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.starts_with('}') => {}
            None => return Err("a comma between labels is missing".into()),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('\\') => out.push('\\'),
            Some('n') => out.push('\n'),
            Some('"') if quotes => out.push('"'),
            other => return Err(format!("\\{} means nothing", other.unwrap_or(' '))),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> String {
        let mut out = Families::new();
        for family in parse(text).unwrap().families {
            family.add_to(&mut out, family.help.as_deref().unwrap_or("None."));
        }
        crate::render(&mut [out])
    }

    #[test]
    fn samples_are_read_with_all_that_may_stand_around_them() {
        let text = "# a comment\n# HELP a_total With a \\\\ in it.\n# TYPE a_total counter\n\
            a_total { x = \"1\" , y=\"q\\\"\\n\" , } 3\na_total{x=\"2\"} +Inf\n\nb:c 1e3\n";
        let expected = "# HELP a_total With a \\\\ in it.\n# TYPE a_total counter\n\
            a_total{x=\"1\",y=\"q\\\"\\n\"} 3\na_total{x=\"2\",y=\"\"} +Inf\n\
            # HELP b:c None.\n# TYPE b:c untyped\nb:c 1000\n";
        assert_eq!(printed(text), expected);
    }

    #[test]
    fn histograms_and_summaries_are_put_in_order() {
        let text = "# TYPE h histogram\nh_count 3\nh_sum 7\nh_bucket{le=\"5\"} 2\nh_bucket{le=\"1\"} 1\n\
            # TYPE s summary\ns{quantile=\"0.9\"} 2\ns{quantile=\"0.5\"} 1\ns_sum 3\ns_count 2\n";
        let expected = "# HELP h None.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"5\"} 2\n\
            h_bucket{le=\"+Inf\"} 3\nh_sum 7\nh_count 3\n\
            # HELP s None.\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.9\"} 2\ns_sum 3\ns_count 2\n";
        assert_eq!(printed(text), expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, why) in [
            ("a 1", "does not end"),
            ("a 1\na{ 1\n", "line 2: a label's name"),
            ("a{b=\"c} 1\n", "does not end"),
            ("a{b=\"\\x\"} 1\n", "means nothing"),
            ("a{b=\"1\",b=\"2\"} 1\n", "twice"),
            ("a{b=\"1\" c=\"2\"} 1\n", "comma"),
            ("a x\n", "is no number"),
            ("a 1 2 3\n", "after the value"),
            ("a\n", "a value"),
            ("1a 1\n", "a name"),
            ("# TYPE a lamp\n", "is no type"),
            ("a 1\n# TYPE a gauge\n", "after its samples"),
            ("# HELP a b\n# HELP a c\n", "second HELP"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert!(parse("a 1 1700000000000\n").unwrap().has_timestamps);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(# HELP |# TYPE |a|b|\\{|\\}|=|\"|\\\\|,|1| |\n|histogram|.){0,60}") {
            if let Ok(parsed) = parse(&(text + "\n")) {
                let mut out = Families::new();
                parsed.families.iter().for_each(|family| family.add_to(&mut out, "x"));
                let _ = crate::render(&mut [out]);
            }
        }

        #[test]
        fn what_is_printed_reads_back(values in prop::collection::vec((".*", any::<i32>()), 1..6)) {
            let mut out = Families::new();
            for (label, value) in &values {
                out.gauge("a", "Help \\ me.", &[("x", label)], *value);
            }
            let text = crate::render(&mut [out]);
            prop_assert_eq!(printed(&text), text);
        }
    }
}
