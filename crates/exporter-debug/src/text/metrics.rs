//! Metrics and their data points.

use std::fmt;

use corten_proto::otlp::collector::ExportMetricsServiceRequest;
use corten_proto::otlp::common::KeyValue;
use corten_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use corten_proto::otlp::metrics::{
    AggregationTemporality, Exemplar, Metric, exemplar, metric::Data, number_data_point,
};

use super::page::Page;
use super::value::{Escaped, Hex, Inline, Time, attributes, resource, scope};

pub(super) fn write(page: &mut Page, request: &ExportMetricsServiceRequest) {
    for (number, metrics) in request.resource_metrics.iter().enumerate() {
        resource(page, "ResourceMetrics", number, metrics.resource.as_ref(), &metrics.schema_url);
        for (number, metrics) in metrics.scope_metrics.iter().enumerate() {
            scope(page, "ScopeMetrics", number, metrics.scope.as_ref(), &metrics.schema_url);
            for (number, metric) in metrics.metrics.iter().enumerate() {
                page.end_part();
                write_metric(page, number, metric);
            }
            page.end_part();
        }
    }
}

fn write_metric(page: &mut Page, number: usize, metric: &Metric) {
    if page.detailed {
        page.line(format_args!("Metric #{number}"));
        page.inside(|page| {
            page.line(format_args!("Name: {}", Escaped(&metric.name)));
            page.line(format_args!("Description: {}", Escaped(&metric.description)));
            page.line(format_args!("Unit: {}", Escaped(&metric.unit)));
            attributes(page, "Metadata", &metric.metadata, 0);
            describe(page, metric.data.as_ref());
        });
    }
    for (number, point) in points(metric.data.as_ref()).iter().enumerate() {
        if page.detailed {
            page.inside(|page| detailed(page, number, point));
        } else {
            let (name, labels) = (Escaped(&metric.name), Inline(point.attributes));
            page.line(format_args!("{name}{labels} {}", point.value));
        }
        page.end_part();
    }
}

fn describe(page: &mut Page, data: Option<&Data>) {
    let (name, temporality) = match data {
        None => ("Empty", None),
        Some(Data::Gauge(_)) => ("Gauge", None),
        Some(Data::Sum(sum)) => {
            page.line(format_args!("Monotonic: {}", sum.is_monotonic));
            ("Sum", Some(sum.aggregation_temporality))
        }
        Some(Data::Histogram(histogram)) => ("Histogram", Some(histogram.aggregation_temporality)),
        Some(Data::ExponentialHistogram(histogram)) => {
            ("ExponentialHistogram", Some(histogram.aggregation_temporality))
        }
        Some(Data::Summary(_)) => ("Summary", None),
    };
    page.line(format_args!("Type: {name}"));
    match temporality.map(|number| AggregationTemporality::try_from(number).map_err(|_| number)) {
        None => {}
        Some(Ok(temporality)) => page.line(format_args!("Temporality: {temporality:?}")),
        Some(Err(number)) => page.line(format_args!("Temporality: {number}")),
    }
}

/// What the types of points have in common.
struct Point<'a> {
    attributes: &'a [KeyValue],
    start: u64,
    time: u64,
    flags: u32,
    exemplars: &'a [Exemplar],
    value: Value<'a>,
}

enum Value<'a> {
    None,
    Int(i64),
    Double(f64),
    Histogram { count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>, bounds: &'a [f64], counts: &'a [u64] },
    Exponential { count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>, shape: Exponential<'a> },
    Summary { count: u64, sum: f64, quantiles: Vec<(f64, f64)> },
}

struct Exponential<'a> {
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Option<&'a Buckets>,
    negative: Option<&'a Buckets>,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no value"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Histogram { count, sum, min, max, bounds, counts } => {
                totals(f, *count, *sum, *min, *max)?;
                for (index, count) in counts.iter().enumerate() {
                    match bounds.get(index) {
                        Some(bound) => write!(f, " le{bound}={count}")?,
                        None => write!(f, " inf={count}")?,
                    }
                }
                Ok(())
            }
            Self::Exponential { count, sum, min, max, shape } => {
                totals(f, *count, *sum, *min, *max)?;
                write!(f, " scale={} zero={}", shape.scale, shape.zero_count)?;
                if shape.zero_threshold != 0.0 {
                    write!(f, " zero_threshold={}", shape.zero_threshold)?;
                }
                for (name, buckets) in [("positive", shape.positive), ("negative", shape.negative)] {
                    if let Some(buckets) = buckets.filter(|buckets| !buckets.bucket_counts.is_empty()) {
                        write!(f, " {name}[{}]={:?}", buckets.offset, buckets.bucket_counts)?;
                    }
                }
                Ok(())
            }
            Self::Summary { count, sum, quantiles } => {
                write!(f, "count={count} sum={sum}")?;
                quantiles.iter().try_for_each(|(quantile, value)| write!(f, " q{quantile}={value}"))
            }
        }
    }
}

fn totals(f: &mut fmt::Formatter<'_>, count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> fmt::Result {
    write!(f, "count={count}")?;
    for (name, value) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(value) = value {
            write!(f, " {name}={value}")?;
        }
    }
    Ok(())
}

macro_rules! point {
    ($point:expr, $exemplars:expr, $value:expr) => {
        Point {
            attributes: &$point.attributes,
            start: $point.start_time_unix_nano,
            time: $point.time_unix_nano,
            flags: $point.flags,
            exemplars: $exemplars,
            value: $value,
        }
    };
}

fn points(data: Option<&Data>) -> Vec<Point<'_>> {
    let number = |value: Option<number_data_point::Value>| match value {
        None => Value::None,
        Some(number_data_point::Value::AsInt(value)) => Value::Int(value),
        Some(number_data_point::Value::AsDouble(value)) => Value::Double(value),
    };
    match data {
        None => Vec::new(),
        Some(Data::Gauge(gauge)) => {
            gauge.data_points.iter().map(|p| point!(p, &p.exemplars, number(p.value))).collect()
        }
        Some(Data::Sum(sum)) => sum.data_points.iter().map(|p| point!(p, &p.exemplars, number(p.value))).collect(),
        Some(Data::Histogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|p| {
                let (bounds, counts) = (&p.explicit_bounds, &p.bucket_counts);
                let value = Value::Histogram { count: p.count, sum: p.sum, min: p.min, max: p.max, bounds, counts };
                point!(p, &p.exemplars, value)
            })
            .collect(),
        Some(Data::ExponentialHistogram(histogram)) => histogram
            .data_points
            .iter()
            .map(|p| {
                let shape = Exponential {
                    scale: p.scale,
                    zero_count: p.zero_count,
                    zero_threshold: p.zero_threshold,
                    positive: p.positive.as_ref(),
                    negative: p.negative.as_ref(),
                };
                let value = Value::Exponential { count: p.count, sum: p.sum, min: p.min, max: p.max, shape };
                point!(p, &p.exemplars, value)
            })
            .collect(),
        Some(Data::Summary(summary)) => summary
            .data_points
            .iter()
            .map(|p| {
                let quantiles = p.quantile_values.iter().map(|each| (each.quantile, each.value)).collect();
                point!(p, &[], Value::Summary { count: p.count, sum: p.sum, quantiles })
            })
            .collect(),
    }
}

fn detailed(page: &mut Page, number: usize, point: &Point<'_>) {
    page.line(format_args!("DataPoint #{number}"));
    page.inside(|page| {
        attributes(page, "Attributes", point.attributes, 0);
        page.line(format_args!("Start time: {}", Time(point.start)));
        page.line(format_args!("Time: {}", Time(point.time)));
        if point.flags != 0 {
            page.line(format_args!("Flags: {:#x}", point.flags));
        }
        page.line(format_args!("Value: {}", point.value));
        for (number, exemplar) in point.exemplars.iter().enumerate() {
            page.line(format_args!("Exemplar #{number}"));
            page.inside(|page| write_exemplar(page, exemplar));
        }
    });
}

fn write_exemplar(page: &mut Page, exemplar: &Exemplar) {
    page.line(format_args!("Trace ID: {}", Hex(&exemplar.trace_id)));
    page.line(format_args!("Span ID: {}", Hex(&exemplar.span_id)));
    page.line(format_args!("Time: {}", Time(exemplar.time_unix_nano)));
    match exemplar.value {
        None => {}
        Some(exemplar::Value::AsInt(value)) => page.line(format_args!("Value: {value}")),
        Some(exemplar::Value::AsDouble(value)) => page.line(format_args!("Value: {value}")),
    }
    attributes(page, "Filtered attributes", &exemplar.filtered_attributes, 0);
}
