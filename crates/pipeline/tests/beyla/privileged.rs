//! The configuration of the collector that has the rights: spans and metrics of services, and none of telemetry.

use corten_testkit::{Collector, Cut, Sink, cut, eventually, free_address};

use super::{BINARY, Client, Server, attribute, observes, server_spans};

#[test]
fn services_are_told_of_and_telemetry_is_not() {
    let registry = corten_pipeline::registry().expect("a registry");
    let Cut { text, .. } = cut(include_str!("../configs/ebpf-privileged.alloy"), &registry);
    let (shop, monitor, mimir) = (free_address(), free_address(), Sink::start());
    let sink = Sink::start();
    // The sink's port is among them: exports to it are seen, and are no requests of a service.
    let ports = format!("{},{}-{},{}", shop.port(), monitor.port(), monitor.port(), sink.address().port());
    let text = text
        .replace(r#"open_ports = "8080""#, &format!("open_ports = {ports:?}"))
        .replace("127.0.0.1:14318", &sink.address().to_string())
        .replace("127.0.0.1:9009", &mimir.address().to_string())
        .replace(r#"scrape_interval = "15s""#, "scrape_interval = \"1s\"\n  scrape_timeout = \"1s\"");
    assert!(text.contains(&ports) && text.contains("beyla.ebpf.apps.targets"));
    let (_shop, _monitor) = (Server::start(shop), Server::start(monitor));
    let collector = Collector::start(BINARY, &text);
    // Both servers, and this process, which has the sink.
    if !observes(&collector, 3) {
        return;
    }
    let mut to_shop = Client::connect(shop);
    for n in 0..10 {
        assert_eq!(to_shop.ask("GET", &format!("/{n}"), "", ""), 200);
    }
    let mut to_monitor = Client::connect(monitor);
    let protobuf = "Content-Type: application/x-protobuf\r\n";
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        assert_eq!(to_monitor.ask("POST", path, protobuf, "x"), 200);
    }
    assert_eq!(to_monitor.ask("GET", "/status", "", ""), 200);
    assert_eq!(to_monitor.ask("GET", "/v1/traces", "", ""), 200);

    let found = eventually("a span for each request", || Some(server_spans(&sink)).filter(|found| found.len() >= 12));
    // The sink took exports meanwhile, each of which was an exchange of an observed process.
    let telemetry = || collector.metrics().sum("corten_beyla_exchanges_total", &[("outcome", "telemetry")]);
    eventually("exports that were seen", || (telemetry() > 3.0).then_some(()));
    let paths: Vec<_> = found.iter().map(|span| attribute(span, "url.path")).collect();
    assert_eq!(server_spans(&sink).len(), 12, "{paths:?}");
    for path in ["/0", "/9", "/status", "/v1/traces"] {
        assert_eq!(paths.iter().filter(|seen| *seen == path).count(), 1, "{path} in {paths:?}");
    }
    assert!(found.iter().all(|span| attribute(span, "http.request.method") == "GET"));
    let resources = sink.received().into_iter().flat_map(|received| received.traces().resource_spans);
    for resource in resources.filter_map(|spans| spans.resource) {
        let name = resource.attributes.iter().find(|pair| pair.key == "service.name");
        assert!(format!("{name:?}").contains("workstation-services"), "{name:?}");
    }

    let series = eventually("the metrics at the end of remote write", || {
        let mut all = mimir.received().into_iter().flat_map(|received| received.write().series);
        all.find(|series| series.name() == "http_server_request_duration_seconds_count")
    });
    assert_eq!(series.labels.get("job").map(String::as_str), Some("beyla"));
    assert_eq!(series.labels.get("service_name").map(String::as_str), Some("workstation-services"));
}
