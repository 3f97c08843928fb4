//! OTLP, cumulative.

use std::sync::Arc;

use corten_proto::otlp::common::{InstrumentationScope, KeyValue};
use corten_proto::otlp::metrics::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric::Data, number_data_point::Value,
};

use super::usage::{About, Values};
use super::{Key, Measures, Series};
use crate::telemetry::service::Service;
use crate::telemetry::{number, text};

impl Measures {
    /// All series; `now` in nanoseconds since 1970.
    pub fn otlp(&self, scope: &InstrumentationScope, now: u64) -> Vec<ResourceMetrics> {
        let mut resources: Vec<(&Arc<Service>, Vec<Metric>)> = Vec::new();
        for (key, series) in self.sorted() {
            let metrics = metrics_of(&mut resources, &key.service);
            let about = key.family.about();
            if metrics.last().is_none_or(|metric| metric.name != about.name) {
                metrics.push(Metric {
                    name: about.name.to_owned(),
                    unit: about.unit.to_owned(),
                    description: about.help.to_owned(),
                    data: Some(self.empty(key)),
                    ..Metric::default()
                });
            }
            if let Some(data) = metrics.last_mut().and_then(|metric| metric.data.as_mut()) {
                self.push(data, key, series, now);
            }
        }
        let features = self.settings.features;
        if features.any_span() {
            for service in self.services() {
                metrics_of(&mut resources, service).push(one("traces.target.info", Vec::new(), now));
            }
        }
        if features.host
            && let Some(service) = self.services().first().copied()
        {
            let host = vec![text("grafana.host.id", self.settings.host_id.as_str())];
            metrics_of(&mut resources, service).push(one("traces.host.info", host, now));
        }
        for service in self.surveyed() {
            metrics_of(&mut resources, service).push(one("survey_info", Vec::new(), now));
        }
        for service in self.services() {
            let usages = self.usages(Some(service)).into_iter().map(|(about, values)| usage(about, values, now));
            let usages: Vec<Metric> = usages.collect();
            if !usages.is_empty() {
                metrics_of(&mut resources, service).extend(usages);
            }
        }
        let resource = |(service, metrics): (&Arc<Service>, Vec<Metric>)| ResourceMetrics {
            resource: Some(service.resource(&self.settings.select)),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope.clone()), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        };
        resources.into_iter().map(resource).collect()
    }

    fn empty(&self, key: &Key) -> Data {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        match self.settings.bounds(key.family) {
            Some(_) => Data::Histogram(Histogram { data_points: Vec::new(), aggregation_temporality }),
            None => Data::Sum(Sum { data_points: Vec::new(), aggregation_temporality, is_monotonic: true }),
        }
    }

    fn push(&self, data: &mut Data, key: &Key, series: &Series, now: u64) {
        let mut attributes: Vec<KeyValue> = key.labels.iter().map(|(name, value)| attribute(name, value)).collect();
        if key.family.is_span() {
            let extra = self.settings.span_labels.iter();
            let extra = extra.map(|name| (name, key.service.attribute(name))).filter(|(_, value)| !value.is_empty());
            attributes.extend(extra.map(|(name, value)| text(name, value)));
        }
        match data {
            Data::Histogram(histogram) => histogram.data_points.push(HistogramDataPoint {
                attributes,
                start_time_unix_nano: series.begun,
                time_unix_nano: now,
                count: series.count,
                sum: Some(series.sum),
                bucket_counts: series.counts.clone(),
                explicit_bounds: self.settings.bounds(key.family).unwrap_or_default().to_vec(),
                ..HistogramDataPoint::default()
            }),
            Data::Sum(sum) => sum.data_points.push(NumberDataPoint {
                attributes,
                start_time_unix_nano: series.begun,
                time_unix_nano: now,
                value: Some(Value::AsInt(series.sum as i64)),
                ..NumberDataPoint::default()
            }),
            _ => {}
        }
    }
}

fn metrics_of<'a, 'b>(
    resources: &'b mut Vec<(&'a Arc<Service>, Vec<Metric>)>,
    service: &'a Arc<Service>,
) -> &'b mut Vec<Metric> {
    let at = resources.iter().position(|(known, _)| *known == service).unwrap_or_else(|| {
        resources.push((service, Vec::new()));
        resources.len() - 1
    });
    &mut resources[at].1
}

fn attribute(name: &str, value: &str) -> KeyValue {
    match (name, value.parse::<u32>()) {
        ("http.response.status_code" | "rpc.grpc.status_code" | "server.port", Ok(value)) => number(name, value),
        _ => text(name, value),
    }
}

/// What processes use.
fn usage(about: &About, values: Values, now: u64) -> Metric {
    let point = |(labels, value): (Vec<(&'static str, String)>, f64)| NumberDataPoint {
        attributes: labels.iter().map(|(name, value)| attribute(name, value)).collect(),
        time_unix_nano: now,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let data_points = values.into_iter().map(point).collect();
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match about.is_gauge() {
        true => Data::Gauge(Gauge { data_points }),
        false => Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: about.is_counter }),
    };
    Metric {
        name: about.name.to_owned(),
        unit: about.unit.to_owned(),
        description: about.help.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// A metric that is always 1 and says something by its attributes.
fn one(name: &str, attributes: Vec<KeyValue>, now: u64) -> Metric {
    let point =
        NumberDataPoint { attributes, time_unix_nano: now, value: Some(Value::AsInt(1)), ..NumberDataPoint::default() };
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = Data::Sum(Sum { data_points: vec![point], aggregation_temporality, is_monotonic: false });
    Metric { name: name.to_owned(), data: Some(data), ..Metric::default() }
}
