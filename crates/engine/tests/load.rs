//! Loading, replacing, refusing.
#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;

const FAN_OUT: &str = r#"
test.source "a" { forward_to = [test.pass.p.input] }
test.pass "p" { forward_to = [test.sink.x.input, test.sink.y.input] }
test.sink "x" { }
test.sink "y" { }
"#;

#[tokio::test(start_paused = true)]
async fn an_item_reaches_every_consumer() {
    let bench = Bench::new();
    let report = bench.good(FAN_OUT).await;
    assert_eq!((report.started, report.replaced, report.unchanged), (4, 0, 0));
    assert!(bench.engine.ready());
    bench.until("the source runs", |b| b.hub.sources.lock().unwrap().contains_key("test.source.a")).await;
    bench.hub.send("test.source.a", 7).await.unwrap();
    bench.until("it arrives", |b| !b.hub.received("test.sink.x").is_empty()).await;
    bench.until("it arrives", |b| !b.hub.received("test.sink.y").is_empty()).await;
    assert_eq!(bench.hub.received("test.sink.x"), [7]);
    let info = bench.engine.component("test.pass.p").unwrap();
    assert_eq!(info.references_to, ["test.sink.x", "test.sink.y"]);
    assert_eq!(info.referenced_by, ["test.source.a"]);
    assert_eq!(info.data_flow_edges_to, ["test.sink.x", "test.sink.y"]);
    assert_eq!(bench.health("test.pass.p"), "healthy: started component");
}

#[tokio::test(start_paused = true)]
async fn the_same_file_changes_nothing_and_a_change_only_its_node() {
    let bench = Bench::new();
    bench.good(FAN_OUT).await;
    let report = bench.good(&format!("// a comment\n\n{FAN_OUT}")).await;
    assert_eq!((report.started, report.replaced, report.unchanged), (0, 0, 4));
    bench.hub.events();
    let report = bench.good(&FAN_OUT.replace("\"x\" { }", "\"x\" {\n tag = \"new\"\n}")).await;
    assert_eq!((report.started, report.replaced, report.unchanged), (0, 1, 3));
    bench.until("it started", |b| b.hub.events.lock().unwrap().len() == 3).await;
    assert_eq!(bench.hub.events(), ["build test.sink.x", "stop test.sink.x", "start test.sink.x"]);
}

#[tokio::test(start_paused = true)]
async fn removed_nodes_leave_no_metrics_and_no_entry() {
    let bench = Bench::new();
    bench.good(FAN_OUT).await;
    assert!(bench.settings.metrics.render().contains("test_sink_total{component_id=\"test.sink.y\""));
    let report = bench.good(&FAN_OUT.replace(", test.sink.y.input", "").replace("test.sink \"y\" { }", "")).await;
    assert_eq!((report.stopped, report.replaced), (1, 1));
    assert!(!bench.settings.metrics.render().contains("test.sink.y"));
    assert!(bench.engine.component("test.sink.y").is_none());
    let shown = bench.settings.metrics.render();
    let running = "alloy_component_controller_running_components{controller_id=\"\",controller_path=\"/\"";
    assert!(shown.contains(&format!("{running},health_type=\"healthy\"}} 3")), "{shown}");
    assert!(shown.contains(&format!("{running},health_type=\"exited\"}} 0")), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn data_order_holds_for_stopping_and_its_opposite_for_starting() {
    let bench = Bench::new();
    bench.good(FAN_OUT).await;
    bench.until("all run", |b| b.hub.events.lock().unwrap().len() == 6).await;
    let events = bench.hub.events();
    let at = |what: &str| events.iter().position(|event| event == what).unwrap();
    assert!(at("start test.sink.x") < at("start test.pass.p") && at("start test.pass.p") < at("start test.source.a"));
    let report = bench.engine.shutdown(std::time::Duration::from_secs(5)).await;
    assert_eq!((report.stopped, report.abandoned.len()), (4, 0));
    let events = bench.hub.events();
    let at = |what: &str| events.iter().position(|event| event == what).unwrap();
    assert!(at("stop test.source.a") < at("stop test.pass.p") && at("stop test.pass.p") < at("stop test.sink.x"));
    assert!(!bench.engine.ready());
    assert!(bench.load(FAN_OUT).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_leaves_the_old_one_running() {
    let bench = Bench::new();
    bench.good(FAN_OUT).await;
    bench.until("all run", |b| b.hub.sources.lock().unwrap().len() == 1).await;
    bench.hub.events();
    for (broken, message) in [
        ("test.sink \"x\" {", "expected }"),
        ("test.sink \"x\" { tag = no.such.thing }", "component \"no.such.thing\" does not exist or is out of scope"),
        ("test.sink \"x\" { tagg = \"\" }", "unrecognized attribute name \"tagg\""),
        ("test.sink \"x\" { tag = \"bad\" }", "Failed to build component: building component: the tag is bad"),
        ("test.sink \"x\" { tag = \"boom\" }", "it panicked: boom while building"),
    ] {
        let lines = bench.bad(&FAN_OUT.replace("test.sink \"x\" { }", broken)).await;
        assert!(lines[0].contains(message), "{lines:?}");
    }
    assert!(!bench.hub.events().iter().any(|event| event.starts_with("stop")));
    bench.hub.send("test.source.a", 1).await.unwrap();
    bench.until("it arrives", |b| b.hub.received("test.sink.x") == [1]).await;
    assert!(bench.settings.metrics.render().contains("corten_component_panics_total 1"));
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_of_a_first_load_are_reported_and_nothing_runs() {
    let bench = Bench::new();
    let lines = bench
        .bad(
            "test.sink \"a\" { tagg = 1 }\ntest.sink \"b\" { tag = [] }\ntest.sink \"c\" { tag = \"bad\" }\n\
             test.pass \"d\" { forward_to = [test.sink.a.input] }\ntest.sink \"e\" { }",
        )
        .await;
    assert_eq!(
        lines,
        [
            "1:17 unrecognized attribute name \"tagg\" | did you mean \"tag\"?",
            "2:23 [] should be string, got array",
            "3:23 Failed to build component: building component: the tag is bad | write a good one",
        ]
    );
    assert!(bench.engine.components().is_empty() && !bench.engine.ready());
    assert!(!bench.hub.events().iter().any(|event| event.starts_with("start")));
    assert!(!bench.settings.metrics.render().contains("test_sink_total"));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_of_a_whole_block_does_not_quote_what_stands_inside() {
    let bench = Bench::new();
    let error = bench.load("test.sink \"x\" {\n\n\ttag = \"boom\"\n}").await.expect_err("a load that fails");
    let shown = corten_syntax::render(&error.diagnostics, &error.source_map, false);
    assert!(shown.contains("test.sink \"x\" {") && shown.contains("1:1"), "{shown}");
    assert!(!shown.contains("tag ="), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn mistakes_of_the_graph_have_the_known_words() {
    let bench = Bench::new();
    let cases: &[(&str, &[&str])] = &[
        ("test.sink \"a\" { }\ntest.sink \"a\" { }", &["2:1 block test.sink.a already declared at test.alloy:1:1"]),
        ("x = 1", &["1:1 unrecognized attribute x | attributes stand inside blocks"]),
        (
            "test.sinc \"a\" { }",
            &["1:1 cannot find the definition of component name \"test.sinc\" | did you mean \"test.sink\"?"],
        ),
        (
            "prometheus.exporter.mysql \"a\" { }",
            &["1:1 cannot find the definition of component name \"prometheus.exporter.mysql\" | \
               \"prometheus.exporter.mysql\" is not implemented by Corten"],
        ),
        ("test.sink { }", &["1:1 component \"test.sink\" must have a label | write test.sink \"default\" { ... }"]),
        (
            "test.sink \"a\" { tag = test.sink.aa.tag }",
            &["1:23 component \"test.sink.aa.tag\" does not exist or is out of scope | did you mean \"test.sink.a\"?"],
        ),
        ("test.value \"a\" { initial = test.value.a.value }", &["1:1 self reference: test.value.a"]),
        (
            "test.value \"a\" { initial = test.value.b.value }\ntest.value \"b\" { initial = test.value.a.value }",
            &["1:1 cycle: test.value.a, test.value.b"],
        ),
        ("argument \"a\" { }", &["1:1 argument blocks only allowed inside a module"]),
        ("cluster { }", &["1:1 service \"cluster\" does not support being configured"]),
    ];
    for (text, expected) in cases {
        assert_eq!(bench.bad(text).await, *expected, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ended_component_shows_it_and_is_started_by_the_next_load() {
    let bench = Bench::new();
    let text = "test.end \"p\" { how = \"panic\" }\ntest.end \"e\" { how = \"error\" }\ntest.end \"c\" { }";
    bench.good(text).await;
    bench.until("all have ended", |b| b.engine.health_summary().exited.len() == 3).await;
    assert_eq!(bench.health("test.end.p"), "exited: component panicked: boom while running");
    assert_eq!(bench.health("test.end.e"), "exited: component shut down with error: out of luck");
    assert_eq!(bench.health("test.end.c"), "exited: component shut down cleanly");
    assert!(bench.settings.metrics.render().contains("corten_component_panics_total 1"));
    let report = bench.good(text).await;
    assert_eq!((report.replaced, report.unchanged), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_abandoned_and_named() {
    let bench = Bench::new();
    bench.good("test.end \"h\" { how = \"hang\" }\ntest.sink \"s\" { }").await;
    let report = bench.engine.shutdown(std::time::Duration::from_secs(3)).await;
    assert_eq!(report.abandoned, ["test.end.h"]);
    assert!(report.took < std::time::Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_shared_moved_and_released() {
    let bench = Bench::new();
    common::hub_of_locks("moved", &bench.hub);
    let holder = |name: &str, lock: &str, tag: &str| {
        format!("test.holder \"{name}\" {{\n lock = \"moved/{lock}\"\n tag = \"{tag}\"\n}}\n")
    };
    let held = || bench.hub.held.lock().unwrap().clone();
    bench.good(&holder("a", "l", "")).await;
    assert_eq!(held(), ["moved/l"]);
    // The same node with other arguments, then another node: the lock is never let go.
    bench.good(&holder("a", "l", "new")).await;
    tokio::task::yield_now().await;
    bench.hub.events();
    bench.good(&holder("b", "l", "new")).await;
    bench.until("b runs", |b| b.hub.events.lock().unwrap().len() == 2).await;
    assert_eq!(bench.hub.events(), ["stop test.holder.a", "start test.holder.b"]);
    assert_eq!(held(), ["moved/l"]);
    // Two that want the same.
    let lines = bench.bad(&(holder("b", "l", "new") + &holder("c", "l", ""))).await;
    assert!(lines[0].contains("lock \"moved/l\" is wanted by both test.holder.b and test.holder.c"), "{lines:?}");
    // One that cannot be had: the other that was taken is given back.
    let lines = bench.bad(&(holder("b", "free", "") + &holder("c", "taken", ""))).await;
    assert!(lines[0].contains("moved/taken is in use by another process"), "{lines:?}");
    assert_eq!(held(), ["moved/l"]);
    // Two nodes exchange what they hold.
    bench.good(&(holder("b", "l", "") + &holder("c", "m", ""))).await;
    bench.good(&(holder("b", "m", "") + &holder("c", "l", ""))).await;
    assert_eq!(held().len(), 2);
    bench.good("").await;
    assert!(held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_stage_refuses_and_lives_again_with_the_next_load() {
    let bench = Bench::new();
    let dead = FAN_OUT
        .replace("\"p\" { forward_to", "\"p\" {\n tag = \"panic\"\n forward_to")
        .replace("y.input] }", "y.input]\n}");
    bench.good(&dead).await;
    bench.until("it has panicked", |b| b.health("test.pass.p").starts_with("exited")).await;
    bench.until("the source runs", |b| !b.hub.sources.lock().unwrap().is_empty()).await;
    assert_eq!(bench.hub.send("test.source.a", 1).await, Err(corten_component::Refusal::Closed));
    bench.good(FAN_OUT).await;
    bench.hub.send("test.source.a", 2).await.unwrap();
    bench.until("it arrives", |b| b.hub.received("test.sink.x") == [2]).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_is_finished_though_its_caller_has_gone() {
    let bench = Bench::new();
    let engine = bench.engine.clone();
    let text = "test.value \"s\" { slow = true }\ntest.sink \"x\" { }";
    let load = tokio::spawn(async move { engine.load(corten_engine::Source::text("test.alloy", text)).await });
    bench.hub.begun.notified().await;
    load.abort();
    assert!(load.await.unwrap_err().is_cancelled());
    bench.hub.go.notify_one();
    bench.until("all run", |b| b.engine.ready() && b.engine.components().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_dropped_leaves_no_task() {
    let bench = Bench::new();
    bench.good(FAN_OUT).await;
    bench.until("the source runs", |b| !b.hub.sources.lock().unwrap().is_empty()).await;
    bench.hub.sources.lock().unwrap().clear();
    let hub = std::sync::Arc::downgrade(&bench.hub);
    drop(bench);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_up_a_plan() {
    let bench = Bench::new();
    bench.good(FAN_OUT).await;
    let (engine, text) = (bench.engine.clone(), format!("{FAN_OUT}\ntest.value \"s\" {{\n slow = true\n}}"));
    let load = tokio::spawn(async move { engine.load(corten_engine::Source::text("test.alloy", text)).await });
    bench.hub.begun.notified().await;
    let report = bench.engine.shutdown(std::time::Duration::from_secs(5)).await;
    assert_eq!((report.stopped, report.abandoned.len()), (4, 0));
    assert!(report.took < std::time::Duration::from_secs(1), "{:?}", report.took);
    let error = load.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "error during the initial load: -: the engine is shutting down");
}
