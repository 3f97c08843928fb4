//! Custom components, imports, foreach.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::Bench;
use corten_component::BoxFuture;
use corten_engine::{Fetch, GitFiles, GitRequest, HttpRequest, HttpResponse, NodeKind};

const CUSTOM: &str = r#"
declare "twice" {
  argument "to" { }
  argument "tag" {
    optional = true
    default  = "none"
  }
  declare "inner" {
    argument "to" { }
    test.pass "p" { forward_to = argument.to.value }
    export "input" { value = test.pass.p.input }
  }
  inner "i" { to = argument.to.value }
  test.sink "copy" { tag = argument.tag.value }
  test.pass "out" { forward_to = [inner.i.input, test.sink.copy.input] }
  export "input" { value = test.pass.out.input }
}
test.source "s" { forward_to = [twice.one.input] }
twice "one" { to = [test.sink.end.input] }
test.sink "end" { }
"#;

#[tokio::test(start_paused = true)]
async fn items_pass_through_nested_custom_components() {
    let bench = Bench::new();
    bench.good(CUSTOM).await;
    bench.until("the source runs", |b| !b.hub.sources.lock().unwrap().is_empty()).await;
    bench.hub.send("test.source.s", 1).await.unwrap();
    bench.until("it arrives", |b| b.hub.received("test.sink.end") == [1]).await;
    bench.until("it arrives", |b| b.hub.received("twice.one/test.sink.copy") == [1]).await;
    let custom = bench.engine.component("twice.one").unwrap();
    assert_eq!((custom.kind, &*custom.created_module_ids), (NodeKind::Custom, &["twice.one".to_owned()][..]));
    let inner = bench.engine.component("twice.one/inner.i/test.pass.p").unwrap();
    assert_eq!((&*inner.module_id, &*inner.local_id), ("twice.one/inner.i", "test.pass.p"));
    assert_eq!(inner.data_flow_edges_to, ["test.sink.end"]);
    assert_eq!(bench.argument("twice.one/test.sink.copy", "tag"), "none");
    let shown = bench.settings.metrics.render();
    assert!(shown.contains("component_id=\"test.sink.copy\",component_path=\"/twice.one\""), "{shown}");
    // A new argument replaces what depends on it and nothing else.
    let report = bench
        .good(&CUSTOM.replace("{ to = [test.sink.end.input] }", "{\n to = [test.sink.end.input]\n tag = \"new\"\n}"))
        .await;
    assert_eq!((report.replaced, report.unchanged), (1, 4));
    let report = bench.engine.shutdown(std::time::Duration::from_secs(1)).await;
    assert_eq!((report.stopped, report.abandoned.len()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn mistakes_in_modules_have_the_known_words() {
    let bench = Bench::new();
    let prefix = "Failed to build component: loading custom component controller: ";
    let with = |body: &str, rest: &str| format!("declare \"d\" {{\n{body}\n}}\n{rest}");
    let cases = [
        (with("argument \"a\" { }", "d \"x\" { }"), format!("4:1 {prefix}missing required argument \"a\" to module")),
        (with("", "d \"x\" { b = 1 }"), format!("4:1 {prefix}Provided argument \"b\" is not defined in the module")),
        (
            with("test.sink \"i\" { tag = test.value.v.value }", "test.value \"v\" { }\nd \"x\" { }"),
            "2:23 component \"test.value.v.value\" does not exist or is out of scope".to_owned(),
        ),
        (
            with("test.sink \"i\" { tag = \"bad\" }", "d \"x\" { }"),
            "2:23 Failed to build component: building component: the tag is bad | write a good one".to_owned(),
        ),
        (with("d \"x\" { }", "d \"x\" { }"), "1:1 self reference: declare.d".to_owned()),
        (
            "import.string \"lib\" { content = \"declare \\\"a\\\" { }\" }\nlib.b \"x\" { }".to_owned(),
            format!(
                "2:1 {prefix}custom component config not found in the registry, namespace: \"lib\", \
                 componentName: \"b\" | did you mean \"a\"?"
            ),
        ),
        (
            "import.string \"lib\" { content = \"\" }\nimport.file \"lib\" { filename = \"x\" }".to_owned(),
            "2:13 namespace \"lib\" is already imported by import.string.lib at test.alloy:1:1".to_owned(),
        ),
        (
            "import.string \"lib\" { content = \"test.sink \\\"a\\\" { }\" }".to_owned(),
            "1:1 only declare and import blocks are allowed in a module, got test.sink".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(bench.bad(&text).await, [expected], "{text}");
    }
    // The syntax error inside an import is shown at its place.
    let error = bench.load("import.string \"lib\" { content = \"declare {{\" }").await.unwrap_err();
    assert!(error.to_string().contains("import.string.lib:1:"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_published_value_leaves_a_module_through_its_export() {
    let bench = Bench::new();
    bench
        .good(
            "declare \"d\" {\n test.value \"v\" { initial = \"a\" }\n export \"out\" { value = test.value.v.value }\n}\n\
             d \"x\" { }\ntest.sink \"s\" { tag = d.x.out }",
        )
        .await;
    bench.until("v runs", |b| b.hub.publish.lock().unwrap().contains_key("d.x/test.value.v")).await;
    bench.hub.publish("d.x/test.value.v", "b");
    bench.until("s has it", |b| b.argument("test.sink.s", "tag") == "b").await;
}

fn each(items: &str) -> String {
    format!(
        "test.value \"v\" {{ initial = \"t\" }}\nforeach \"f\" {{\n collection = [{items}]\n var = \"it\"\n enable_metrics = true\n \
         template {{\n  test.sink \"s\" {{ tag = it + test.value.v.value }}\n }}\n}}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_removed_item_leaves_the_others_alone() {
    let bench = Bench::new();
    bench.good(&each("\"a\", \"b\", \"c\", \"c\"")).await;
    let children = bench.engine.component("foreach.f").unwrap().created_module_ids;
    let child = |name: &str| format!("foreach.f/foreach_{name}");
    assert_eq!(children, [child("a_1"), child("b_1"), child("c_1"), child("c_2")]);
    tokio::task::yield_now().await;
    bench.hub.events();
    let report = bench.good(&each("\"c\", \"a\", \"d\"")).await;
    assert_eq!((report.started, report.replaced, report.stopped, report.unchanged), (1, 0, 2, 3));
    bench.until("d runs", |b| b.hub.events.lock().unwrap().len() >= 4).await;
    let mut events = bench.hub.events();
    events.sort();
    let sink = |what: &str, name: &str| format!("{what} foreach.f/foreach_{name}/test.sink.s");
    assert_eq!(events, [sink("build", "d_1"), sink("start", "d_1"), sink("stop", "b_1"), sink("stop", "c_2")]);
    assert!(!bench.settings.metrics.render().contains("foreach_b_1"));
    // A value from outside the template reaches every item.
    bench.hub.publish("test.value.v", "u");
    bench.until("a has it", |b| b.argument("foreach.f/foreach_a_1/test.sink.s", "tag") == "au").await;
}

/// Answers with what the test put there.
#[derive(Default)]
struct Shelf(Mutex<Option<String>>);

impl Fetch for Shelf {
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, String>> {
        assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "http://shelf/lib.alloy"));
        let text = self.0.lock().unwrap().clone();
        Box::pin(async move {
            match text {
                Some(text) => Ok(HttpResponse { status: 200, body: text.into_bytes() }),
                None => Ok(HttpResponse { status: 503, body: Vec::new() }),
            }
        })
    }
    fn git(&self, request: GitRequest) -> BoxFuture<'_, Result<GitFiles, String>> {
        let text = self.0.lock().unwrap().clone().unwrap_or_default();
        Box::pin(async move {
            Ok(GitFiles { files: vec![(request.path, text.into_bytes())], directory: false, commit: "c0".into() })
        })
    }
}

fn library(tag: &str) -> String {
    format!("declare \"a\" {{\n test.sink \"s\" {{ tag = \"{tag}\" }}\n}}")
}

#[tokio::test(start_paused = true)]
async fn new_content_of_an_import_replaces_what_it_changes() {
    let shelf = Arc::<Shelf>::default();
    let fetch = Arc::clone(&shelf);
    let bench = Bench::with(|settings| settings.fetch = fetch);
    let text =
        "import.http \"lib\" {\n url = \"http://shelf/lib.alloy\"\n poll_frequency = \"10s\"\n}\nlib.a \"x\" { }";
    let lines = bench.bad(text).await;
    assert_eq!(lines, ["1:1 Failed to build component: http://shelf/lib.alloy answered with status 503"]);
    let put = |text: Option<String>| *shelf.0.lock().unwrap() = text;
    put(Some(library("one")));
    bench.good(text).await;
    assert_eq!(bench.argument("lib.a.x/test.sink.s", "tag"), "one");
    put(Some(library("two")));
    bench.until_slow("it is taken", |b| b.argument("lib.a.x/test.sink.s", "tag") == "two").await;
    // Broken content is told, and changes nothing.
    put(Some("declare \"a\" {".into()));
    bench.until_slow("it is told", |b| b.health("import.http.lib").starts_with("unhealthy")).await;
    assert!(
        bench.health("import.http.lib").contains("http://shelf/lib.alloy:1:14: "),
        "{}",
        bench.health("import.http.lib")
    );
    assert_eq!(bench.argument("lib.a.x/test.sink.s", "tag"), "two");
    put(None);
    bench.until_slow("it is told", |b| b.health("import.http.lib").contains("status 503")).await;
    // What cannot be built keeps its last arguments.
    put(Some(library("bad")));
    bench.until_slow("it is told", |b| b.health("lib.a.x/test.sink.s").contains("the tag is bad")).await;
    assert_eq!(bench.argument("lib.a.x/test.sink.s", "tag"), "two");
    put(Some(library("three")));
    bench.until_slow("it is taken", |b| b.argument("lib.a.x/test.sink.s", "tag") == "three").await;
    assert!(bench.engine.health_summary().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn git_content_and_nested_imports_are_usable() {
    let shelf = Arc::<Shelf>::default();
    *shelf.0.lock().unwrap() = Some(format!(
        "import.string \"deep\" {{\n content = `{}`\n}}\ndeclare \"b\" {{\n deep.a \"y\" {{ }}\n}}",
        library("deep")
    ));
    let bench = Bench::with(|settings| settings.fetch = shelf);
    bench
        .good("import.git \"lib\" {\n repository = \"r\"\n path = \"p.alloy\"\n}\ndeclare \"c\" {\n lib.b \"x\" { }\n}\nc \"z\" { }")
        .await;
    assert_eq!(bench.argument("c.z/lib.b.x/deep.a.y/test.sink.s", "tag"), "deep");
    // Nested imports are not visible outside.
    let lines = bench.bad("import.git \"lib\" {\n repository = \"r\"\n path = \"p.alloy\"\n}\nlib.a \"x\" { }").await;
    assert!(lines[0].contains("componentName: \"a\""), "{lines:?}");
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let dir = std::env::temp_dir().join(format!("corten-engine-import-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("lib.alloy");
    std::fs::write(&file, library("one")).unwrap();
    let bench = Bench::new();
    let text = format!("import.file \"lib\" {{ filename = {:?} }}\nlib.a \"x\" {{ }}", file.display().to_string());
    bench.good(&text).await;
    assert_eq!(bench.argument("lib.a.x/test.sink.s", "tag"), "one");
    // The watcher starts in the background: keep writing until it notices.
    let mut tries = 0;
    bench
        .until("it is taken", |b| {
            if tries % 200 == 0 {
                std::fs::write(dir.join("new"), library("two")).unwrap();
                std::fs::rename(dir.join("new"), &file).unwrap();
            }
            tries += 1;
            b.argument("lib.a.x/test.sink.s", "tag") == "two"
        })
        .await;
    // A load reads the file anew, whatever the watcher knows.
    std::fs::write(&file, library("three")).unwrap();
    bench.good(&text).await;
    assert_eq!(bench.argument("lib.a.x/test.sink.s", "tag"), "three");
    // A directory is one configuration.
    std::fs::write(dir.join("main.alloy"), "test.sink \"m\" { }").unwrap();
    std::fs::write(dir.join("ignored.txt"), "{{{").unwrap();
    bench.engine.load(corten_engine::Source::path(&dir)).await.unwrap();
    assert!(bench.engine.component("test.sink.m").is_some());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(start_paused = true)]
async fn metrics_of_items_are_shown_only_on_demand() {
    let bench = Bench::new();
    let shown = |b: &Bench| b.settings.metrics.render().contains("test_sink_total");
    let hidden = each("\"a\"").replace("enable_metrics = true", "");
    bench.good(&hidden).await;
    assert!(!shown(&bench));
    bench.good(&each("\"a\"")).await;
    assert!(shown(&bench));
    bench.good(&hidden).await;
    assert!(!shown(&bench));
}
