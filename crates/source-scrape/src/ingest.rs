//! One scrape's body → rows. Nothing of it leaves before all of it was good.

use std::collections::HashMap;
use std::sync::Arc;

use corten_signal::labels::{Builder, Labels, NAME};
use corten_signal::samples::{
    Buckets, Counts, Exemplar, Histogram, Metadata, MetricKind, ResetHint, RowExemplar, Sample, SampleValue,
};

use crate::cache::{Ended, Id, SeriesCache};
use crate::histogram::Limits;
use crate::names::NameScheme;
use crate::parse::{About, Family, NO_TIME, ParseError, Point, Series, Sink, Value};

/// Families that are remembered, beyond one for each series.
const SPARE: usize = 1000;
/// Samples may be this much ahead of the clock: milliseconds.
const AHEAD: i64 = 10 * 60 * 1000;

/// What the arguments say about samples.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    pub(crate) honor_labels: bool,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_timestamps: bool,
    pub(crate) type_and_unit: bool,
    pub(crate) starts: bool,
    pub(crate) names: NameScheme,
    pub(crate) samples: usize,
    pub(crate) labels: usize,
    pub(crate) name_length: usize,
    pub(crate) value_length: usize,
    pub(crate) histograms: Limits,
}

/// Which limit a scrape has hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    Samples,
    Labels,
    Buckets,
}

/// What a body held.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Sample>,
    pub(crate) exemplars: Vec<RowExemplar>,
    /// Samples in the body.
    pub(crate) scraped: usize,
    /// Those that counted.
    pub(crate) added: usize,
    /// Series that were not there before.
    pub(crate) new: usize,
    pub(crate) duplicates: usize,
    pub(crate) out_of_bounds: usize,
    pub(crate) hit: Option<Hit>,
}

/// What is known of one target's series.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) cache: SeriesCache,
    /// Since when series count that say so.
    starts: HashMap<Labels, i64>,
    /// What the last scrapes said of families, by name: the same again is the same allocation.
    families: HashMap<Arc<str>, Arc<Metadata>>,
    /// Rows of the last scrape.
    pub(crate) rows: usize,
}

/// Takes the samples of one body.
pub(crate) struct Ingest<'a> {
    pub(crate) rules: &'a Rules,
    /// The labels that the target gives.
    pub(crate) target: &'a Labels,
    pub(crate) memory: &'a mut Memory,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) found: Found,
    family: Family,
    /// What is known of the family; `None` until there is a sample that may belong to it.
    metadata: Option<Arc<Metadata>>,
    /// The first row of the family that is being read.
    family_rows: usize,
}

impl<'a> Ingest<'a> {
    pub(crate) fn new(rules: &'a Rules, target: &'a Labels, memory: &'a mut Memory, time: i64) -> Self {
        memory.cache.begin();
        let found = Found { rows: Vec::with_capacity(memory.rows), ..Found::default() };
        Self { rules, target, memory, time, found, family: Family::default(), metadata: None, family_rows: 0 }
    }

    /// What was found, after the last sample.
    ///
    /// # Errors
    /// If a limit was hit.
    pub(crate) fn finish(mut self) -> (Found, Result<(), String>) {
        if self.rules.starts {
            self.mark_starts();
        }
        let result = match self.found.hit {
            Some(Hit::Samples) => Err(format!("sample limit exceeded (limit: {})", self.rules.samples)),
            Some(Hit::Buckets) => {
                Err(format!("histogram bucket limit exceeded (limit: {})", self.rules.histograms.buckets))
            }
            Some(Hit::Labels) | None => Ok(()),
        };
        (self.found, result)
    }

    /// The labels of a new series.
    fn labels(&mut self, series: &Series<'_>) -> Result<Labels, ParseError> {
        let name = series.plain_name()?;
        let pairs = series.plain_labels(self.family.kind)?;
        let mut labels = Builder::default();
        if self.rules.type_and_unit && self.family.holds(&name) {
            let kind = if self.family.kind == MetricKind::Unknown { "" } else { self.family.kind.as_str() };
            labels.set("__type__", kind);
            labels.set("__unit__", self.family.unit.clone());
        }
        labels.set(NAME, name.clone());
        for (label, value) in &pairs {
            if self.rules.type_and_unit && matches!(&**label, "__type__" | "__unit__") {
                continue;
            }
            if labels.has(label) {
                return Err(ParseError(format!("label name {label:?} is not unique in a series of {name:?}")));
            }
            labels.set(label.clone(), value.clone());
        }
        self.with_target(&mut labels);
        let labels = labels.build();
        if labels.name().is_empty() {
            return Err(ParseError::new("missing metric name (__name__ label)"));
        }
        self.rules.names.check(&labels)?;
        self.within_limits(&labels)?;
        Ok(labels)
    }

    fn with_target<'l>(&self, labels: &mut Builder<'l>)
    where
        'a: 'l,
    {
        let mut moved: Vec<(&str, String)> = Vec::new();
        for (name, value) in self.target {
            match labels.get(name) {
                "" => labels.set(name, value),
                _ if self.rules.honor_labels => {}
                scraped => {
                    moved.push((name, scraped.to_owned()));
                    labels.set(name, value);
                }
            }
        }
        // Short names first: `exported_a` must not take the place that `exported_exported_a` would get.
        moved.sort_by_key(|(name, _)| name.len());
        for (name, value) in moved {
            let mut free = format!("exported_{name}");
            while labels.has(&free) {
                free = format!("exported_{free}");
            }
            labels.set(free, value);
        }
    }

    fn within_limits(&mut self, labels: &Labels) -> Result<(), ParseError> {
        let Rules { labels: most, name_length, value_length, .. } = *self.rules;
        let metric: String = labels.name().chars().take(50).collect();
        let count = labels.len();
        let why = if most > 0 && count > most {
            Some(format!("label_limit exceeded (metric: {metric}, number of labels: {count}, limit: {most})"))
        } else {
            labels.iter().find_map(|(label, value)| {
                let short: String = label.chars().take(50).collect();
                if name_length > 0 && label.len() > name_length {
                    let length = label.len();
                    return Some(format!(
                        "label_name_length_limit exceeded (metric: {metric}, label name: {short}, length: {length}, limit: {name_length})"
                    ));
                }
                (value_length > 0 && value.len() > value_length).then(|| {
                    let (length, start) = (value.len(), value.chars().take(50).collect::<String>());
                    format!(
                        "label_value_length_limit exceeded (metric: {metric}, label name: {short}, value: {start:?}, length: {length}, limit: {value_length})"
                    )
                })
            })
        };
        match why {
            None => Ok(()),
            Some(why) => {
                self.found.hit = Some(Hit::Labels);
                Err(ParseError(why))
            }
        }
    }

    /// What is known of a series' family. In most scrapes that is what was known in the last.
    fn about(&mut self, id: Id, labels: &Labels) -> Option<Arc<Metadata>> {
        if self.family.name.is_empty() {
            return None;
        }
        let family = self.metadata.get_or_insert_with(|| self.memory.metadata(&self.family));
        match self.memory.cache.about(id) {
            Some(known) if Arc::ptr_eq(known, family) => Some(Arc::clone(known)),
            _ => {
                let found = self.family.holds(labels.name()).then(|| Arc::clone(family));
                self.memory.cache.set_about(id, found.clone());
                found
            }
        }
    }

    fn push(&mut self, id: Id, timestamp: i64, start: i64, value: SampleValue, exemplars: Vec<Exemplar>) {
        let labels = self.memory.cache.labels(id).clone();
        let metadata = self.about(id, &labels);
        let row = u32::try_from(self.found.rows.len()).unwrap_or(u32::MAX);
        let is_histogram = matches!(value, SampleValue::Histogram(_));
        for mut exemplar in exemplars {
            if exemplar.timestamp == NO_TIME {
                // One of a native histogram could not be told from its repetition.
                if is_histogram {
                    continue;
                }
                exemplar.timestamp = timestamp;
            }
            self.found.exemplars.push(RowExemplar { row, exemplar });
        }
        self.found.rows.push(Sample { labels, timestamp, start, value, metadata });
    }

    fn is_created(&self, name: &str) -> bool {
        let kinds = [MetricKind::Counter, MetricKind::Histogram, MetricKind::Summary];
        self.rules.starts && kinds.contains(&self.family.kind) && name.ends_with("_created")
    }

    /// A `_created` series says since when the others of its family with the same labels count.
    fn created(&mut self, series: &Series<'_>, seconds: f64) -> Result<(), ParseError> {
        let start = (seconds * 1000.0) as i64;
        let (name, of_created) = (series.plain_name()?, series.plain_labels(MetricKind::Unknown)?);
        let base = name.strip_suffix("_created").unwrap_or(&name);
        let mut wanted = Builder::default();
        wanted.set(NAME, base.to_owned());
        of_created.iter().for_each(|(label, value)| wanted.set(label.clone(), value.clone()));
        self.with_target(&mut wanted);
        let endings = ["", "_total", "_count", "_sum", "_bucket"];
        for row in self.found.rows.iter_mut().skip(self.family_rows) {
            let same = row.labels.name().strip_prefix(base).is_some_and(|ending| endings.contains(&ending))
                && row
                    .labels
                    .iter()
                    .filter(|(label, _)| !matches!(*label, NAME | "le" | "quantile"))
                    .eq(wanted.iter().filter(|(label, _)| *label != NAME));
            if same {
                row.start = start;
            }
        }
        Ok(())
    }

    /// Puts a zero where a series began to count, once for each beginning.
    fn mark_starts(&mut self) {
        let rows = std::mem::take(&mut self.found.rows);
        let mut shifted = Vec::with_capacity(rows.len());
        let mut out = Vec::with_capacity(rows.len());
        for row in rows {
            let is_new = row.start > 0
                && row.start < row.timestamp
                && self.memory.starts.insert(row.labels.clone(), row.start) != Some(row.start);
            if is_new {
                let value = match &row.value {
                    SampleValue::Float(_) => SampleValue::Float(0.0),
                    SampleValue::Histogram(histogram) => SampleValue::Histogram(Arc::new(zero(histogram))),
                };
                out.push(Sample { timestamp: row.start, start: 0, value, ..row.clone() });
            }
            shifted.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
            out.push(row);
        }
        for exemplar in &mut self.found.exemplars {
            exemplar.row = shifted.get(exemplar.row as usize).copied().unwrap_or(exemplar.row);
        }
        self.found.rows = out;
    }
}

/// The same histogram before it counted anything.
fn zero(of: &Histogram) -> Histogram {
    let counts = match &of.counts {
        Counts::Integer { .. } => {
            Counts::Integer { count: 0, zero: 0, positive: Buckets::default(), negative: Buckets::default() }
        }
        Counts::Float { .. } => {
            Counts::Float { count: 0.0, zero: 0.0, positive: Buckets::default(), negative: Buckets::default() }
        }
    };
    Histogram { sum: 0.0, counts, reset_hint: ResetHint::Yes, ..of.clone() }
}

impl Memory {
    /// Drops what is known of series that have ended.
    pub(crate) fn forget(&mut self, ended: &[Ended]) {
        if !self.starts.is_empty() {
            for (labels, _) in ended {
                self.starts.remove(labels);
            }
        }
    }

    /// What is known of a family, in the allocation of the last scrape if nothing has changed.
    fn metadata(&mut self, Family { name, kind, help, unit }: &Family) -> Arc<Metadata> {
        let same = |known: &Arc<Metadata>| known.kind == *kind && *known.help == **help && *known.unit == **unit;
        if let Some(known) = self.families.get(name.as_str()).filter(|known| same(known)) {
            return Arc::clone(known);
        }
        // Families of a target with other names each time must not fill the memory.
        if self.families.len() > self.cache.len() + SPARE {
            self.families.clear();
        }
        let (family, help, unit) = (Arc::<str>::from(name.as_str()), help.as_str().into(), unit.as_str().into());
        let metadata = Arc::new(Metadata { family: Arc::clone(&family), kind: *kind, help, unit });
        self.families.insert(family, Arc::clone(&metadata));
        metadata
    }
}

impl Sink for Ingest<'_> {
    fn about(&mut self, family: &str, about: About<'_>) -> Result<(), ParseError> {
        if self.family.name != family {
            self.family_rows = self.found.rows.len();
        }
        if self.family.learn(family, about) {
            self.metadata = None;
        }
        Ok(())
    }

    fn expects(&mut self, rest: &[u8]) -> usize {
        self.memory.cache.expects(rest)
    }

    fn sample(&mut self, point: Point<'_>) -> Result<(), ParseError> {
        let own_time = point.timestamp.filter(|_| self.rules.honor_timestamps);
        let cached = match &point.series {
            None => self.memory.cache.expected(),
            Some(_) => self.memory.cache.find(point.key),
        };
        self.found.scraped += 1;
        let id = match (cached, &point.series) {
            (Some(id), _) => id,
            (None, Some(series)) => {
                if let Value::Float(seconds) = point.value
                    && self.is_created(&series.plain_name()?)
                {
                    self.found.scraped -= 1;
                    return self.created(series, seconds);
                }
                let labels = self.labels(series)?;
                self.memory.cache.add(point.key, labels)
            }
            (None, None) => return Err(ParseError::new("a series was expected that is not known")),
        };
        self.found.added += 1;
        let timed = own_time.is_some() && !self.rules.track_timestamps;
        if self.memory.cache.see(id, timed) && own_time.is_none() {
            self.found.duplicates += 1;
            return Ok(());
        }
        if self.rules.samples > 0 && self.found.rows.len() >= self.rules.samples {
            // Read on, to say how many there are.
            self.found.hit = Some(Hit::Samples);
            return Ok(());
        }
        let timestamp = own_time.unwrap_or(self.time);
        if timestamp > self.time.saturating_add(AHEAD) {
            self.found.out_of_bounds += 1;
            return Ok(());
        }
        let value = match point.value {
            Value::Float(value) => SampleValue::Float(value),
            Value::Histogram(histogram) => match self.rules.histograms.apply(*histogram) {
                Some(histogram) => {
                    histogram.validate().map_err(|why| {
                        let series = self.memory.cache.labels(id);
                        ParseError(format!("{series} is no histogram: {why}"))
                    })?;
                    SampleValue::Histogram(Arc::new(histogram))
                }
                None => {
                    self.found.hit = self.found.hit.or(Some(Hit::Buckets));
                    return Ok(());
                }
            },
        };
        self.found.new += usize::from(cached.is_none() && self.found.hit.is_none());
        self.push(id, timestamp, point.start, value, point.exemplars);
        Ok(())
    }
}
