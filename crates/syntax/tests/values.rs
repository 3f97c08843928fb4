//! Conversions of values into what arguments hold.
#![allow(clippy::unwrap_used)]

use corten_syntax::value::{
    CallError, Function, format_duration, parse_duration, to_bool, to_duration_nanos, to_f64, to_i64, to_json,
    to_number, to_optional_secret, to_secret, to_text, to_u64,
};
use corten_syntax::{Number, OptionalSecret, Secret, Value};
use proptest::prelude::*;
use serde_json::json;

fn float(n: f64) -> Value {
    Value::Number(Number::Float(n))
}

fn secret() -> Value {
    Value::Secret(Secret::new("s3cret"))
}

fn optional(text: &str, is_secret: bool) -> Value {
    Value::OptionalSecret(OptionalSecret::new(text, is_secret))
}

fn function(name: &'static str) -> Value {
    fn nothing(_: &[Value]) -> Result<Value, CallError> {
        Ok(Value::Null)
    }
    Value::Function(Function { name, call: nothing })
}

#[test]
fn text() {
    for (value, expected) in [
        (Value::int(-5), "-5"),
        (Value::Number(Number::Uint(u64::MAX)), "18446744073709551615"),
        (float(3.9), "3.9"),
        (float(1e21), "1000000000000000000000"),
        (float(1e-7), "0.0000001"),
        (float(2.0), "2"),
        (float(f64::INFINITY), "+Inf"),
        (Value::string("x"), "x"),
        (Value::Bytes(b"hi".as_slice().into()), "hi"),
        (optional("plain", false), "plain"),
        (Value::Null, ""),
    ] {
        assert_eq!(&*to_text(&value).unwrap(), expected);
    }
    for (value, expected) in [
        (Value::Bool(true), "should be string, got bool"),
        (Value::array([]), "should be string, got array"),
        (secret(), "secrets may not be converted into strings"),
        (optional("x", true), "secrets may not be converted into strings"),
    ] {
        assert_eq!(to_text(&value).unwrap_err(), expected);
    }
}

#[test]
fn numbers() {
    for (text, expected) in [
        ("12", Some(Number::Int(12))),
        ("-12", Some(Number::Int(-12))),
        ("23.5", Some(Number::Float(23.5))),
        ("1e3", Some(Number::Float(1000.0))),
        ("1E3", Some(Number::Float(1000.0))),
        ("18446744073709551615", Some(Number::Uint(u64::MAX))),
        ("007", Some(Number::Int(7))),
        ("", None),
        ("-1.5", None),
        ("+5", None),
        ("0x5", None),
        ("1e999", None),
        ("e", None),
        ("-", None),
        (" 5", None),
        ("18446744073709551616", None),
    ] {
        assert_eq!(to_number(&Value::string(text)).ok(), expected, "{text}");
        assert_eq!(to_number(&optional(text, false)).ok(), expected, "{text}");
    }
    assert_eq!(to_number(&Value::string("x")).unwrap_err(), "should be number, got string");
    assert_eq!(to_number(&optional("5", true)).unwrap_err(), "should be number, got capsule");
    assert_eq!(to_number(&secret()).unwrap_err(), "should be number, got capsule");
    assert_eq!(to_number(&Value::Bool(true)).unwrap_err(), "should be number, got bool");
    assert_eq!(to_i64(&float(-1.9)), Ok(-1));
    assert_eq!(to_u64(&Value::int(-1)), Ok(u64::MAX));
    assert_eq!(to_f64(&Value::string("12")), Ok(12.0));
    assert_eq!(to_bool(&Value::string("true")).unwrap_err(), "should be bool, got string");
}

#[test]
fn secrets() {
    assert_eq!(to_secret(&Value::string("a")).unwrap().expose(), "a");
    assert_eq!(to_secret(&optional("b", false)).unwrap().expose(), "b");
    assert!(to_optional_secret(&secret()).unwrap().is_secret);
    assert!(!to_optional_secret(&Value::string("a")).unwrap().is_secret);
    assert_eq!(to_secret(&Value::int(1)).unwrap_err(), "should be capsule, got number");
    assert_eq!(secret().describe(), r#"capsule("alloytypes.Secret")"#);
    assert!(!format!("{:?} {}", secret(), secret().to_source()).contains("s3cret"));
}

#[test]
fn durations() {
    for (text, nanos) in [
        ("0", 0),
        ("-0", 0),
        ("5s", 5_000_000_000),
        ("1h15m30.918273645s", 4_530_918_273_645),
        ("-1.5h", -5_400_000_000_000),
        ("+2us", 2_000),
        ("2µs", 2_000),
        ("2μs", 2_000),
        (".5ms", 500_000),
        ("1.s", 1_000_000_000),
        ("0.1ns", 0),
        ("-9223372036854775808ns", i64::MIN),
        ("1.99999999999999999999999h", 7_200_000_000_000),
        ("1.0000000000000000001s", 1_000_000_000),
        ("0.9999999999ns", 0),
    ] {
        assert_eq!(parse_duration(text), Ok(nanos), "{text}");
    }
    for (text, message) in [
        ("", r#"time: invalid duration """#),
        ("3", r#"time: missing unit in duration "3""#),
        (".", r#"time: invalid duration ".""#),
        ("-", r#"time: invalid duration "-""#),
        ("1e3s", r#"time: unknown unit "e" in duration "1e3s""#),
        ("1.1.1s", r#"time: missing unit in duration "1.1.1s""#),
        ("0.0", r#"time: missing unit in duration "0.0""#),
        ("1h-1m", r#"time: unknown unit "h-" in duration "1h-1m""#),
        ("1d", r#"time: unknown unit "d" in duration "1d""#),
        ("s", r#"time: invalid duration "s""#),
        ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
        ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
    ] {
        assert_eq!(parse_duration(text).unwrap_err(), message);
    }
    assert_eq!(to_duration_nanos(&Value::int(30)).unwrap_err(), r#"time: missing unit in duration "30""#);
    assert_eq!(to_duration_nanos(&Value::int(0)), Ok(0));
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (200_000_000, "200ms"),
        (3_300_000_000, "3.3s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-245_001_000_000, "-4m5.001s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        assert_eq!(format_duration(nanos), text);
    }
}

#[test]
fn equality_and_sameness() {
    let nan = float(f64::NAN);
    assert_ne!(nan, nan);
    assert!(nan.same(&nan));
    assert_ne!(function("a"), function("a"));
    assert!(function("a").same(&function("a")));
    assert!(!function("a").same(&function("b")));
    let nested = |value: Value| Value::object([("a", Value::array([value]))]);
    assert!(nested(function("a")).same(&nested(function("a"))));
    assert_eq!(nested(Value::int(1)), nested(float(1.0)));
    assert_ne!(nested(optional("x", false)), nested(Value::string("x")));
    assert_eq!(Value::Bytes([1].as_slice().into()), Value::array([Value::int(1)]));
    assert_ne!(Value::int(-1), Value::Number(Number::Uint(u64::MAX)));
}

#[test]
fn component_api() {
    let value = Value::object([
        ("b", Value::array([Value::int(1), float(2.5), Value::Null])),
        ("a", secret()),
        ("c", optional("x", false)),
        ("d", function("f")),
        ("e", float(3.0)),
    ]);
    assert_eq!(
        to_json(&value),
        json!({"type": "object", "value": [
            {"key": "a", "value": {"type": "capsule", "value": "(secret)"}},
            {"key": "b", "value": {"type": "array", "value": [
                {"type": "number", "value": 1},
                {"type": "number", "value": 2.5},
                {"type": "null", "value": null},
            ]}},
            {"key": "c", "value": {"type": "capsule", "value": "\"x\""}},
            {"key": "d", "value": {"type": "function", "value": "function"}},
            {"key": "e", "value": {"type": "number", "value": 3}},
        ]})
    );
}

#[test]
fn written_as_source() {
    let value =
        Value::object([("a-b", Value::array([Value::string("x\"\n")])), ("c", Value::Null), ("true", float(1.5))]);
    assert_eq!(value.to_source(), r#"{"a-b" = ["x\"\n"], c = null, "true" = 1.5}"#);
}

proptest! {
    #[test]
    fn durations_round_trip(nanos in any::<i64>()) {
        prop_assert_eq!(parse_duration(&format_duration(nanos)), Ok(nanos));
    }

    #[test]
    fn conversions_never_panic(text in ".{0,12}|[-+0-9.eEhmsnuµ]{0,16}") {
        let value = Value::string(text);
        let _ = (to_number(&value), to_duration_nanos(&value), to_i64(&value), to_u64(&value));
    }

    #[test]
    fn numbers_read_back(n in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let text = to_text(&float(n)).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap(), n);
    }
}
