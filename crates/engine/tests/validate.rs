//! Checking without running.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Bench, lines};
use corten_component::Arguments;
use corten_engine::{HostBlock, HostKind, Source, validate};

/// A block of the host.
#[derive(Arguments, Default)]
struct Logging {
    /// How much.
    level: String,
}

/// Without notes.
fn check(text: &str) -> Vec<String> {
    everything(text).into_iter().filter(|line| !line.contains("the sink has no tag")).collect()
}

fn everything(text: &str) -> Vec<String> {
    let bench = Bench::with(|settings| {
        settings.host_blocks = vec![
            HostBlock::new::<Logging>("logging", HostKind::Config, |_| Ok(())),
            HostBlock::new::<Logging>("http", HostKind::Service, |_| Ok(())),
        ];
    });
    let (map, diagnostics) = validate(&Source::text("test.alloy", text), &bench.settings);
    assert!(bench.hub.events().is_empty(), "nothing is built");
    lines(&map, &diagnostics)
}

#[test]
fn a_right_file_has_nothing_to_say() {
    let text = r#"
logging { level = "info" }
declare "d" {
  argument "to" { }
  argument "maybe" { optional = true }
  test.pass "p" { forward_to = argument.to.value }
  export "input" { value = test.pass.p.input }
}
d "x" { to = [test.sink.s.input] }
import.http "lib" {
  url = sys.env("WHERE")
  client { anything = 1 }
}
lib.whatever "y" { a = 1 }
foreach "f" {
  collection = [1, 2]
  var = "n"
  template {
    test.sink "s" { tag = string.format("%d", n) + test.value.v.value }
  }
}
test.value "v" { }
test.sink "s" { }
"#;
    assert_eq!(check(text), [""; 0]);
}

#[test]
fn everything_is_reported_in_order() {
    let text = r#"test.sink "s" {
  tag = []
  tagg = 1
}
http { levle = "x" }
logging { level = true }
declare "d" {
  argument "a" { }
  test.sink "in" { client { } }
  test.sink "out" { tag = test.sink.s.input }
}
d "x" { b = 1 }
d { a = env("X") }
test.value "a" { initial = test.value.b.value }
test.value "b" { initial = test.value.a.value }
test.value "me" { initial = test.value.me.value }
"#;
    let deprecated = "this stdlib function is deprecated; please refer to the documentation for updated usage and \
                      alternatives | use sys.env instead";
    assert_eq!(
        check(text),
        [
            // The declare and all inside.
            "9:20 missing required attribute \"endpoint\"",
            "10:27 component \"test.sink.s.input\" does not exist or is out of scope | did you mean \"test.sink.in\"?",
            // Config blocks.
            "6:19 true should be string, got bool",
            // Components in the order of the file.
            "2:9 [] should be string, got array",
            "3:3 unrecognized attribute name \"tagg\" | did you mean \"tag\"?",
            "12:9 unrecognized attribute name \"b\" | did you mean \"a\"?",
            "12:1 missing required attribute \"a\"",
            "13:1 component \"d\" must have a label | write d \"default\" { ... }",
            &format!("13:9 {deprecated}"),
            // Services, then cycles.
            "5:8 unrecognized attribute name \"levle\" | did you mean \"level\"?",
            "14:1 cycle detected: test.value.a, test.value.b",
            "15:1 cycle detected: test.value.a, test.value.b",
            "16:1 cannot reference self",
        ]
    );
}

#[test]
fn blocks_of_the_host_are_not_for_modules() {
    assert_eq!(
        check(
            "declare \"d\" {\n logging { }\n http { }\n}\nforeach \"f\" {\n collection = []\n var = \"x\"\n template {\n  logging { }\n }\n}"
        ),
        [
            "2:2 logging block not allowed inside a module",
            "3:2 service blocks not allowed inside a module: \"http\"",
            "9:3 logging block not allowed inside a module",
        ]
    );
}

#[test]
fn syntax_errors_come_alone() {
    let found = check("test.sink \"a\" { tag = }\ntest.sinc \"b\" { }");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_missing_file_is_one_diagnostic() {
    let bench = Bench::new();
    let (map, diagnostics) = validate(&Source::path("/nonexistent/x.alloy"), &bench.settings);
    assert_eq!(lines(&map, &diagnostics), ["/nonexistent/x.alloy: No such file or directory (os error 2)"]);
}

#[tokio::test(start_paused = true)]
async fn host_blocks_are_applied_when_they_change() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&seen);
    let bench = Bench::with(move |settings| {
        let block = HostBlock::new::<Logging>("logging", HostKind::Config, move |args| {
            told.lock().unwrap().push(args.map(|args| args.level.clone()));
            Ok(())
        });
        settings.host_blocks = vec![block.checked::<Logging>(|args| match args.level.as_str() {
            "loud" => Err(corten_component::BuildError::at("level", "unrecognized log level \"loud\"")),
            _ => Ok(()),
        })];
    });
    let told = || std::mem::take(&mut *seen.lock().unwrap());
    bench.good("").await;
    assert_eq!(told(), [None]);
    let text = "test.value \"v\" { initial = \"info\" }\nlogging { level = test.value.v.value }";
    bench.good(text).await;
    assert_eq!(told(), [Some("info".to_owned())]);
    bench.good(text).await;
    assert_eq!(told(), [None; 0]);
    bench.until("v runs", |b| b.hub.publish.lock().unwrap().contains_key("test.value.v")).await;
    bench.hub.publish("test.value.v", "debug");
    bench.until("it is applied", |_| !seen.lock().unwrap().is_empty()).await;
    assert_eq!(told(), [Some("debug".to_owned())]);
    let lines = bench.bad("logging { level = \"loud\" }").await;
    assert_eq!(lines, ["1:19 Failed to evaluate node for config block: unrecognized log level \"loud\""]);
    bench.good("").await;
    assert_eq!(told(), [None]);
}

#[test]
fn notes_follow_from_what_is_known() {
    let said = |text: &str| everything(&format!("test.value \"v\" {{ }}\ntest.sink \"s\" {{\n{text}\n}}\n"));
    assert_eq!(said(""), ["2:1 the sink has no tag | write one"]);
    assert_eq!(said("  tag = \"\""), ["3:9 the sink has no tag | write one"]);
    assert!(said("  tag = test.value.v.value").is_empty(), "what is not known says nothing");
    assert!(said("  tag = \"x\"").is_empty());
    assert_eq!(said("  tga = 1").len(), 1, "a wrong block has no notes");
}
