//! Prometheus's text exposition format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::registry::{Family, Labels, Series};

pub(super) fn render(families: &BTreeMap<String, Family>) -> String {
    let mut out = String::new();
    for (name, family) in families {
        let _ = writeln!(out, "# HELP {name} {}", family.help.replace('\\', "\\\\").replace('\n', "\\n"));
        let _ = writeln!(out, "# TYPE {name} {}", family.kind.as_str());
        for (labels, series) in &family.series {
            match series {
                Series::Counter(counter) => line(&mut out, name, "", labels, None, counter.get() as f64),
                Series::Gauge(gauge) => line(&mut out, name, "", labels, None, gauge.get()),
                Series::Function(read) => line(&mut out, name, "", labels, None, read()),
                Series::Histogram(histogram) => {
                    let buckets = histogram.cumulative();
                    for (bound, count) in &buckets {
                        line(&mut out, name, "_bucket", labels, Some(*bound), *count as f64);
                    }
                    let total = buckets.last().map_or(0, |(_, count)| *count);
                    line(&mut out, name, "_sum", labels, None, histogram.sum());
                    line(&mut out, name, "_count", labels, None, total as f64);
                }
            }
        }
    }
    out
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &Labels, le: Option<f64>, value: f64) {
    let _ = write!(out, "{name}{suffix}");
    let mut separator = '{';
    for (label, text) in labels {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{separator}{label}=\"{text}\"");
        separator = ',';
    }
    if let Some(bound) = le {
        let _ = write!(out, "{separator}le=\"{}\"", number(bound));
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {}", number(value));
}

fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use crate::NodeId;
    use crate::metrics::Registry;

    #[test]
    fn a_reader_sees_every_kind_with_its_labels() {
        let registry = Registry::new();
        let scope = registry.node(&NodeId::root("a.b.c"));
        scope.counter("x_total", "Things.", &[("kind", "q\"uote")]).add(3);
        scope.gauge("y", "Level.", &[]).set(1.5);
        scope.histogram("z_seconds", "Time.", &[0.1, 1.0], &[]).observe(0.5);
        let text = registry.render();
        let expected = r#"# HELP x_total Things.
# TYPE x_total counter
x_total{component_id="a.b.c",component_path="/",kind="q\"uote"} 3
# HELP y Level.
# TYPE y gauge
y{component_id="a.b.c",component_path="/"} 1.5
# HELP z_seconds Time.
# TYPE z_seconds histogram
z_seconds_bucket{component_id="a.b.c",component_path="/",le="0.1"} 0
z_seconds_bucket{component_id="a.b.c",component_path="/",le="1"} 1
z_seconds_bucket{component_id="a.b.c",component_path="/",le="+Inf"} 1
z_seconds_sum{component_id="a.b.c",component_path="/"} 0.5
z_seconds_count{component_id="a.b.c",component_path="/"} 1
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_removed_node_leaves_nothing() {
        let registry = Registry::new();
        let id = NodeId::root("a.b.c");
        registry.node(&id).counter("x_total", "Things.", &[]).inc();
        registry.process().counter("y_total", "Other.", &[]).inc();
        registry.remove_node(&id);
        assert!(!registry.render().contains("x_total") && registry.render().contains("y_total 1"));
    }

    #[test]
    fn the_same_name_and_labels_are_the_same_counter() {
        let registry = Registry::new();
        registry.process().counter("x_total", "Things.", &[]).inc();
        assert_eq!(registry.process().counter("x_total", "Things.", &[]).get(), 1);
    }
}
