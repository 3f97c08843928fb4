//! Which metric a series belongs to, and as what part of it.

use corten_signal::samples::{CUSTOM_BUCKETS, Metadata, MetricKind, SampleValue};

/// The type of a metric in OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Gauge,
    Sum { monotonic: bool },
    Histogram,
    Exponential,
    Summary,
}

/// What a sample is of its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Value,
    Bucket,
    Quantile,
    Sum,
    Count,
    Created,
    Native,
}

/// The metric of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The metric's name, but for what is put after it.
    pub(super) name: &'a str,
    /// What is put after it.
    pub(super) suffix: &'static str,
    pub(super) form: Form,
    pub(super) part: Part,
}

/// What every scrape says about itself: name, unit, help.
pub(super) const SCRAPE: [(&str, &str, &str); 5] = [
    ("up", "", "Whether the target could be scraped"),
    ("scrape_duration_seconds", "seconds", "How long the scrape took"),
    ("scrape_samples_scraped", "", "The samples that the target exposed"),
    ("scrape_series_added", "", "About how many series of the scrape were new"),
    ("scrape_samples_post_metric_relabeling", "", "The samples that were left after relabelling"),
];

/// The place of a series of this name.
pub(super) fn place<'a>(name: &'a str, metadata: Option<&'a Metadata>, value: &SampleValue) -> Place<'a> {
    let own = |form, part| Place { name, suffix: "", form, part };
    if let SampleValue::Histogram(histogram) = value {
        let custom = histogram.schema == CUSTOM_BUCKETS;
        return own(if custom { Form::Histogram } else { Form::Exponential }, Part::Native);
    }
    let Some(Metadata { family, kind, .. }) = metadata else { return own(Form::Gauge, Part::Value) };
    let suffix = name.strip_prefix(&**family);
    let of_family = |form, part| Place { name: family, suffix: "", form, part };
    match kind {
        MetricKind::Gauge | MetricKind::Unknown | MetricKind::GaugeHistogram => own(Form::Gauge, Part::Value),
        MetricKind::Counter => {
            let base = family.strip_suffix("_total").unwrap_or(family);
            let form = Form::Sum { monotonic: true };
            match name.strip_prefix(base) {
                Some("_created") => Place { name: base, suffix: "_total", form, part: Part::Created },
                _ => own(form, Part::Value),
            }
        }
        MetricKind::Info | MetricKind::StateSet => of_family(Form::Sum { monotonic: false }, Part::Value),
        MetricKind::Histogram => match suffix {
            Some("_bucket") => of_family(Form::Histogram, Part::Bucket),
            Some("_sum") => of_family(Form::Histogram, Part::Sum),
            Some("_count") => of_family(Form::Histogram, Part::Count),
            Some("_created") => of_family(Form::Histogram, Part::Created),
            // The end of a native histogram is told by a number: its type was not kept.
            Some("") if value.is_stale() => of_family(Form::Exponential, Part::Native),
            _ => own(Form::Gauge, Part::Value),
        },
        MetricKind::Summary => match suffix {
            Some("") => of_family(Form::Summary, Part::Quantile),
            Some("_sum") => of_family(Form::Summary, Part::Sum),
            Some("_count") => of_family(Form::Summary, Part::Count),
            Some("_created") => of_family(Form::Summary, Part::Created),
            _ => own(Form::Gauge, Part::Value),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_their_place() {
        let metadata = |family: &str, kind| Metadata { family: family.into(), kind, help: "".into(), unit: "".into() };
        let counter = Form::Sum { monotonic: true };
        let cases = [
            ("a_total", "a", MetricKind::Counter, "a_total", counter, Part::Value),
            ("a_total", "a_total", MetricKind::Counter, "a_total", counter, Part::Value),
            ("a_created", "a", MetricKind::Counter, "a_total", counter, Part::Created),
            ("a_bucket", "a", MetricKind::Histogram, "a", Form::Histogram, Part::Bucket),
            ("a_created", "a", MetricKind::Histogram, "a", Form::Histogram, Part::Created),
            ("a", "a", MetricKind::Histogram, "a", Form::Gauge, Part::Value),
            ("a", "a", MetricKind::Summary, "a", Form::Summary, Part::Quantile),
            ("a_count", "a", MetricKind::Summary, "a", Form::Summary, Part::Count),
            ("a_count", "a", MetricKind::GaugeHistogram, "a_count", Form::Gauge, Part::Value),
            ("a_info", "a", MetricKind::Info, "a", Form::Sum { monotonic: false }, Part::Value),
            ("a_sum", "b", MetricKind::Summary, "a_sum", Form::Gauge, Part::Value),
            ("a", "a", MetricKind::Unknown, "a", Form::Gauge, Part::Value),
        ];
        for (name, family, kind, metric, form, part) in cases {
            let metadata = metadata(family, kind);
            let place = place(name, Some(&metadata), &SampleValue::Float(1.0));
            assert_eq!(format!("{}{}", place.name, place.suffix), metric, "{name} of {family} {kind:?}");
            assert_eq!((place.form, place.part), (form, part), "{name} of {family} {kind:?}");
        }
    }
}
