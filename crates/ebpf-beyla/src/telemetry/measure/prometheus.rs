//! Prometheus's text format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::family::Measure;
use super::{Family, Key, Measures, Series};
use crate::telemetry::service::Service;

/// Labels of the service that series of spans have.
const SPAN: [&str; 5] = ["instance", "job", "service.name", "service.namespace", "telemetry.sdk.language"];

impl Measures {
    /// All series in Prometheus's text format.
    pub fn prometheus(&self) -> String {
        let mut families: BTreeMap<Family, BTreeMap<String, Series>> = BTreeMap::new();
        for (key, series) in self.sorted() {
            let of_family = families.entry(key.family).or_default();
            let labels = self.label_text(key);
            match of_family.get_mut(&labels) {
                // Series that differ in nothing that is told.
                Some(known) => known.join(series),
                None => {
                    of_family.insert(labels, series.clone());
                }
            }
        }
        let mut out = String::new();
        for (family, series) in families {
            self.write_family(&mut out, family, &series);
        }
        for (about, values) in self.usages(None) {
            let (name, help) = (about.prometheus, about.help);
            let kind = if about.is_counter { "counter" } else { "gauge" };
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for (labels, value) in values {
                let mut text = String::new();
                labels.iter().for_each(|(name, value)| write_label(&mut text, name, value));
                let _ = writeln!(out, "{name}{{{text}}} {value}");
            }
        }
        self.write_info(&mut out);
        out
    }

    fn write_family(&self, out: &mut String, family: Family, all: &BTreeMap<String, Series>) {
        let about = family.about();
        let (name, help) = (about.prometheus, about.help);
        let kind = if about.measure == Measure::Sum { "counter" } else { "histogram" };
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, series) in all {
            let Some(bounds) = self.settings.bounds(family) else {
                let _ = writeln!(out, "{name}{{{labels}}} {}", series.sum);
                continue;
            };
            let comma = if labels.is_empty() { "" } else { "," };
            let mut sum = 0;
            for (at, count) in series.counts.iter().enumerate() {
                sum += count;
                let _ = match bounds.get(at) {
                    Some(bound) => writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {sum}"),
                    None => writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {sum}"),
                };
            }
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", series.sum, series.count);
        }
    }

    fn label_text(&self, key: &Key) -> String {
        let mut text = String::new();
        for (name, value) in &key.labels {
            write_label(&mut text, name, value);
        }
        let of_service: &[&str] = match self.shown.get(&key.family) {
            Some(shown) => &shown.service,
            None if key.family.is_span() => &SPAN,
            None => &[],
        };
        for name in of_service {
            write_label(&mut text, name, &of(&key.service, name));
        }
        if key.family.is_span() {
            for name in &self.settings.span_labels {
                let value = key.service.attribute(name);
                if !value.is_empty() {
                    write_label(&mut text, name, value);
                }
            }
        }
        text
    }

    fn write_info(&self, out: &mut String) {
        let features = self.settings.features;
        let targets: Vec<_> = self.services().into_iter().map(|service| self.target_labels(service)).collect();
        write_ones(out, "target_info", "What is known of a service.", &targets);
        if features.any_span() {
            write_ones(out, "traces_target_info", "What is known of a service, for metrics of spans.", &targets);
        }
        if features.host && !targets.is_empty() {
            let host = vec![("grafana_host_id".to_owned(), self.settings.host_id.clone())];
            write_ones(out, "traces_host_info", "The machine.", &[host]);
        }
        let surveyed: Vec<_> = self.surveyed().into_iter().map(|service| self.target_labels(service)).collect();
        write_ones(out, "survey_info", "What is known of a service that is only looked at.", &surveyed);
        write_ones(out, "beyla_build_info", "The version, for each language of services.", &self.build_labels());
    }
}

impl Series {
    fn join(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, other)| *own += other);
        self.count += other.count;
        self.sum += other.sum;
    }
}

/// An attribute of the service as a label has it.
fn of(service: &Service, name: &str) -> String {
    match name {
        "instance" => service.instance.clone(),
        "job" => service.job(),
        "service.name" => service.name.clone(),
        "service.namespace" => service.namespace.clone(),
        "telemetry.sdk.language" => service.language().to_owned(),
        name => service.attribute(name).to_owned(),
    }
}

fn write_ones(out: &mut String, name: &str, help: &str, all: &[Vec<(String, String)>]) {
    if all.is_empty() {
        return;
    }
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    let text = |labels: &Vec<(String, String)>| {
        let mut text = String::new();
        labels.iter().for_each(|(name, value)| write_label(&mut text, name, value));
        text
    };
    let distinct: BTreeSet<String> = all.iter().map(text).collect();
    for labels in distinct {
        let _ = writeln!(out, "{name}{{{labels}}} 1");
    }
}

/// What is empty is left out: to Prometheus that is the same, but for the namespace, which queries name.
fn write_label(out: &mut String, name: &str, value: &str) {
    if value.is_empty() && name.starts_with("container.") {
        return;
    }
    if !out.is_empty() {
        out.push(',');
    }
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let _ = write!(out, "{}=\"{value}\"", label_name(name));
}

/// A name as Prometheus's older syntax allows it.
fn label_name(name: &str) -> String {
    let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}
