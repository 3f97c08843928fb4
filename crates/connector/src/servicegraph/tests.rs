//! Spans in, the graph out.

use std::sync::Arc;
use std::time::Duration;

use corten_component::node::{Phase, control};
use corten_component::{BuildContext, Component, Consume as _, RunContext};
use corten_proto::otlp::trace::Span;
use corten_proto::otlp::trace::span::SpanKind;
use corten_signal::otlp::Batch;
use proptest::prelude::*;
use tokio::time::Instant;

use super::graph::{Counts, Graph};
use super::*;
use crate::testing::*;

/// A span of trace 1 with an id and a parent (0: none).
fn end(kind: SpanKind, id: u8, parent: u8, milliseconds: u64) -> Span {
    let id_of = |id: u8| if id == 0 { Vec::new() } else { vec![id; 8] };
    Span { span_id: id_of(id), parent_span_id: id_of(parent), ..span("request", kind, milliseconds) }
}

fn service(name: &str, spans: Vec<Span>) -> Batch {
    request(vec![resource(&[("service.name", name)], spans)])
}

struct Bench {
    args: ServiceGraphArguments,
    graph: Graph,
    begin: Instant,
}

impl Bench {
    fn new(args: ServiceGraphArguments) -> Self {
        Self { graph: Graph::new(&args, 5), args, begin: Instant::now() }
    }

    fn take(&mut self, batch: &Batch) -> Counts {
        self.graph.take(&self.args, batch, self.begin)
    }

    fn expire(&mut self) -> Counts {
        self.graph.expire(&self.args, self.begin + Duration::from_secs(60))
    }

    fn points(&self) -> Vec<Point> {
        points(&self.graph.series.metrics(9))
    }
}

#[test]
fn both_ends_are_a_request_whichever_comes_first() {
    for client_first in [true, false] {
        let args = ServiceGraphArguments { dimensions: vec!["region".into(), "none".into()], ..Default::default() };
        let mut bench = Bench::new(args);
        let client = service("shop", vec![with(end(SpanKind::Client, 7, 1, 1000), &[("region", "eu")])]);
        let server = service("bank", vec![end(SpanKind::Server, 8, 7, 2000)]);
        let both = if client_first { [&client, &server] } else { [&server, &client] };
        let counts = both.map(|batch| bench.take(batch));
        assert_eq!(counts.map(|counts| counts.edges), [1, 0]);
        assert_eq!(bench.graph.waiting(), 0);
        let points = bench.points();
        let metrics: Vec<_> = points.iter().map(|point| (point.metric.as_str(), point.value, point.sum)).collect();
        assert_eq!(
            metrics,
            [
                ("traces_service_graph_request_total", 1, 0.0),
                ("traces_service_graph_request_server [s]", 1, 2.0),
                ("traces_service_graph_request_client [s]", 1, 1.0),
            ]
        );
        let expected = "client=shop,server=bank,connection_type=,failed=false,client_region=eu";
        assert!(points.iter().all(|point| point.attributes == expected && point.start == 5 && point.time == 9));
        assert_eq!(points[1].bounds[..2], [0.002, 0.004]);
        assert_eq!((points[1].buckets[12], points[2].buckets[10]), (1, 1));
    }
}

#[test]
fn a_failure_at_either_end_is_a_failed_request() {
    let mut bench = Bench::new(ServiceGraphArguments::default());
    bench.take(&service("shop", vec![end(SpanKind::Client, 7, 1, 1), end(SpanKind::Client, 9, 1, 1)]));
    bench.take(&service("bank", vec![failed(end(SpanKind::Server, 8, 7, 1)), end(SpanKind::Server, 8, 9, 1)]));
    let values = values(&bench.graph.series.metrics(9));
    let ends = "client=shop,server=bank,connection_type=";
    let get = |name: &str, failed: bool| {
        values.get(&(format!("traces_service_graph_request_{name}"), format!("{ends},failed={failed}"))).copied()
    };
    assert_eq!([get("total", false), get("total", true)], [Some(1), Some(1)]);
    assert_eq!([get("failed_total", false), get("failed_total", true)], [None, Some(1)]);
}

#[test]
fn messages_and_databases_have_their_type() {
    let mut bench = Bench::new(ServiceGraphArguments::default());
    let asks = with(end(SpanKind::Client, 9, 1, 3), &[("db.name", "orders"), ("peer.service", "other")]);
    bench.take(&service("shop", vec![end(SpanKind::Producer, 7, 1, 1), asks]));
    bench.take(&service("mailer", vec![end(SpanKind::Consumer, 8, 7, 1)]));
    let mut seen: Vec<_> = bench.points().into_iter().map(|point| point.attributes).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(
        seen,
        [
            "client=shop,server=mailer,connection_type=messaging_system,failed=false",
            "client=shop,server=orders,connection_type=database,failed=false",
        ]
    );
}

#[test]
fn an_end_without_another_is_made_up_where_that_can_be_told() {
    let cases = [
        ("peer", end(SpanKind::Client, 7, 1, 1), Some("client=a,server=AuthTokenCache,connection_type=virtual_node")),
        ("", end(SpanKind::Client, 7, 1, 1), Some("client=a,server=unknown,connection_type=virtual_node")),
        ("", end(SpanKind::Server, 7, 0, 1), Some("client=user,server=a,connection_type=virtual_node")),
        ("", end(SpanKind::Server, 7, 1, 1), None),
    ];
    for (peer, mut alone, expected) in cases {
        let mut bench = Bench::new(ServiceGraphArguments { virtual_node_extra_label: true, ..Default::default() });
        if peer == "peer" {
            alone = with(alone, &[("peer.service", "AuthTokenCache")]);
        }
        let made_up = if alone.kind == i32::from(SpanKind::Client) { "server" } else { "client" };
        bench.take(&service("a", vec![alone]));
        assert_eq!(bench.expire(), Counts { expired: 1, ..Counts::default() });
        let points = bench.points();
        match expected {
            Some(expected) => {
                assert_eq!(points[0].metric, "traces_service_graph_request_total");
                assert_eq!(points[0].attributes, format!("{expected},failed=false,virtual_node={made_up}"));
            }
            None => {
                assert_eq!(points.len(), 1);
                assert_eq!(points[0].metric, "traces_service_graph_unpaired_spans_total");
                assert_eq!(points[0].attributes, "client=,server=a,connection_type=");
            }
        }
    }
}

#[test]
fn without_peer_attributes_nothing_is_made_up() {
    let args = ServiceGraphArguments { virtual_node_peer_attributes: Vec::new(), ..Default::default() };
    let mut bench = Bench::new(args);
    bench.take(&service("a", vec![end(SpanKind::Client, 7, 1, 1), end(SpanKind::Server, 8, 0, 1)]));
    assert_eq!(bench.expire().expired, 2);
    assert!(bench.points().iter().all(|point| point.metric == "traces_service_graph_unpaired_spans_total"));
}

#[test]
fn a_full_store_drops_spans_and_counts_them() {
    let store = StoreArguments { max_items: 2, ..StoreArguments::default() };
    let mut bench = Bench::new(ServiceGraphArguments { store, ..Default::default() });
    let spans = (1..=5).map(|id| end(SpanKind::Client, id, 0, 1)).collect();
    assert_eq!(bench.take(&service("a", spans)), Counts { edges: 2, dropped: 3, ..Counts::default() });
    let points = bench.points();
    assert_eq!(points[0].metric, "traces_service_graph_dropped_spans_total");
    assert_eq!((points[0].value, points[0].attributes.as_str()), (3, "client=a,server=,connection_type="));
}

#[test]
fn inner_spans_and_nameless_resources_are_no_ends() {
    let mut bench = Bench::new(ServiceGraphArguments::default());
    bench.take(&service("a", vec![end(SpanKind::Internal, 1, 0, 1), end(SpanKind::Unspecified, 2, 0, 1)]));
    let nameless = request(vec![resource(&[], vec![end(SpanKind::Client, 3, 0, 1)])]);
    assert_eq!(bench.take(&nameless), Counts { unnamed: 1, ..Counts::default() });
    assert_eq!(bench.expire(), Counts::default());
}

#[test]
fn latencies_may_find_their_own_buckets() {
    let args = ServiceGraphArguments { exponential_histogram_max_size: 10, ..Default::default() };
    let mut bench = Bench::new(args);
    bench.take(&service("a", vec![end(SpanKind::Client, 7, 1, 1000)]));
    bench.take(&service("b", vec![end(SpanKind::Server, 8, 7, 2000)]));
    let points = bench.points();
    assert_eq!((points[1].value, points[1].sum, points[1].buckets.as_slice()), (1, 2.0, &[1][..]));
}

#[test]
fn a_series_is_forgotten_after_a_quarter_of_an_hour() {
    let mut bench = Bench::new(ServiceGraphArguments::default());
    bench.take(&service("a", vec![with(end(SpanKind::Client, 7, 1, 1), &[("db.name", "d")])]));
    bench.graph.series.forget(bench.begin + Duration::from_secs(899));
    assert_eq!(bench.graph.series.size().0, 1);
    bench.graph.series.forget(bench.begin + Duration::from_secs(900));
    assert_eq!(bench.graph.series.size(), (0, 0));
}

proptest! {
    /// Every request counts once, however its ends come: as a pair, made up, unpaired or dropped.
    #[test]
    fn every_end_is_accounted_for(ends in prop::collection::vec((1u8..20, any::<bool>()), 0..60), most in 1i64..8) {
        let store = StoreArguments { max_items: most, ..StoreArguments::default() };
        let mut bench = Bench::new(ServiceGraphArguments { store, ..Default::default() });
        let mut counts = Counts::default();
        for (id, client) in ends {
            let (name, one) =
                if client { ("a", end(SpanKind::Client, id, 0, 1)) } else { ("b", end(SpanKind::Server, 99, id, 1)) };
            let each = bench.take(&service(name, vec![one]));
            counts.edges += each.edges;
            counts.dropped += each.dropped;
            prop_assert!(bench.graph.waiting() <= usize::try_from(most).unwrap());
        }
        let expired = bench.expire().expired;
        prop_assert_eq!(bench.graph.waiting(), 0);
        let points = bench.points();
        let sum = |metric: &str| points.iter().filter(|p| p.metric == metric).map(|p| p.value).sum::<u64>();
        prop_assert!(expired <= counts.edges);
        prop_assert_eq!(sum("traces_service_graph_request_total")
            + sum("traces_service_graph_unpaired_spans_total"), counts.edges);
        prop_assert_eq!(sum("traces_service_graph_dropped_spans_total"), counts.dropped);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_lets_go_and_sends_by_its_clocks() {
    let sink = Arc::new(Sink::default());
    let (node, registry) = node("otelcol.connector.servicegraph.test");
    let args = Arc::new(ServiceGraphArguments { output: output(&sink), ..Default::default() });
    let mut cx = BuildContext::new(&node);
    let (instance, exports) = ServiceGraph::build(Arc::clone(&args), &mut cx).await.unwrap();
    cx.into_pending().installs.into_iter().for_each(|install| install());
    node.gates().iter().for_each(|gate| gate.open());
    let (control, state) = control(&node, args.clone());
    let task = tokio::spawn(instance.run((), RunContext::new(state)));
    tokio::task::yield_now().await;
    exports.input.consume(service("a", vec![end(SpanKind::Server, 7, 0, 1)])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(points(&sink.taken()).len(), 3);
    assert!(registry.render().contains("otelcol_connector_servicegraph_expired_edges_total"));
    // From now on, after every request.
    let at_once = ServiceGraphArguments { metrics_flush_interval: Duration::ZERO, ..(*args).clone() };
    assert!(ServiceGraph::absorbs(&args, &at_once));
    control.arguments.send_replace(Arc::new(at_once));
    tokio::time::sleep(Duration::from_secs(1)).await;
    exports.input.consume(service("a", vec![])).await.unwrap();
    assert_eq!(points(&sink.taken()).len(), 6);
    exports.input.consume(service("b", vec![end(SpanKind::Client, 7, 3, 1)])).await.unwrap();
    control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + Duration::from_secs(5) });
    task.await.unwrap().1.unwrap();
    assert_eq!(points(&sink.taken()).len(), 12, "two times more");
}

#[tokio::test]
async fn what_a_batch_in_front_keeps_on_disk_it_keeps_until_it_is_counted() {
    let (node, _registry) = node("otelcol.connector.servicegraph.test");
    let args = Arc::new(ServiceGraphArguments { output: output_on_disk("metrics"), ..Default::default() });
    let mut cx = BuildContext::new(&node);
    let (_instance, exports) = ServiceGraph::build(args, &mut cx).await.unwrap();
    cx.into_pending().installs.into_iter().for_each(|install| install());
    node.gates().iter().for_each(|gate| gate.open());
    keeps_until_counted(&exports.input, service("a", vec![end(SpanKind::Server, 7, 0, 1)]), "metrics").await;
}
