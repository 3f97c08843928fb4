//! Scraping through the real binary: what is discovered, scraped, relabelled, and handed on.

use std::collections::BTreeMap;
use std::path::Path;

use corten_signal::otlp::SignalKind;
use corten_testkit::{Collector, Sink, Target, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");

fn config(list: &Path, sink: &str, more: &str) -> String {
    format!(
        r#"
discovery.file "lists" {{
	files = ["{list}"]
}}

discovery.relabel "named" {{
	targets = discovery.file.lists.targets

	rule {{
		source_labels = ["zone"]
		target_label  = "place"
	}}
}}

prometheus.scrape "all" {{
	targets         = discovery.relabel.named.output
	forward_to      = [prometheus.relabel.less.receiver]
	job_name        = "j"
	scrape_interval = "200ms"
	scrape_timeout  = "200ms"
	{more}
}}

prometheus.relabel "less" {{
	forward_to = [otelcol.receiver.prometheus.bridge.receiver]

	rule {{
		source_labels = ["__name__"]
		regex         = "noise_.*"
		action        = "drop"
	}}
}}

otelcol.receiver.prometheus "bridge" {{
	output {{
		metrics = [otelcol.exporter.otlphttp.sink.input]
	}}
}}

otelcol.exporter.otlphttp "sink" {{
	client {{
		endpoint = "{sink}"
	}}
}}
"#,
        list = list.display()
    )
}

/// The names of gauges that have come, each with how many points had a value and how many said that there is none.
fn seen(sink: &Sink) -> BTreeMap<String, (usize, usize)> {
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for received in sink.received().iter().filter(|received| received.kind() == Some(SignalKind::Metrics)) {
        let text = format!("{:?}", received.metrics());
        let metrics = received.metrics().resource_metrics;
        assert!(!text.contains("noise_"), "what is dropped must not arrive: {text}");
        for metric in metrics.iter().flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics) {
            let points = format!("{:?}", metric.data);
            let (values, ends) = seen.entry(metric.name.clone()).or_default();
            // Bit 0 of a point's flags: no recorded value.
            *ends += points.matches("flags: 1").count();
            *values += points.matches("flags: 0").count();
        }
    }
    seen
}

#[test]
fn targets_of_a_file_come_and_go_while_others_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("targets.json");
    let (first, second) = (Target::start("first 1\nnoise_a 1\n"), Target::start("second 2\nnoise_b 2\n"));
    let both = format!(
        r#"[{{"targets": ["{}"], "labels": {{"zone": "a"}}}}, {{"targets": ["{}"]}}]"#,
        first.address(),
        second.address()
    );
    let one = format!(r#"[{{"targets": ["{}"], "labels": {{"zone": "a"}}}}]"#, first.address());
    std::fs::write(&list, &both).expect("a file");
    let sink = Sink::start();
    let collector = Collector::start(BINARY, &config(&list, &sink.url(), ""));
    eventually("both targets", || {
        let seen = seen(&sink);
        let came = |name: &str| seen.get(name).is_some_and(|(values, _)| *values > 0);
        (came("first") && came("second") && came("up")).then_some(())
    });
    assert_eq!(collector.metrics().sum("prometheus_target_scrape_pool_targets", &[("scrape_job", "j")]), 2.0);

    // A reload that keeps the targets ends nothing.
    let (status, answer) = collector.reload(&config(&list, &sink.url(), "sample_limit = 100"));
    assert_eq!(status, 200, "{answer}");
    let before = seen(&sink)["first"].0;
    eventually("scrapes after the reload", || (seen(&sink)["first"].0 > before + 1).then_some(()));
    assert!(seen(&sink).values().all(|(_, ends)| *ends == 0), "{:?}", seen(&sink));

    std::fs::write(&list, &one).expect("a file");
    eventually("the end of the second", || (seen(&sink)["second"].1 > 0).then_some(()));
    assert_eq!(seen(&sink)["first"].1, 0, "the first stays");
    assert!(collector.metrics().sum("alloy_prometheus_relabel_cache_hits", &[]) > 0.0);

    first.answer(500, &[], b"");
    eventually("the end of the first", || (seen(&sink)["first"].1 > 0).then_some(()));
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);
    assert!(exited.output.contains("the target cannot be scraped"), "{}", exited.output);
}
