//! What the engine knows of the ways between components: kinds, flows, connections.
#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;

const PARTS: &str = r#"
test.part "p" {
  output {
    even = [test.sink.all.input]
    odd = [test.sink.all.input, test.sink.odd.input]
  }
}
test.sink "all" { tag = "a" }
test.sink "odd" { tag = "odd only" }
"#;

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_take_a_kind_is_a_warning_at_the_reference() {
    let bench = Bench::new();
    assert_eq!(bench.warned(PARTS).await, [""; 0]);
    let wrong = PARTS.replace("even = [test.sink.all.input]", "even = [test.sink.all.input, test.sink.odd.input]");
    let said = bench.warned(&wrong).await;
    let expected = "4:34 test.sink.odd.input does not take even | take it out of this list, or give test.sink.odd.input a \
                    consumer of even";
    assert_eq!(said, [expected]);

    // What a sink will take counts, not what it takes now: in both directions.
    let stricter = PARTS.replace("tag = \"a\"", "tag = \"odd only\"");
    assert_eq!(bench.warned(&stricter).await.len(), 1);
    assert_eq!(bench.warned(PARTS).await, [""; 0]);
    assert_eq!(bench.warned(&wrong.replace("tag = \"odd only\"", "tag = \"b\"")).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn kinds_are_checked_through_modules() {
    let bench = Bench::new();
    let text = r#"
declare "d" {
  argument "to" { }
  test.part "p" {
    output {
      even = argument.to.value
    }
  }
}
d "x" { to = [test.sink.odd.input] }
test.sink "odd" { tag = "odd only" }
"#;
    let said = bench.warned(text).await;
    assert!(said.len() == 1 && said[0].starts_with("6:14 test.sink.odd.input does not take even"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn flows_count_what_passes_between_two_nodes() {
    let bench = Bench::new();
    let text = r#"
test.source "a" { forward_to = [test.pass.p.input, test.sink.s.input] }
test.pass "p" { forward_to = [test.sink.s.input] }
test.sink "s" { tag = "x" }
"#;
    bench.good(text).await;
    bench.until("the source runs", |b| b.hub.sources.lock().unwrap().contains_key("test.source.a")).await;
    let flows = bench.engine.flows();
    let watching: Vec<_> = flows.iter().map(|flow| flow.edge.watch()).collect();
    for number in [1, 2, 4] {
        bench.hub.send("test.source.a", number).await.unwrap();
    }
    bench.until("all arrive", |b| b.hub.received("test.sink.s").len() == 6).await;
    let counted: Vec<String> =
        flows.iter().map(|flow| format!("{} {} {:?}", flow.from, flow.to, flow.edge.counts())).collect();
    for way in ["test.source.a test.pass.p", "test.source.a test.sink.s", "test.pass.p test.sink.s"] {
        let line = format!("{way} [(\"even\", 2), (\"odd\", 1)]");
        assert!(counted.contains(&line), "{line} is not in {counted:?}");
    }
    assert_eq!(watching.len(), 3);
    // An instance that stays keeps its edges; a new one has new ones.
    bench.good(&text.replace("\"x\"", "\"y\"")).await;
    let same = bench.engine.flows();
    assert!(flows.iter().all(|old| same.iter().any(|new| std::sync::Arc::ptr_eq(&old.edge, &new.edge))));
}

#[tokio::test(start_paused = true)]
async fn connections_and_modules_have_series_as_long_as_they_live() {
    let bench = Bench::new();
    let text = r#"
declare "d" {
  test.pass "p" { forward_to = [test.sink.s.input] }
  test.sink "s" { }
}
d "x" { }
test.pass "q" { forward_to = [test.sink.t.input] }
test.sink "t" { }
"#;
    bench.good(text).await;
    let series = [
        r#"alloy_component_graph_connection{controller_id="",controller_path="/",from="test.pass.q",to="test.sink.t"} 1"#,
        r#"alloy_component_graph_connection{controller_id="d.x",controller_path="/",from="test.pass.p",to="test.sink.s"} 1"#,
        r#"alloy_component_evaluation_seconds_count{controller_id="d.x",controller_path="/"}"#,
        r#"alloy_component_controller_evaluating{controller_id="d.x",controller_path="/"} 0"#,
    ];
    let shown = bench.settings.metrics.render();
    series.iter().for_each(|line| assert!(shown.contains(line), "{line} is missing in {shown}"));
    bench.good("test.sink \"t\" { }").await;
    let shown = bench.settings.metrics.render();
    series.iter().for_each(|line| assert!(!shown.contains(line), "{line} is left"));
}

#[tokio::test(start_paused = true)]
async fn files_that_write_out_secrets_are_named() {
    let bench = Bench::new();
    let secret = |text: &str| format!("test.sink \"s\" {{\n  tag = \"x\"\n  password = {text}\n}}\n");
    assert_eq!(bench.good(&secret("\"canary\"")).await.secret_files, ["test.alloy"]);
    let nested = format!("declare \"d\" {{\n{}\n}}\nd \"x\" {{ }}", secret("\"canary\""));
    assert_eq!(bench.good(&nested).await.secret_files, ["test.alloy"]);
    for harmless in ["\"\"", "sys.env(\"HOME\")", "test.value.v.value"] {
        let text = format!("{}test.value \"v\" {{ }}", secret(harmless));
        assert!(bench.good(&text).await.secret_files.is_empty(), "{harmless}");
    }
}
