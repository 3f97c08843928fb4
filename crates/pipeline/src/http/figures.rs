//! What the summary page counts: each component's own series, summed over their other labels.

use std::collections::BTreeMap;

/// A number of a component.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// `accepted spans`
    pub(super) name: String,
    pub(super) value: f64,
    /// Whether it means trouble.
    pub(super) bad: bool,
}

/// Figures by full component id, from the text of `/metrics`.
pub(super) fn by_component(text: &str) -> BTreeMap<String, Vec<Figure>> {
    let mut sums: BTreeMap<String, BTreeMap<&str, f64>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let Some((name, labels)) = series.split_once('{') else { continue };
        if label(labels, "le").is_some() || name.ends_with("_sum") || name.ends_with("_count") {
            continue;
        }
        let (Some(id), Some(path)) = (label(labels, "component_id"), label(labels, "component_path")) else { continue };
        let full = match path {
            "/" => id.to_owned(),
            path => format!("{}/{id}", path.trim_start_matches('/')),
        };
        let value: f64 = value.parse().unwrap_or(0.0);
        *sums.entry(full).or_default().entry(name).or_default() += value;
    }
    let figures = |sums: BTreeMap<&str, f64>| {
        let moving = sums.into_iter().filter(|(_, value)| *value != 0.0);
        moving.map(|(name, value)| Figure { name: plain(name), value, bad: is_bad(name) }).collect()
    };
    sums.into_iter().map(|(id, sums)| (id, figures(sums))).collect()
}

/// The value of a label; none of ours holds an escaped quote.
fn label<'t>(labels: &'t str, name: &str) -> Option<&'t str> {
    let start = labels.find(&format!("{name}=\""))?;
    // `le` must not be found inside `module`.
    if start > 0 && !labels[..start].ends_with([',', '{']) {
        return None;
    }
    labels[start + name.len() + 2..].split('"').next()
}

/// `otelcol_receiver_accepted_spans_total` without family and unit: `accepted spans`.
fn plain(name: &str) -> String {
    const FAMILIES: &[&str] = &[
        "otelcol_receiver_",
        "otelcol_exporter_",
        "otelcol_processor_batch_",
        "otelcol_processor_",
        "otelcol_connector_",
        "loki_source_",
        "loki_write_",
        "loki_process_",
        "prometheus_remote_storage_",
        "prometheus_",
        "pyroscope_",
        "corten_",
    ];
    let rest = FAMILIES.iter().find_map(|family| name.strip_prefix(family)).unwrap_or(name);
    rest.trim_end_matches("_total").replace('_', " ")
}

fn is_bad(name: &str) -> bool {
    ["failed", "dropped", "refused", "lost", "error", "retries"].iter().any(|word| name.contains(word))
}

/// `1,234,567`, `12.5`.
pub(super) fn number(value: f64) -> String {
    if value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_component() {
        let text = "# HELP x y\n\
            otelcol_receiver_accepted_spans_total{component_id=\"a.b.c\",component_path=\"/\",transport=\"http\"} 1000\n\
            otelcol_receiver_accepted_spans_total{component_id=\"a.b.c\",component_path=\"/\",transport=\"grpc\"} 234\n\
            otelcol_receiver_refused_spans_total{component_id=\"a.b.c\",component_path=\"/\",transport=\"grpc\"} 0\n\
            h_bucket{component_id=\"a.b.c\",component_path=\"/\",le=\"1\"} 3\n\
            otelcol_exporter_send_failed_spans_total{component_id=\"x.y\",component_path=\"/lib.m\"} 2\n\
            process_open_fds 3\n";
        let figures = by_component(text);
        assert_eq!(figures["a.b.c"], [Figure { name: "accepted spans".into(), value: 1234.0, bad: false }]);
        assert_eq!(figures["lib.m/x.y"], [Figure { name: "send failed spans".into(), value: 2.0, bad: true }]);
        assert_eq!(figures.len(), 2);
    }

    #[test]
    fn numbers_are_readable() {
        let cases = [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1000.0, "-1,000"),
            (2.25, "2.2"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
