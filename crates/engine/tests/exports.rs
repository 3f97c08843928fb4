//! Exports that change while components run.
#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;

const CHAIN: &str = r#"
test.value "a" { initial = "one" }
test.value "b" { initial = test.value.a.value + "!" }
test.sink "c" { tag = test.value.b.value }
test.sink "d" { tag = "alone" }
"#;

async fn running(text: &str) -> Bench {
    let bench = Bench::new();
    bench.good(text).await;
    bench.until("the value runs", |b| b.hub.publish.lock().unwrap().contains_key("test.value.a")).await;
    bench.hub.events();
    bench
}

#[tokio::test(start_paused = true)]
async fn a_changed_export_reaches_dependants_of_dependants_and_nobody_else() {
    let bench = running(CHAIN).await;
    assert_eq!(bench.argument("test.sink.c", "tag"), "one!");
    bench.hub.publish("test.value.a", "two");
    bench.until("c has it", |b| b.argument("test.sink.c", "tag") == "two!").await;
    bench.until("c runs", |b| b.hub.events.lock().unwrap().contains(&"start test.sink.c".to_owned())).await;
    assert_eq!(bench.hub.events(), ["build test.sink.c", "stop test.sink.c", "start test.sink.c"]);
}

#[tokio::test(start_paused = true)]
async fn an_equal_export_changes_nothing() {
    let bench = running(CHAIN).await;
    bench.hub.publish("test.value.a", "one");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(bench.hub.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_no_longer_evaluates_keeps_its_arguments_and_says_so() {
    let bench = running(CHAIN).await;
    bench.hub.publish("test.value.a", "x");
    bench.until("c has it", |b| b.argument("test.sink.c", "tag") == "x!").await;
    let text = "test.value \"a\" { initial = \"good\" }\ntest.sink \"c\" { tag = test.value.a.value }";
    bench.good(text).await;
    bench.until("a runs anew", |b| b.hub.publish.lock().unwrap()["test.value.a"].receiver_count() == 1).await;
    bench.hub.publish("test.value.a", "bad");
    bench.until("c is unhealthy", |b| b.health("test.sink.c").starts_with("unhealthy")).await;
    assert_eq!(
        bench.health("test.sink.c"),
        "unhealthy: component evaluation failed: test.alloy:2:23: Failed to build component: building component: \
         the tag is bad"
    );
    assert_eq!(bench.argument("test.sink.c", "tag"), "good");
    assert_eq!(bench.engine.health_summary().unhealthy, ["test.sink.c"]);
    bench.hub.publish("test.value.a", "fine");
    bench.until("c has it", |b| b.argument("test.sink.c", "tag") == "fine").await;
    assert!(bench.health("test.sink.c").starts_with("healthy"));
}

#[tokio::test(start_paused = true)]
async fn an_export_that_changes_during_a_plan_is_planned_for_afterwards() {
    let bench = running(CHAIN).await;
    let slow = format!("{CHAIN}\ntest.value \"slow\" {{\n slow = true\n}}");
    let engine = bench.engine.clone();
    let load = tokio::spawn(async move { engine.load(corten_engine::Source::text("test.alloy", slow)).await });
    bench.hub.begun.notified().await;
    // The plan has evaluated everything with the old value, and is not done.
    bench.hub.publish("test.value.a", "during");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(bench.argument("test.sink.c", "tag"), "one!");
    bench.hub.go.notify_one();
    load.await.unwrap().unwrap();
    bench.until("c has it", |b| b.argument("test.sink.c", "tag") == "during!").await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_does_not_swallow_a_changed_export() {
    let bench = running(CHAIN).await;
    // Both are waiting when the load takes them: no await between.
    bench.hub.publish("test.value.a", "kept");
    let lines = bench.bad(&format!("{CHAIN}\ntest.sink \"e\" {{\n tag = \"bad\"\n}}")).await;
    assert!(lines[0].contains("the tag is bad"), "{lines:?}");
    bench.until("c has it", |b| b.argument("test.sink.c", "tag") == "kept!").await;
}

#[tokio::test(start_paused = true)]
async fn a_build_that_never_ends_is_given_up() {
    let bench = running(CHAIN).await;
    let lines = bench.bad("test.value \"s\" { slow = true }").await;
    assert_eq!(lines, ["1:1 Failed to build component: building component: it did not finish within 10 s"]);
    assert_eq!(bench.argument("test.sink.c", "tag"), "one!");
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_cannot_be_had_keeps_the_old_one() {
    let bench = Bench::new();
    common::hub_of_locks("exports", &bench.hub);
    let text = "test.value \"a\" { initial = \"one\" }\ntest.holder \"h\" { lock = \"exports/\" + test.value.a.value }\n\
                test.sink \"s\" { tag = test.value.a.value }";
    bench.good(text).await;
    bench.until("the value runs", |b| b.hub.publish.lock().unwrap().contains_key("test.value.a")).await;
    bench.hub.publish("test.value.a", "taken");
    // What else depends on the value gets it.
    bench.until("s has it", |b| b.argument("test.sink.s", "tag") == "taken").await;
    assert!(bench.health("test.holder.h").contains("exports/taken is in use by another process"));
    assert_eq!(*bench.hub.held.lock().unwrap(), ["exports/one"]);
    bench.hub.publish("test.value.a", "two");
    bench.until("h has it", |b| b.argument("test.holder.h", "lock") == "exports/two").await;
    assert_eq!(*bench.hub.held.lock().unwrap(), ["exports/two"]);
}

/// Values that flow through nodes, a module and a `foreach`, in one of several shapes.
fn shape(roll: u64) -> String {
    let mut text = format!(
        "test.value \"a\" {{ initial = \"start\" }}\ntest.value \"b\" {{ initial = test.value.a.value + \"{}\" }}\n",
        ["x", "y"][(roll % 2) as usize]
    );
    text += "declare \"d\" {\n argument \"in\" { }\n test.value \"inner\" { initial = argument.in.value + \"i\" }\n \
             test.sink \"s\" { tag = test.value.inner.value }\n export \"out\" { value = test.value.inner.value }\n}\n\
             d \"m\" { in = test.value.b.value }\ntest.sink \"end\" { tag = d.m.out }\n";
    if !roll.is_multiple_of(3) {
        text += "foreach \"f\" {\n collection = [test.value.a.value, \"fixed\"]\n var = \"item\"\n template {\n  \
                 test.sink \"s\" { tag = item + test.value.b.value }\n }\n}\n";
    }
    if roll.is_multiple_of(5) {
        text += "test.sink \"more\" { tag = test.value.b.value }\n";
    }
    text
}

#[tokio::test(start_paused = true)]
async fn random_publishes_and_reloads_settle_on_the_last_value() {
    let mut state = 7_u64;
    let mut roll = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for run in 0..20 {
        let bench = running(&shape(roll())).await;
        let mut last = 0;
        for step in 0..40 {
            if roll() % 2 == 0 {
                bench.hub.publish("test.value.a", &format!("{run}_{step}"));
            }
            if roll() % 3 == 0 {
                last = roll();
                // Sometimes a load fails in between.
                if roll() % 4 == 0 {
                    bench.bad(&(shape(last) + "test.sink \"bad\" { tag = \"bad\" }\n")).await;
                }
                bench.good(&shape(last)).await;
            }
            tokio::time::sleep(std::time::Duration::from_micros(roll() % 2000)).await;
        }
        bench.good(&shape(last)).await;
        bench.hub.publish("test.value.a", "final");
        let suffix = ["x", "y"][(last % 2) as usize];
        let want = format!("final{suffix}i");
        bench.until("the end has it", |b| b.argument("test.sink.end", "tag") == want).await;
        bench.until("the module has it", |b| b.argument("d.m/test.sink.s", "tag") == want).await;
        if last % 3 > 0 {
            let children = bench.engine.component("foreach.f").unwrap().created_module_ids;
            assert_eq!(children, ["foreach.f/foreach_final_1", "foreach.f/foreach_fixed_1"]);
            assert_eq!(bench.argument("foreach.f/foreach_final_1/test.sink.s", "tag"), format!("finalfinal{suffix}"));
        }
        assert!(bench.engine.health_summary().is_healthy());
        assert!(bench.engine.shutdown(std::time::Duration::from_secs(5)).await.abandoned.is_empty());
    }
}
