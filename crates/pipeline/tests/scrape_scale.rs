//! Many series, scraped, relabelled and written through the real binary: every scrape arrives whole, once, and memory
//! stays within a bound. (`cargo xtask bench scrape` does the same with a million of them.)

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::collections::HashMap;
use std::fmt::Write as _;

use corten_testkit::{Collector, Sink, Target, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
const TARGETS: usize = 4;
/// Series of each target, those that a rule drops included.
const SERIES: usize = 10_000;
const DROPPED: usize = SERIES / 10;
const ROUNDS: usize = 5;
/// Without optimisations; a million series take less than 1 KB each in a released build.
const MOST_MEMORY: u64 = 250 << 20;

fn body(target: usize) -> String {
    let mut body = String::from("# HELP requests_total Requests.\n# TYPE requests_total counter\n");
    for number in 0..SERIES {
        let name = if number < DROPPED { "unwanted_total" } else { "requests_total" };
        let path = format!("/api/orders/{number}");
        writeln!(body, "{name}{{method=\"GET\",path=\"{path}\",pod=\"shop-7d4f9c-{target}\"}} {number}.5").unwrap();
    }
    body
}

#[test]
fn every_scrape_arrives_whole_and_memory_is_bounded() {
    let (sink, storage) = (Sink::start(), tempfile::tempdir().unwrap());
    let targets: Vec<Target> = (0..TARGETS).map(|target| Target::start(&body(target))).collect();
    let list: String = targets.iter().map(|target| format!("{{ __address__ = \"{}\" }}, ", target.address())).collect();
    let config = format!(
        r#"
prometheus.scrape "many" {{
  targets         = [{list}]
  scrape_interval = "1s"
  scrape_timeout  = "1s"
  forward_to      = [prometheus.relabel.less.receiver]
}}

prometheus.relabel "less" {{
  forward_to = [prometheus.remote_write.out.receiver]

  rule {{
    source_labels = ["__name__"]
    regex         = "unwanted_.*"
    action        = "drop"
  }}

  rule {{
    source_labels = ["path"]
    regex         = "/api/([^/]+)/.*"
    target_label  = "service"
  }}
}}

prometheus.remote_write "out" {{
  endpoint {{
    url = "{}/api/v1/write"
  }}
}}
"#,
        sink.url()
    );
    let collector = Collector::start_with(BINARY, &config, &[&format!("--storage.path={}", storage.path().display())]);
    let wanted = (ROUNDS * TARGETS * (SERIES - DROPPED)) as f64;
    eventually("some rounds", || {
        (collector.metrics().sum("corten_delivery_delivered_items_total", &[]) >= wanted).then_some(())
    });
    let peak = collector.peak();
    assert!(peak < MOST_MEMORY, "{peak} bytes");
    let exited = collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);

    // Of each scrape: how many samples came, and the sum of their values.
    let mut scrapes: HashMap<(String, i64), (usize, f64)> = HashMap::new();
    for series in sink.received().iter().flat_map(|request| request.write().series) {
        assert!(!series.name().starts_with("unwanted"), "{series:?}");
        if series.name() != "requests_total" {
            continue;
        }
        assert_eq!(series.labels["service"], "orders");
        for (time, value, _) in series.samples.iter().filter(|(_, value, _)| !value.is_nan()) {
            let (count, sum) = scrapes.entry((series.labels["instance"].clone(), *time)).or_default();
            *count += 1;
            *sum += value;
        }
    }
    let sum: f64 = (DROPPED..SERIES).map(|number| number as f64 + 0.5).sum();
    assert!(scrapes.len() >= ROUNDS * TARGETS, "{}", scrapes.len());
    for (scrape, found) in scrapes {
        assert_eq!(found, (SERIES - DROPPED, sum), "{scrape:?}");
    }
}
