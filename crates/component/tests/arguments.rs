//! Decoding: one declaration, all mistakes at once, each where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::arguments::{Body, ByteSize, check, decode};
use corten_component::{Arguments, Enumeration, Invalid, Labelled};
use corten_syntax::ast::{File, Statement};
use corten_syntax::{Diagnostics, Object, Secret, SourceMap, Value, parse};

#[derive(Debug, Clone, Copy, Default, PartialEq, Enumeration)]
enum Overflow {
    #[default]
    Reject,
    DropOldest,
    #[arg(name = "wait")]
    Block,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
struct Queue {
    /// Entries.
    size: u32,
    overflow: Overflow,
}

impl Default for Queue {
    fn default() -> Self {
        Self { size: 1000, overflow: Overflow::Reject }
    }
}

impl Queue {
    fn validate(&self) -> Result<(), Invalid> {
        if self.size == 0 { Err(Invalid::at("size", "must be greater than zero")) } else { Ok(()) }
    }
}

/// Shared by several components.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
struct Common {
    name: String,
    #[arg(block)]
    header: Vec<Header>,
}

#[derive(Debug, Clone, Default, PartialEq, Arguments)]
struct Header {
    #[arg(required)]
    key: String,
    value: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Arguments)]
struct Everything {
    /// Where to.
    #[arg(required)]
    endpoint: String,
    timeout: Duration,
    limit: ByteSize,
    labels: BTreeMap<String, String>,
    list: Vec<i64>,
    #[arg(name = "type")]
    kind: Option<String>,
    #[arg(block)]
    queue: Option<Queue>,
    #[arg(block, name = "host.name")]
    host_name: Queue,
    #[arg(block)]
    stage: Vec<Labelled<Queue>>,
    #[arg(flatten)]
    common: Common,
}

impl Default for Everything {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            timeout: Duration::from_secs(5),
            limit: ByteSize::mib(4),
            labels: BTreeMap::new(),
            list: Vec::new(),
            kind: None,
            queue: None,
            host_name: Queue { size: 7, overflow: Overflow::Block },
            stage: Vec::new(),
            common: Common::default(),
        }
    }
}

fn parsed(text: &str) -> (SourceMap, File) {
    let mut map = SourceMap::default();
    let (file, diagnostics) = parse(&mut map, "test.alloy", &format!("x \"y\" {{\n{text}\n}}"));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    (map, file)
}

fn block(file: &File) -> &corten_syntax::ast::Block {
    match &file.body[0] {
        Statement::Block(block) => block,
        Statement::Attribute(_) => panic!("expected a block"),
    }
}

fn decoded(text: &str) -> Result<Everything, Vec<String>> {
    let (map, file) = parsed(text);
    let scope = Object::from([("ref".into(), Value::string("text"))]);
    let body = Body::evaluate(block(&file), &scope).map_err(|found| shown(&map, &found))?;
    decode(&body).map_err(|found| shown(&map, &found))
}

fn shown(map: &SourceMap, diagnostics: &Diagnostics) -> Vec<String> {
    let one = |d: &corten_syntax::Diagnostic| {
        let span = d.span.expect("a place");
        let at = map.get(span.file).expect("a file").position(span.start);
        format!("{}:{} {} [{}] {}", at.line, at.column, d.message, map.text(span), d.help.as_deref().unwrap_or(""))
    };
    diagnostics.iter().map(one).collect()
}

#[test]
fn everything_arrives_in_its_field() {
    let got = decoded(
        r#"endpoint = ref
timeout = "1m30s"
limit = "1KiB"
labels = {a = "b", n = 5}
list = [1, "2", 3.9]
type = "t"
queue { size = 5 }
host.name { size = 9 }
stage "one" { overflow = "drop_oldest" }
stage "two" { overflow = "wait" }
name = "n"
header { key = "k"
 value = "v" }
header { key = "l" }"#,
    )
    .unwrap();
    assert_eq!(got.endpoint, "text");
    assert_eq!(got.timeout, Duration::from_secs(90));
    assert_eq!(got.limit, ByteSize(1024));
    assert_eq!(got.labels, BTreeMap::from([("a".into(), "b".into()), ("n".into(), "5".into())]));
    assert_eq!(got.list, [1, 2, 3]);
    assert_eq!(got.kind.as_deref(), Some("t"));
    assert_eq!(got.queue, Some(Queue { size: 5, overflow: Overflow::Reject }));
    assert_eq!(got.host_name, Queue { size: 9, overflow: Overflow::Block }, "the parent's default holds inside");
    assert_eq!(got.stage[0].label, "one");
    assert_eq!(got.stage[1].block.overflow, Overflow::Block);
    assert_eq!(got.common.name, "n");
    assert_eq!(got.common.header[0].value.as_ref().map(Secret::expose), Some("v"));
    assert_eq!(got.common.header.len(), 2);
}

#[test]
fn all_mistakes_are_reported_at_once_where_they_stand() {
    let got = decoded(
        r#"endpont = "x"
timeout = 30
limit = "many"
labels = {a = [1]}
queue = 1
host.name { size = "x" }
stage { }
header { value = "v" }
name = "a"
name = "b"
list { }
host.name "label" { }"#,
    )
    .unwrap_err();
    let expected = [
        r#"2:1 unrecognized attribute name "endpont" [endpont] did you mean "endpoint"?"#,
        r#"3:11 30 time: missing unit in duration "30" [30] durations are text with a unit: "200ms", "10s", "1m30s""#,
        r#"4:9 "many" is not a size ["many"] sizes are text with a unit: "512KiB", "4MiB", "1GiB""#,
        r#"5:15 [1] should be string, got array [[1]] "#,
        r#"6:1 "queue" must be a block, but is used as an attribute [queue] write queue { ... } without '='"#,
        r#"7:20 "x" should be number, got string ["x"] "#,
        r#"8:1 block "stage" requires non-empty label [stage] "#,
        r#"9:1 missing required attribute "key" [header] "#,
        r#"11:1 attribute "name" may only be provided once [name] "#,
        r#"12:1 "list" must be an attribute, but is used as a block [list] write list = ... with '='"#,
        r#"13:1 block "host.name" may only be specified once [host.name "label"] "#,
        r#"1:1 missing required attribute "endpoint" [x "y"] "#,
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_wrong_choice_names_the_nearest() {
    let got = decoded("endpoint = \"x\"\nqueue { overflow = \"drop_oldes\" }").unwrap_err();
    assert_eq!(
        got,
        [r#"3:20 "drop_oldes" is not one of reject, drop_oldest, wait ["drop_oldes"] did you mean "drop_oldest"?"#]
    );
}

#[test]
fn cross_field_checks_point_at_the_field() {
    let got = decoded("endpoint = \"x\"\nqueue { size = 0 }").unwrap_err();
    assert_eq!(got, ["3:16 must be greater than zero [0] "]);
}

#[test]
fn null_means_the_zero_value_and_counts_as_given() {
    let got = decoded("endpoint = null\ntimeout = null\nqueue { overflow = null }").unwrap();
    assert_eq!((got.endpoint.as_str(), got.timeout), ("", Duration::ZERO));
}

#[test]
fn validation_checks_what_it_can_know() {
    let (map, file) = parsed("timeout = elsewhere.value\nlist = [true]\nqueue { size = elsewhere.value }");
    let mut diagnostics = Diagnostics::new();
    let body = Body::constants(block(&file), &mut diagnostics);
    check(Everything::schema(), &body, &mut diagnostics);
    let expected =
        ["3:9 true should be number, got bool [true] ", "1:1 missing required attribute \"endpoint\" [x \"y\"] "];
    assert_eq!(shown(&map, &diagnostics), expected);
}

#[test]
fn the_declaration_can_be_walked() {
    let names: Vec<_> = Everything::schema().all_fields().iter().map(|field| field.name).collect();
    let expected =
        ["endpoint", "timeout", "limit", "labels", "list", "type", "queue", "host.name", "stage", "name", "header"];
    assert_eq!(names, expected);
    assert_eq!(
        Everything::schema().find("endpoint").map(|field| (field.doc, field.required)),
        Some(("Where to.", true))
    );
}
