//! What is counted, and how it is told.

use corten_proto::otlp::common::InstrumentationScope;
use corten_proto::otlp::metrics::metric::Data;

use super::*;
use crate::interpret::exchange::{Exchange, Protocol};
use crate::record::Role;
use crate::telemetry::route::{RouteRules, Routes};

fn service() -> Arc<Service> {
    let attributes =
        vec![("process.pid".to_owned(), "7".to_owned()), ("deployment.environment".to_owned(), "prod".to_owned())];
    Arc::new(Service { name: "shop".into(), instance: "host:7".into(), attributes, ..Service::default() })
}

fn other(name: &str) -> Service {
    Service { name: name.into(), namespace: "eu".into(), ..Service::default() }
}

fn measures(change: impl FnOnce(&mut MeasureSettings)) -> Measures {
    let mut settings = MeasureSettings { host_id: "m1".into(), ..MeasureSettings::default() };
    change(&mut settings);
    Measures::new(settings)
}

fn observe_with(measures: &mut Measures, exchange: &Exchange, other: Other<'_>) {
    let view = View::new(exchange, "shop", &mut Routes::new(RouteRules::default()));
    measures.observe(&service(), &view, 100);
    let name = format!("{} {}", view.method, view.route);
    measures.observe_span(&service(), &view, &name, other, 100);
}

fn observe(measures: &mut Measures, exchange: &Exchange) {
    observe_with(measures, exchange, None);
}

fn exchange(target: &str, status: u16) -> Exchange {
    Exchange {
        role: Role::Server,
        method: "GET".to_owned(),
        target: target.to_owned(),
        status: Some(status),
        start: 0,
        end: 20_000_000,
        request_body: 3,
        response_body: 40,
        ..Exchange::default()
    }
}

fn client(target: &str, host: &str, status: u16) -> Exchange {
    Exchange { role: Role::Client, host: host.to_owned(), ..exchange(target, status) }
}

fn call(code: u32) -> Exchange {
    Exchange {
        protocol: Protocol::Http2,
        content_type: "application/grpc".to_owned(),
        grpc_status: Some(code),
        ..exchange("/s/M", 200)
    }
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|seen| seen == *line), "{line}\nin\n{text}");
    }
}

const OF_SHOP: &str = r#"instance="host:7",job="shop",service_name="shop",service_namespace="""#;

#[test]
fn requests_are_counted_by_method_status_and_route() {
    let mut measures = measures(|settings| settings.features.application = true);
    observe(&mut measures, &exchange("/a/1", 200));
    observe(&mut measures, &exchange("/a/2", 200));
    observe(&mut measures, &exchange("/a/3", 500));
    observe(&mut measures, &call(5));
    let http = format!(r#"http_request_method="GET",http_response_status_code="200",http_route="/a/*",{OF_SHOP}"#);
    let rpc = r#"rpc_grpc_status_code="5",rpc_method="s/M",rpc_response_status_code="NOT_FOUND",rpc_system="grpc""#;
    has(
        &measures.prometheus(),
        &[
            "# TYPE http_server_request_duration_seconds histogram",
            &format!(r#"http_server_request_duration_seconds_bucket{{{http},le="0.01"}} 0"#),
            &format!(r#"http_server_request_duration_seconds_bucket{{{http},le="0.025"}} 2"#),
            &format!(r#"http_server_request_duration_seconds_bucket{{{http},le="+Inf"}} 2"#),
            &format!("http_server_response_body_size_bytes_sum{{{http}}} 80"),
            &format!("http_server_request_body_size_bytes_count{{{http}}} 2"),
            &format!("rpc_server_duration_seconds_count{{{rpc},{OF_SHOP}}} 1"),
        ],
    );
}

#[test]
fn the_same_goes_out_by_otlp() {
    let mut measures = measures(|settings| settings.features.application = true);
    observe(&mut measures, &exchange("/a/1", 200));
    observe(&mut measures, &call(5));
    let resources = measures.otlp(&InstrumentationScope::default(), 200);
    assert_eq!(resources.len(), 1);
    let metrics = &resources[0].scope_metrics[0].metrics;
    let names: Vec<_> = metrics.iter().map(|metric| (metric.name.as_str(), metric.unit.as_str())).collect();
    assert_eq!(
        names,
        [
            ("http.server.request.duration", "s"),
            ("http.server.request.body.size", "By"),
            ("http.server.response.body.size", "By"),
            ("rpc.server.duration", "s")
        ]
    );
    let Some(Data::Histogram(histogram)) = &metrics[0].data else { panic!("no histogram") };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.bucket_counts[3], point.bucket_counts.len()), (1, 1, SECONDS.len() + 1));
}

#[test]
fn boundaries_are_as_the_file_has_them() {
    let mut measures = measures(|settings| {
        settings.features.application = true;
        (settings.seconds, settings.request_bytes) = (vec![0.015, 1.0], vec![2.0]);
    });
    observe(&mut measures, &exchange("/a", 200));
    let text = measures.prometheus();
    for (name, bounds) in [
        ("http_server_request_duration_seconds", vec![("0.015", 0), ("1", 1), ("+Inf", 1)]),
        ("http_server_request_body_size_bytes", vec![("2", 0), ("+Inf", 1)]),
    ] {
        let begin = format!("{name}_bucket");
        let seen: Vec<_> = text.lines().filter(|line| line.starts_with(&begin)).collect();
        let ends: Vec<_> = bounds.iter().map(|(bound, count)| format!("le=\"{bound}\"}} {count}")).collect();
        assert!(seen.len() == ends.len() && seen.iter().zip(&ends).all(|(line, end)| line.ends_with(end)), "{seen:?}");
    }
    let resources = measures.otlp(&InstrumentationScope::default(), 200);
    let Some(Data::Histogram(histogram)) = &resources[0].scope_metrics[0].metrics[0].data else { panic!() };
    assert_eq!(histogram.data_points[0].explicit_bounds, [0.015, 1.0]);
}

#[test]
fn attributes_are_told_as_selected() {
    let mut measures = measures(|settings| {
        settings.features.application = true;
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let select = &mut settings.select;
        select.add("http_server_*", &names(&["url.path", "http.*"]), &names(&["http_route"])).unwrap();
        select.add("http.client.request.duration", &names(&["*"]), &[]).unwrap();
        select.add("rpc_*", &[], &names(&["rpc.*", "job"])).unwrap();
        select.add("resource", &[], &names(&["host.id"])).unwrap();
    });
    observe(&mut measures, &exchange("/a/1", 200));
    observe(&mut measures, &client("/b/1", "h.example:81", 204));
    observe(&mut measures, &call(0));
    let text = measures.prometheus();
    let client = r#"http_request_method="GET",http_response_status_code="204",http_route="/b/*",server_address="h.example",server_port="81",url_path="/b/1",url_scheme="http""#;
    has(
        &text,
        &[
            r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",url_path="/a/1"} 1"#,
            &format!("http_client_request_duration_seconds_count{{{client},{OF_SHOP}}} 1"),
            r#"rpc_server_duration_seconds_count{instance="host:7",service_name="shop",service_namespace=""} 1"#,
        ],
    );
    assert!(!text.contains("host_id"), "{text}");
}

#[test]
fn series_that_are_told_alike_are_one() {
    let mut measures = measures(|settings| {
        settings.features.application = true;
        settings.select.add("*", &["http.route".to_owned()], &[]).unwrap();
    });
    observe(&mut measures, &exchange("/a", 200));
    let elsewhere = Arc::new(Service { instance: "host:8".into(), ..Service::clone(&service()) });
    let one = exchange("/a", 200);
    let view = View::new(&one, "shop", &mut Routes::new(RouteRules::default()));
    measures.observe(&elsewhere, &view, 1);
    has(&measures.prometheus(), &[r#"http_server_request_duration_seconds_count{http_route="/a"} 2"#]);
}

#[test]
fn edges_are_between_services_and_counted_once() {
    let mut measures = measures(|settings| settings.features.graph = true);
    observe_with(&mut measures, &exchange("/a", 500), Some(&other("web")));
    observe_with(&mut measures, &client("/b", "db.example", 200), None);
    observe_with(&mut measures, &client("/c", "127.0.0.1", 200), Some(&other("cart")));
    observe_with(&mut measures, &client("/d", "127.0.0.1", 200), Some(&Service::clone(&service())));
    let text = measures.prometheus();
    let web = r#"client="web",client_service_namespace="eu",server="shop",server_service_namespace="",source="beyla""#;
    let cart =
        r#"client="shop",client_service_namespace="",server="cart",server_service_namespace="eu",source="beyla""#;
    let db = r#"client="shop",client_service_namespace="",connection_type="virtual_node",server="db.example",server_service_namespace="",source="beyla""#;
    has(
        &text,
        &[
            &format!("traces_service_graph_request_total{{{web}}} 1"),
            &format!("traces_service_graph_request_failed_total{{{web}}} 1"),
            &format!("traces_service_graph_request_server_seconds_count{{{web}}} 1"),
            &format!("traces_service_graph_request_client_seconds_count{{{cart}}} 1"),
            &format!("traces_service_graph_request_client_seconds_count{{{db}}} 1"),
            &format!("traces_service_graph_request_total{{{db}}} 1"),
        ],
    );
    assert!(!text.contains(&format!("traces_service_graph_request_total{{{cart}}}")), "its server counts it");
    assert!(!text.contains(r#"client="shop",client_service_namespace="",server="shop""#), "{text}");
}

#[test]
fn requests_to_oneself_are_edges_if_wanted() {
    let mut measures = measures(|settings| {
        settings.features.graph = true;
        settings.self_references = true;
    });
    observe_with(&mut measures, &exchange("/d", 200), Some(&Service::clone(&service())));
    assert!(measures.prometheus().contains(r#"client="shop",client_service_namespace="",server="shop""#));
}

#[test]
fn spans_are_counted_by_name_kind_and_status() {
    for (names, duration, calls) in [
        (SpanNames::Tempo, "traces_spanmetrics_latency", "traces_spanmetrics_calls_total"),
        (SpanNames::Otel, "traces_span_metrics_duration_seconds", "traces_span_metrics_calls_total"),
    ] {
        let mut measures = measures(|settings| {
            settings.features = Features { spans: Some(names), sizes: true, ..Features::default() };
            settings.span_labels = vec!["deployment.environment".to_owned(), "service.version".to_owned()];
            settings.span_names = 2;
        });
        for path in ["/a", "/b", "/c", "/d"] {
            observe(&mut measures, &exchange(path, 503));
        }
        let of = |name: &str| {
            format!(
                r#"source="beyla",span_kind="SPAN_KIND_SERVER",span_name="{name}",status_code="STATUS_CODE_ERROR",{OF_SHOP},telemetry_sdk_language="generic",deployment_environment="prod""#
            )
        };
        has(
            &measures.prometheus(),
            &[
                &format!("{duration}_count{{{}}} 1", of("GET /a")),
                &format!("{calls}{{{}}} 1", of("GET /b")),
                &format!("{calls}{{{}}} 2", of("AGGREGATED")),
                &format!("traces_spanmetrics_size_total{{{}}} 3", of("GET /a")),
                &format!("traces_spanmetrics_response_size_total{{{}}} 40", of("GET /a")),
            ],
        );
    }
}

#[test]
fn services_and_the_machine_are_told_of() {
    let mut measures = measures(|settings| {
        settings.features = Features { host: true, spans: Some(SpanNames::Tempo), ..Features::default() };
        settings.resource_labels = vec!["deployment.environment".to_owned()];
    });
    assert!(measures.is_empty() && measures.prometheus().is_empty());
    measures.appeared(7, &service(), false);
    measures.appeared(9, &Arc::new(other("idle")), true);
    let shop = r#"host_id="m1",service_name="shop",instance="host:7",job="shop",telemetry_sdk_language="generic",telemetry_sdk_name="corten",telemetry_distro_name="corten",telemetry_distro_version="VERSION",source="beyla",os_type="linux",deployment_environment="prod""#;
    let shop = shop.replace("VERSION", env!("CARGO_PKG_VERSION"));
    let text = measures.prometheus();
    has(
        &text,
        &[
            &format!("target_info{{{shop}}} 1"),
            &format!("traces_target_info{{{shop}}} 1"),
            r#"traces_host_info{grafana_host_id="m1"} 1"#,
            "# TYPE survey_info gauge",
        ],
    );
    let line = |begin: &str| text.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned();
    assert!(line("survey_info{").contains(r#"service_name="idle",service_namespace="eu""#));
    assert!(line("beyla_build_info{").contains(r#"goos="linux",target_lang="generic""#));
    let resources = measures.otlp(&InstrumentationScope::default(), 5);
    let names: Vec<_> = resources
        .iter()
        .flat_map(|resource| &resource.scope_metrics[0].metrics)
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(names, ["traces.target.info", "traces.host.info", "survey_info"]);
    measures.ended(7);
    measures.ended(9);
    assert!(measures.is_empty());
}

#[test]
fn what_processes_use_is_told() {
    let mut measures = measures(|settings| {
        settings.select.add("process.disk.io", &[], &["disk.io.direction".to_owned()]).unwrap();
    });
    let owner = || Owner { command: "shop".to_owned(), user: "jane".to_owned(), parent: 3 };
    let usage = |user| Usage { user, resident: 4096, read: 5, written: 6, sent: 1, received: 2, ..Usage::default() };
    measures.appeared(7, &service(), false);
    measures.used(7, &service(), usage(1.0), owner(), 2, 10_000_000_000);
    measures.used(7, &service(), usage(2.0), owner(), 2, 11_000_000_000);
    let of = r#"instance="host:7",job="shop",process_command="shop",process_owner="jane",process_parent_pid="3",process_pid="7""#;
    has(
        &measures.prometheus(),
        &[
            &format!(r#"process_cpu_time_seconds_total{{cpu_mode="user",{of}}} 2"#),
            &format!(r#"process_cpu_utilization_ratio{{cpu_mode="user",{of}}} 0.5"#),
            &format!("process_memory_usage_bytes{{{of}}} 4096"),
            &format!("process_disk_io_bytes_total{{{of}}} 11"),
            "# TYPE process_network_io_bytes_total counter",
        ],
    );
    let resources = measures.otlp(&InstrumentationScope::default(), 5);
    let names: Vec<_> = resources[0].scope_metrics[0].metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!((names.len(), names[0], names[5]), (6, "process.cpu.time", "process.network.io"));
    measures.ended(7);
    assert!(measures.is_empty() && measures.prometheus().is_empty());
}

#[test]
fn series_are_bounded_and_expire() {
    let mut measures = measures(|settings| settings.features.application = true);
    let view = |exchange: &Exchange, measures: &mut Measures, n: usize| {
        let service = Arc::new(Service { name: n.to_string(), ..Service::default() });
        let view = View::new(exchange, "shop", &mut Routes::new(RouteRules::default()));
        measures.observe(&service, &view, n as u64);
    };
    for n in 0..SERIES / 3 + 10 {
        view(&exchange("/", 200), &mut measures, n);
    }
    assert_eq!(measures.len(), SERIES);
    assert!(measures.take_overflow() > 0);
    measures.expire(SERIES as u64 / 3 - 5);
    assert!(measures.len() < 40 && !measures.is_empty());
}
