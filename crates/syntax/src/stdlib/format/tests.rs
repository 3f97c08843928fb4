//! What Go prints; the expectations were taken from Go's own output.

use super::format;
use crate::value::{Number, Value};
use proptest::prelude::*;

fn print(text: &str, args: &[Value]) -> String {
    let mut all = vec![Value::string(text)];
    all.extend_from_slice(args);
    match format(&all) {
        Ok(Value::String(text)) => text.to_string(),
        other => panic!("{text}: {other:?}"),
    }
}

fn float(n: f64) -> Value {
    Value::Number(Number::Float(n))
}

#[test]
fn takes_widths_precisions_and_indexes() {
    let args = [Value::int(7), Value::int(3)];
    for (text, expected) in [
        ("%d %s", "7 %!s(int=3)"),
        ("%", "%!(NOVERB)%!(EXTRA int=7, int=3)"),
        ("%!", "%!!(int=7)%!(EXTRA int=3)"),
        ("abc%", "abc%!(NOVERB)%!(EXTRA int=7, int=3)"),
        ("%[2]d %[1]d", "3 7"),
        ("%[3]d", "%!d(BADINDEX)"),
        ("%[1]*d", "      3"),
        ("%*d", "      3"),
        ("%-*d|", "3      |"),
        ("%.*f", "%!f(int=0000003)"),
        ("%.[2]*[1]f", "%!f(int=007)"),
        ("%[2]*.[1]*f", "%!f(int=0000003)"),
        ("%[x]d", "%!d(BADINDEX)"),
        ("%[", "%!(NOVERB)"),
        ("%[1", "%!(NOVERB)"),
        ("%[]d", "%!d(BADINDEX)"),
        ("%[1]", "%!(NOVERB)"),
        ("%%", "%%!(EXTRA int=7, int=3)"),
        ("%d%%", "7%%!(EXTRA int=3)"),
        ("%s %s %s", "%!s(int=7) %!s(int=3) %!s(MISSING)"),
        ("%1$d", "%!$(int=7)d%!(EXTRA int=3)"),
        ("%[1]d %d %d", "7 3 %!d(MISSING)"),
        ("%6.2f%%", "%!f(int=    07)%%!(EXTRA int=3)"),
        ("%é", "%!é(int=7)%!(EXTRA int=3)"),
        ("%99999999d", "%!(NOVERB)%!(EXTRA int=7, int=3)"),
        ("%[-1]d", "%!d(BADINDEX)"),
        ("%[1][2]d", "%![(int=7)2]d"),
        ("%3[1]d", "  7"),
        ("%.[1]d", "7"),
        ("%[1].2d", "%!d(BADINDEX)"),
        ("%[2]*[1]d|%-[2]*[1]d", "  7|7  "),
        ("%[1]v %[1]T", "7 int"),
    ] {
        assert_eq!(print(text, &args), expected, "{text}");
    }
}

#[test]
fn prints_each_type_by_verb() {
    let list = Value::array([Value::int(1), Value::string("a"), Value::Null]);
    let map = Value::object([("b", Value::string("x")), ("a", Value::int(1))]);
    for (text, value, expected) in [
        ("%v", Value::Null, "<nil>"),
        ("%5t|", Value::Bool(true), " true|"),
        ("%#v", Value::string("q\""), r#""q\"""#),
        ("%q", Value::string("hello"), r#""hello""#),
        ("%#q", Value::string("hello"), "`hello`"),
        ("%+q", Value::string("é"), r#""\u00e9""#),
        ("% x", Value::string("abc"), "61 62 63"),
        ("%-6s|", Value::string("héé"), "héé   |"),
        ("%.2s", Value::string("héé"), "hé"),
        ("%d", Value::string("x"), "%!d(string=x)"),
        ("%08.3f", float(-3.125_49), "-003.125"),
        ("%+.2e", float(12345.678), "+1.23e+04"),
        ("%v", float(1e6), "1e+06"),
        ("%v", float(100_000.0), "100000"),
        ("%g", float(1e-5), "1e-05"),
        ("%6.2f|", float(f64::INFINITY), "  +Inf|"),
        ("%x", Value::int(255), "ff"),
        ("%#X", Value::int(255), "0XFF"),
        ("%O", Value::int(8), "0o10"),
        ("%c", Value::int(65), "A"),
        ("%U", Value::int(0x1F600), "U+1F600"),
        ("%#v", Value::Number(Number::Uint(u64::MAX)), "0xffffffffffffffff"),
        ("%v", list.clone(), "[1 a <nil>]"),
        ("%#v", list.clone(), r#"[]interface {}{1, "a", interface {}(nil)}"#),
        ("%d", list, "[1 %!d(string=a) <nil>]"),
        ("%v", map.clone(), "map[a:1 b:x]"),
        ("%#v", map, r#"map[string]interface {}{"a":1, "b":"x"}"#),
    ] {
        assert_eq!(print(text, &[value]), expected, "{text}");
    }
}

#[test]
fn refuses_to_grow_without_bound() {
    let format_text = "%1000000d".repeat(40);
    let args = vec![Value::int(1); 40];
    let mut all = vec![Value::string(format_text)];
    all.extend(args);
    assert!(format(&all).is_err());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::int),
        any::<u64>().prop_map(|n| Value::Number(Number::Uint(n))),
        any::<f64>().prop_map(float),
        ".{0,8}".prop_map(Value::string),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::array),
            prop::collection::btree_map(".{0,3}", inner, 0..4).prop_map(Value::object),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(
        text in "(%[-+# 0]{0,3}(\\[[0-9x]?\\]?)?[0-9*]{0,2}(\\.[0-9*]{0,3})?(\\[[0-9]\\])?[a-zA-Z%é]?|.){0,6}",
        args in prop::collection::vec(any_value(), 0..4),
    ) {
        let mut all = vec![Value::string(text)];
        all.extend(args);
        prop_assert!(format(&all).is_ok());
    }
}
