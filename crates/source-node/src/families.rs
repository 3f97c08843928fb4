//! Samples on their way to text: a collector adds them one by one, [`render`] sorts and prints them.
//!
//! Names, help and labels lie in one string, so a sample costs no allocation of its own.

use std::fmt::{Display, Write as _};
use std::ops::Range;

use crate::number;

/// The type of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Not known.
    Untyped,
    /// Buckets, sum and count.
    Histogram,
    /// Quantiles, sum and count.
    Summary,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Untyped => "untyped",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// What can be a sample's value.
pub trait Value {
    /// As it is printed.
    fn value(self) -> f64;
}

impl Value for bool {
    fn value(self) -> f64 {
        f64::from(u8::from(self))
    }
}

macro_rules! values {
    ($($from:ty)*) => {$(
        impl Value for $from {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss, reason = "samples are floats")]
            fn value(self) -> f64 {
                self as f64
            }
        }
    )*};
}
values!(f64 u8 u16 u32 u64 usize i8 i16 i32 i64);

type Span = Range<u32>;

#[derive(Debug, Clone)]
struct Head {
    name: Span,
    help: Span,
    kind: Kind,
}

#[derive(Debug, Clone)]
struct Row {
    family: u32,
    /// `a="b",c="d"`, escaped.
    labels: Span,
    count: u8,
    suffix: &'static str,
    value: f64,
}

/// What one collector has seen.
#[derive(Debug, Default, Clone)]
pub struct Families {
    text: String,
    heads: Vec<Head>,
    rows: Vec<Row>,
    /// The family used last: the next sample is probably of it, or of the one after it.
    cursor: usize,
}

impl Families {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample of a counter. Labels may come in any order.
    pub fn counter(&mut self, name: &str, help: impl Display, labels: &[(&str, &str)], value: impl Value) {
        self.sample(Kind::Counter, name, help, labels, value);
    }

    /// Adds a sample of a gauge.
    pub fn gauge(&mut self, name: &str, help: impl Display, labels: &[(&str, &str)], value: impl Value) {
        self.sample(Kind::Gauge, name, help, labels, value);
    }

    /// Adds a sample of a family whose type is not known.
    pub fn untyped(&mut self, name: &str, help: impl Display, labels: &[(&str, &str)], value: impl Value) {
        self.sample(Kind::Untyped, name, help, labels, value);
    }

    /// Adds a sample. The first sample of a family says its type and help.
    pub fn sample(&mut self, kind: Kind, name: &str, help: impl Display, labels: &[(&str, &str)], value: impl Value) {
        self.part(kind, name, "", help, labels, value);
    }

    /// Adds a part of a histogram or a summary (`_bucket`, `_sum`, `_count`). Their parts stay in the order in which
    /// they come.
    pub fn part(
        &mut self,
        kind: Kind,
        name: &str,
        suffix: &'static str,
        help: impl Display,
        labels: &[(&str, &str)],
        value: impl Value,
    ) {
        let family = self.family(kind, name, help);
        let start = self.text.len();
        self.write_labels(labels);
        self.rows.push(Row {
            family: u32::try_from(family).unwrap_or(u32::MAX),
            labels: span(start, self.text.len()),
            count: u8::try_from(labels.len()).unwrap_or(u8::MAX),
            suffix,
            value: value.value(),
        });
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn family(&mut self, kind: Kind, name: &str, help: impl Display) -> usize {
        let count = self.heads.len();
        for at in (self.cursor..count).chain(0..self.cursor) {
            if self.slice(&self.heads[at].name) == name {
                self.cursor = at;
                return at;
            }
        }
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        let _ = write!(Escape { out: &mut self.text, quotes: false }, "{help}");
        self.heads.push(Head { name: span(start, middle), help: span(middle, self.text.len()), kind });
        self.cursor = count;
        count
    }

    fn slice(&self, span: &Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn write_labels(&mut self, labels: &[(&str, &str)]) {
        if labels.is_sorted_by(|left, right| left.0 <= right.0) {
            labels.iter().for_each(|label| self.write_label(label));
        } else {
            let mut sorted = labels.to_vec();
            sorted.sort_by_key(|label| label.0);
            sorted.iter().for_each(|label| self.write_label(label));
        }
        // The comma after the last one.
        if !labels.is_empty() {
            self.text.pop();
        }
    }

    fn write_label(&mut self, (name, value): &(&str, &str)) {
        self.text.push_str(name);
        self.text.push_str("=\"");
        let _ = Escape { out: &mut self.text, quotes: true }.write_str(value);
        self.text.push_str("\",");
    }
}

fn span(start: usize, end: usize) -> Span {
    let at = |place| u32::try_from(place).unwrap_or(u32::MAX);
    at(start)..at(end)
}

struct Escape<'a> {
    out: &'a mut String,
    quotes: bool,
}

impl std::fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mut done = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escaped = match byte {
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'"' if self.quotes => "\\\"",
                _ => continue,
            };
            self.out.push_str(&text[done..at]);
            self.out.push_str(escaped);
            done = at + 1;
        }
        self.out.push_str(&text[done..]);
        Ok(())
    }
}

/// Labels by their values: the quote that ends a value counts as less than any character.
fn compare_labels(left: &str, right: &str) -> std::cmp::Ordering {
    let rank = |byte: u8| if byte == b'"' { 0 } else { byte };
    left.bytes().map(rank).cmp(right.bytes().map(rank))
}

/// Prints what collectors have seen: families by name, samples by labels. A family that several have is printed once,
/// with the type and the help of the first; of equal samples the first is kept.
pub fn render(sets: &mut [Families]) -> String {
    let mut order = Vec::new();
    let mut size = 0;
    for (number, set) in sets.iter_mut().enumerate() {
        set.sort();
        size += set.text.len();
        let mut start = 0;
        while let Some(row) = set.rows.get(start) {
            let family = row.family;
            let end = start + set.rows[start..].iter().take_while(|row| row.family == family).count();
            order.push((number, family as usize, start..end));
            start = end;
        }
    }
    let name = |&(set, family, _): &(usize, usize, Range<usize>)| {
        let set: &Families = &sets[set];
        set.slice(&set.heads[family].name)
    };
    order.sort_by(|left, right| name(left).cmp(name(right)));
    let mut out = String::with_capacity(size * 2);
    for group in order.chunk_by(|left, right| name(left) == name(right)) {
        print_family(sets, group, &mut out);
    }
    out
}

impl Families {
    fn sort(&mut self) {
        let Self { text, heads, rows, .. } = self;
        let labels = |row: &Row| &text[row.labels.start as usize..row.labels.end as usize];
        rows.sort_by(|left, right| {
            left.family.cmp(&right.family).then_with(|| {
                let ordered = |row: &Row| matches!(heads[row.family as usize].kind, Kind::Histogram | Kind::Summary);
                if ordered(left) {
                    return std::cmp::Ordering::Equal;
                }
                left.count.cmp(&right.count).then_with(|| compare_labels(labels(left), labels(right)))
            })
        });
    }
}

fn print_family(sets: &[Families], group: &[(usize, usize, Range<usize>)], out: &mut String) {
    let Some(&(set, family, _)) = group.first() else { return };
    let first = &sets[set];
    let head = &first.heads[family];
    let name = first.slice(&head.name);
    let _ = writeln!(out, "# HELP {name} {}", first.slice(&head.help));
    let _ = writeln!(out, "# TYPE {name} {}", head.kind.name());
    let rows =
        group.iter().flat_map(|(set, _, range)| sets[*set].rows[range.clone()].iter().map(move |row| (*set, row)));
    let mut rows: Vec<(&str, &Row)> = rows.map(|(set, row)| (sets[set].slice(&row.labels), row)).collect();
    if group.len() > 1 && !matches!(head.kind, Kind::Histogram | Kind::Summary) {
        rows.sort_by(|left, right| compare_labels(left.0, right.0));
    }
    let mut last = None;
    for (labels, row) in rows {
        if last.replace((labels, row.suffix)) == Some((labels, row.suffix)) {
            continue;
        }
        out.push_str(name);
        out.push_str(row.suffix);
        if !labels.is_empty() {
            out.push('{');
            out.push_str(labels);
            out.push('}');
        }
        out.push(' ');
        number::write(out, row.value);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn families_and_samples_come_out_sorted() {
        let mut one = Families::new();
        one.gauge("node_z", "Last.", &[], 1);
        one.counter("node_cpu_seconds_total", "Time.", &[("mode", "user"), ("cpu", "10")], 0.5);
        one.counter("node_cpu_seconds_total", "Time.", &[("mode", "user"), ("cpu", "1")], 2u64);
        let mut two = Families::new();
        two.untyped("node_a", "First\\ of \"all\"\nlines.", &[("path", "C:\\ \"x\"\ny")], true);
        assert_eq!(
            render(&mut [one, two]),
            "# HELP node_a First\\\\ of \"all\"\\nlines.\n# TYPE node_a untyped\nnode_a{path=\"C:\\\\ \\\"x\\\"\\ny\"} 1\n\
             # HELP node_cpu_seconds_total Time.\n# TYPE node_cpu_seconds_total counter\n\
             node_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 2\nnode_cpu_seconds_total{cpu=\"10\",mode=\"user\"} 0.5\n\
             # HELP node_z Last.\n# TYPE node_z gauge\nnode_z 1\n"
        );
    }

    #[test]
    fn a_family_of_two_collectors_is_printed_once_and_an_equal_sample_too() {
        let mut one = Families::new();
        one.gauge("a", "One.", &[("x", "2")], 1);
        one.gauge("a", "One.", &[("x", "2")], 7);
        let mut two = Families::new();
        two.counter("a", "Two.", &[("x", "1")], 3);
        two.counter("a", "Two.", &[("x", "2")], 4);
        assert_eq!(render(&mut [one, two]), "# HELP a One.\n# TYPE a gauge\na{x=\"1\"} 3\na{x=\"2\"} 1\n");
    }

    #[test]
    fn parts_of_a_histogram_keep_their_order() {
        let mut set = Families::new();
        for (suffix, le, value) in [("_bucket", "1", 1), ("_bucket", "10", 2), ("_bucket", "+Inf", 3)] {
            set.part(Kind::Histogram, "h", suffix, "H.", &[("le", le)], value);
        }
        set.part(Kind::Histogram, "h", "_sum", "H.", &[], 20.5);
        set.part(Kind::Histogram, "h", "_count", "H.", &[], 3);
        let expected = "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"10\"} 2\n\
            h_bucket{le=\"+Inf\"} 3\nh_sum 20.5\nh_count 3\n";
        assert_eq!(render(&mut [set]), expected);
    }

    proptest! {
        #[test]
        fn every_line_of_hostile_labels_stays_one_line(values in prop::collection::vec(".*", 1..5)) {
            let mut set = Families::new();
            for value in &values {
                set.gauge("a", value, &[("x", value)], 1);
            }
            let text = render(&mut [set]);
            let distinct: std::collections::HashSet<_> = values.iter().collect();
            prop_assert_eq!(text.split_terminator('\n').count(), distinct.len() + 2);
            let whole = |line: &str| line.starts_with("a{x=\"") && line.ends_with("\"} 1");
            prop_assert!(text.split_terminator('\n').skip(2).all(whole));
        }
    }
}
