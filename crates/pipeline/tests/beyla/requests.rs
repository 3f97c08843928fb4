//! One server, and all that is said of its requests.

use std::process::Command;

use corten_proto::otlp::trace::Span;
use corten_testkit::{Collector, Sink, eventually, free_address};

use super::{BINARY, Client, Server, attribute, observes, spans};

#[test]
fn every_request_is_one_right_span() {
    let (sink, address) = (Sink::start(), free_address());
    let _server = Server::start(address);
    let config = format!(
        r#"
beyla.ebpf "apps" {{
	discovery {{
		instrument {{
			name       = "shop"
			open_ports = "{}"
		}}
	}}
	output {{
		traces = [otelcol.exporter.otlphttp.sink.input]
	}}
}}

otelcol.exporter.otlphttp "sink" {{
	client {{
		endpoint = "{}"
	}}
}}
"#,
        address.port(),
        sink.url()
    );
    let collector = Collector::start(BINARY, &config);
    if !observes(&collector, 1) {
        return;
    }

    let mut client = Client::connect(address);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for n in 0..40 {
        assert_eq!(client.ask("GET", &format!("/{}", n * 500), "", ""), 200);
    }
    assert_eq!(client.ask("GET", "/missing?token=secret", "", ""), 404);
    assert_eq!(client.ask("POST", "/orders", &format!("traceparent: {parent}\r\n"), &"y".repeat(5000)), 200);
    // An export of telemetry is no request of the service.
    assert_eq!(client.ask("POST", "/v1/traces", "Content-Type: application/x-protobuf\r\n", "x"), 200);
    let mut others: Vec<Client> = (0..10).map(|_| Client::connect(address)).collect();
    for client in &mut others {
        assert_eq!(client.ask("GET", "/last", "", ""), 200);
    }

    let wanted = 40 + 2 + 10;
    let found = eventually("a span for each request", || Some(spans(&sink)).filter(|found| found.len() >= wanted));
    assert_eq!(found.len(), wanted, "{:?}", found.iter().map(|span| &span.name).collect::<Vec<_>>());
    let with_path =
        |path: &str| -> Vec<&Span> { found.iter().filter(|span| attribute(span, "url.path") == path).collect() };
    for n in 0..40 {
        let path = format!("/{}", n * 500);
        let span = with_path(&path);
        assert_eq!(span.len(), 1, "{path}");
        assert_eq!(span[0].name, "GET /*");
        assert_eq!(attribute(span[0], "http.response.body.size"), (n * 500).to_string());
        assert_eq!(attribute(span[0], "http.response.status_code"), "200");
        assert_eq!(attribute(span[0], "server.address"), "shop.example");
        assert!(span[0].end_time_unix_nano > span[0].start_time_unix_nano);
    }
    let missing = with_path("/missing")[0];
    assert_eq!(attribute(missing, "http.response.status_code"), "404");
    assert!(missing.attributes.iter().all(|pair| !format!("{pair:?}").contains("secret")));
    let order = with_path("/orders")[0];
    assert_eq!(attribute(order, "http.request.body.size"), "5000");
    assert_eq!(order.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(order.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(with_path("/last").len(), 10);
    let resource = &sink.received()[0].traces().resource_spans[0];
    let resource = resource.resource.as_ref().expect("a resource");
    assert!(resource.attributes.iter().any(|pair| pair.key == "service.name" && format!("{pair:?}").contains("shop")));

    let told = collector.metrics().sum("corten_beyla_exchanges_total", &[("outcome", "told")]);
    assert!((told - wanted as f64).abs() < f64::EPSILON, "{told}");
    let (status, metrics) = collector.get("/api/v0/component/beyla.ebpf.apps/metrics");
    assert_eq!(status, 200);
    let counted: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
        .map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).expect("a count"))
        .sum();
    assert_eq!(counted, wanted as u64);
}

#[test]
fn without_rights_the_component_is_unhealthy_and_the_rest_lives() {
    let config = "beyla.ebpf \"apps\" {\n\tdiscovery {\n\t\tinstrument {\n\t\t\topen_ports = \"1\"\n\t\t}\n\t}\n}\n";
    // A user without rights, in place of dropping them one by one.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", BINARY]);
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: there is no setpriv");
        return;
    }
    let collector = Collector::start_by(command, config, &[]);
    let health = eventually("a word about observing", || {
        let (_, text) = collector.get("/api/v0/web/components/beyla.ebpf.apps");
        (text.contains("observing") || text.contains("nothing can be observed")).then_some(text)
    });
    assert!(health.contains("unhealthy") && health.contains("nothing can be observed"), "{health}");
    assert_eq!(collector.get("/-/ready").0, 200);
}
