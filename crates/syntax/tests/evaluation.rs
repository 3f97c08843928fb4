//! Expressions as a file holds them: values, and the words and places of mistakes.
#![allow(clippy::unwrap_used)]

use std::any::Any;
use std::sync::Arc;

use corten_syntax::ast::Expr;
use corten_syntax::eval::{self, PathElem};
use corten_syntax::{
    Capsule, CapsuleValue, Diagnostic, Number, Object, OptionalSecret, Secret, SourceMap, Value, parse_expression,
};

struct Handle(&'static str);

impl CapsuleValue for Handle {
    fn type_name(&self) -> &'static str {
        "test.Handle"
    }
    fn equals(&self, other: &dyn CapsuleValue) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| other.0 == self.0)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Target;

impl CapsuleValue for Target {
    fn type_name(&self) -> &'static str {
        "test.Target"
    }
    fn equals(&self, _other: &dyn CapsuleValue) -> bool {
        true
    }
    fn as_object(&self) -> Option<Arc<Object>> {
        Some(Arc::new([("address".into(), Value::string("host:80"))].into()))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn scope() -> Object {
    [
        ("foobar", Value::int(42)),
        ("text", Value::string("hello")),
        ("open", Value::OptionalSecret(OptionalSecret::new("world", false))),
        ("hidden", Value::OptionalSecret(OptionalSecret::new("deep", true))),
        ("secret", Value::Secret(Secret::new("welcome"))),
        ("handle", Value::Capsule(Capsule::new(Handle("a")))),
        ("other", Value::Capsule(Capsule::new(Handle("b")))),
        ("target", Value::Capsule(Capsule::new(Target))),
        ("big", Value::Number(Number::Uint(u64::MAX))),
        (
            "key_value",
            Value::object([(
                "object",
                Value::object([("field1", Value::array([Value::int(15), Value::string("Hello")]))]),
            )]),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect()
}

fn parse(text: &str) -> Expr {
    parse_expression(&mut SourceMap::default(), "test", text).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

fn value(text: &str) -> Value {
    eval::evaluate(&parse(text), &scope()).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

fn error(text: &str) -> Diagnostic {
    eval::evaluate(&parse(text), &scope()).expect_err(text)
}

/// Equal, and of the same representation.
#[track_caller]
fn check(text: &str, expected: Value) {
    let got = value(text);
    let same_kind = match (&got, &expected) {
        (Value::Number(a), Value::Number(b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
        _ => true,
    };
    assert!(got == expected && same_kind, "{text}: {got:?} instead of {expected:?}");
}

#[track_caller]
fn check_error(text: &str, pointed_at: &str, message: &str) {
    let found = error(text);
    assert_eq!(found.message, message, "{text}");
    let span = found.span.unwrap();
    assert_eq!(&text[span.start as usize..span.end as usize], pointed_at, "{text}");
}

fn float(n: f64) -> Value {
    Value::Number(Number::Float(n))
}

#[test]
fn operators() {
    for (text, expected) in [
        ("true || false", Value::Bool(true)),
        ("false || false", Value::Bool(false)),
        ("true && false", Value::Bool(false)),
        ("3 == 5", Value::Bool(false)),
        ("3 != 5", Value::Bool(true)),
        ("3 <= 3", Value::Bool(true)),
        ("3 > 5", Value::Bool(false)),
        (r#""a" < "b""#, Value::Bool(true)),
        (r#""Z" >= "a""#, Value::Bool(false)),
        ("3 + 5 * 2", Value::int(13)),
        ("3 - 5", Value::int(-2)),
        ("5 / 2", Value::int(2)),
        ("-7 / 2", Value::int(-3)),
        ("5 / 2.0", float(2.5)),
        ("5 % 3", Value::int(2)),
        ("-5 % 3", Value::int(-2)),
        ("5.5 % 2", float(1.5)),
        ("3.0 / 5.0", float(0.6)),
        ("3 ^ 5", Value::int(243)),
        ("3 ^ 0", Value::int(1)),
        ("0 ^ 1", Value::int(0)),
        ("2 ^ 3 ^ 2", Value::int(512)),
        ("-2 ^ 2", Value::int(4)),
        ("3 ^ -2", Value::int(3)),
        ("1 ^ -2", Value::int(1)),
        ("42.0^-2", float(0.000_566_893_424_036_281_2)),
        ("2 ^ 1000000000000", Value::int(0)),
        ("9223372036854775807 + 1", Value::int(i64::MIN)),
        ("-9223372036854775808", Value::int(i64::MIN)),
        ("-9223372036854775808 / -1", Value::int(i64::MIN)),
        ("-9223372036854775808 % -1", Value::int(0)),
        ("18446744073709551615 + 1", Value::int(0)),
        ("big + 0.0", float(18_446_744_073_709_551_615.0)),
        ("-big", Value::int(1)),
        ("1 == 1.0", Value::Bool(true)),
        (r#"1 == "1""#, Value::Bool(false)),
        (r#"1 != "1""#, Value::Bool(true)),
        ("null == null", Value::Bool(true)),
        ("[1, {a = 2}] == [1.0, {a = 2}]", Value::Bool(true)),
        ("{a = 1} == {a = 1, b = null}", Value::Bool(false)),
        ("sys.env == sys.env", Value::Bool(false)),
        ("handle == handle", Value::Bool(true)),
        ("handle == other", Value::Bool(false)),
        (r#""a" + "b" + "c""#, Value::string("abc")),
        ("!true", Value::Bool(false)),
        ("--15", Value::int(15)),
        ("1 < 2 == true", Value::Bool(true)),
        ("(15)", Value::int(15)),
        ("0755", Value::int(493)),
    ] {
        check(text, expected);
    }
}

#[test]
fn access_and_index() {
    for (text, expected) in [
        ("{ a = { b = 12 } }.a.b", Value::int(12)),
        (r#"{ a = 1, a = 2 }["a"]"#, Value::int(2)),
        (r#"{}["foo"]"#, Value::Null),
        ("[[1,2,3]][0][2]", Value::int(3)),
        ("[0, 1, 2][1.9]", Value::int(1)),
        ("target.address", Value::string("host:80")),
        (r#"target["nothing"]"#, Value::Null),
        (r#"encoding.from_base64("aGk=")[1]"#, Value::int(105)),
        ("key_value.object.field1[0]", Value::int(15)),
        (r#"string["to_upper"]("x")"#, Value::string("X")),
        (r#"[string.to_upper][0]("x")"#, Value::string("X")),
    ] {
        check(text, expected);
    }
    check_error("{ a = 15 }.b", "b", r#"field "b" does not exist"#);
    check_error("target.port", "port", r#"field "port" does not exist"#);
    check_error("foobar.x", "foobar", r#"foobar cannot access field "x" on value of type number"#);
    check_error("[1].x", "[1]", r#"[1] cannot access field "x" on value of type array"#);
    check_error(
        "handle.x",
        "handle",
        "handle expected object or array or a capsule convertible to an object, got capsule",
    );
    check_error(
        "handle[0]",
        "handle",
        "handle expected object or array or a capsule convertible to an object, got capsule",
    );
    check_error("foobar[0]", "foobar", "foobar expected object or array, got number");
    check_error("[1][5]", "5", "5 index 5 is out of range of array with length 1");
    check_error("[1][-1]", "-1", "-1 index -1 is out of range of array with length 1");
    check_error(r#"[1]["a"]"#, r#""a""#, r#""a" should be number, got string"#);
    check_error("{a = 1}[0]", "0", "0 should be string, got number");
    check_error("target[0]", "0", "0 should be string, got number");
    check_error("foobar()", "foobar", "foobar should be function, got number");
}

#[test]
fn secrets_in_operators() {
    let hidden = |text: &str| Value::Secret(Secret::new(text));
    let optional = |text: &str, secret| Value::OptionalSecret(OptionalSecret::new(text, secret));
    for (text, expected) in [
        ("text + open", Value::string("helloworld")),
        ("open + text", Value::string("worldhello")),
        ("hidden + text", optional("deephello", true)),
        ("text + hidden", optional("hellodeep", true)),
        ("open + open", optional("worldworld", false)),
        ("hidden + open", optional("deepworld", true)),
        ("open + hidden", optional("worlddeep", true)),
        ("open + secret", hidden("worldwelcome")),
        ("secret + open", hidden("welcomeworld")),
        ("secret + hidden", hidden("welcomedeep")),
        ("secret + text", hidden("welcomehello")),
        ("text + secret", hidden("hellowelcome")),
        ("secret + secret", hidden("welcomewelcome")),
        (r#""world" == open"#, Value::Bool(true)),
        (r#"open == "world""#, Value::Bool(true)),
        (r#"hidden == "deep""#, Value::Bool(true)),
        ("hidden == hidden", Value::Bool(true)),
        ("open == hidden", Value::Bool(false)),
        ("convert.nonsensitive(secret)", Value::string("welcome")),
        ("nonsensitive(hidden)", Value::string("deep")),
        (r#"convert.nonsensitive("x")"#, Value::string("x")),
    ] {
        check(text, expected);
    }
    check_error("hidden - text", "hidden", "hidden should be one of [number] for binop -, got capsule");
    check_error("text - hidden", "text", "text should be one of [number] for binop -, got capsule");
    check_error("secret + 1", "1", "1 should be capsule, got number");
    check_error("1 + secret", "secret", "secret should be number, got capsule");
    check_error("secret < text", "secret", "secret should be one of [number string] for binop <, got capsule");
    check_error(
        "handle + handle",
        "handle",
        "handle could not perform binop + for unknown types lhs capsule rhs capsule",
    );
    check_error("string.to_upper(secret)", "secret", "secret secrets may not be converted into strings");
}

#[test]
fn operand_errors() {
    check_error("1 + true", "true", "true should be one of [number string capsule] for binop +, got bool");
    check_error(r#"1 + "a""#, r#""a""#, r#""a" should be number, got string"#);
    check_error(r#""a" + (1)"#, "(1)", "(1) should be string, got number");
    check_error("1 && true", "1", "1 should be one of [bool] for binop &&, got number");
    check_error("null * 2", "null", "null should be one of [number] for binop *, got null");
    check_error("foobar - [1,  2]", "[1,  2]", "[1, 2] should be one of [number] for binop -, got array");
    check_error("5 / 0", "0", "0 divide by zero error");
    check_error("5 % 0.0", "0.0", "0.0 divide by zero error");
    check_error("!1", "1", "1 should be bool, got number");
    check_error(r#"-"a""#, r#""a""#, r#""a" should be number, got string"#);
    // Both sides are evaluated.
    check_error("true || missing", "missing", r#"identifier "missing" does not exist"#);
}

#[test]
fn the_nearest_name_is_offered() {
    let help = |text| error(text).help.unwrap_or_default();
    assert_eq!(help("fobar"), r#"did you mean "foobar"?"#);
    assert_eq!(help("encodign.from_json"), r#"did you mean "encoding"?"#);
    assert_eq!(help("encoding.from_jsn"), r#"did you mean "from_json"?"#);
    assert_eq!(help(r#"path_join("a")"#), r#"did you mean "file.path_join"?"#);
    assert_eq!(help("key_value.objct"), r#"did you mean "object"?"#);
    assert_eq!(error("zzzzzzzz").help, None);
}

#[test]
fn call_errors() {
    check_error(r#"string.join(["a"])"#, "string.join", "string.join expected 2 args, got 1");
    check_error("string.format()", "string.format", "string.format expected at least 1 args, got 0");
    check_error(r#"string.join([1, true], "")"#, "true", "true should be string, got bool");
    check_error("string.join(key_value.object, 1)", "key_value.object", "key_value.object should be array, got object");
    check_error("concat(\"a\")", "\"a\"", "\"a\" should be array, got string");
    check_error(r#"encoding.from_json("")"#, "encoding.from_json", "encoding.from_json unexpected end of JSON input");
    check_error("encoding.to_json(12)", "encoding.to_json", "encoding.to_json jsonEncode only supports map");
    check_error(
        r#"array.group_by([{"name" = "alice"}], "age")"#,
        r#"array.group_by([{"name" = "alice"}], "age")"#,
        "group_by: expected 3 arguments, got 2",
    );
    check_error("array.combine_maps([{}], [{}], [])", "[]", "[] combine_maps: merge conditions must not be empty");
    check_error(
        r#"array.combine_maps([{"a" = "a1", "b" = "b1"}], ["a"], ["a"])"#,
        r#""a""#,
        r#""a" should be object, got string"#,
    );
    check_error(
        r#"array.group_by([{"name" = "alice", "age" = 20}], "age", false)"#,
        "20",
        "20 should be string, got number",
    );
    check_error(
        "string.join(key_value.object.field1[0], \"\")",
        "key_value.object.field1[0]",
        "key_value.object.field1[0] should be array, got number",
    );
}

#[test]
fn secrets_do_not_leave_through_functions() {
    for text in [
        "encoding.to_json({a = [secret]})",
        "encoding.to_json({a = hidden})",
        r#"string.format("%s", secret)"#,
        r#"string.format("%v", {a = [hidden]})"#,
    ] {
        let found = error(text);
        assert!(found.message.contains("convert.nonsensitive"), "{text}: {}", found.message);
        assert!(!found.message.contains("deep") && !found.message.contains("welcome"), "{}", found.message);
    }
    check("string.format(\"%s\", open)", Value::string("world"));
    check("encoding.to_json({a = open})", Value::string(r#"{"a":"world"}"#));
    assert_eq!(value("[secret, hidden, open]").to_source(), r#"[(secret), (secret), "world"]"#);
}

#[test]
fn locates_what_wrote_a_value() {
    let field = |name: &str| PathElem::field(name);
    let path = [field("object"), field("field1"), PathElem::Index(2)];
    for (text, expected) in [
        ("key_value", "key_value.object.field1[2]"),
        (r#"{object = {field1 = [15, 30, "Hello"]}}"#, r#""Hello""#),
        ("{object = key_value . x}", "key_value.x.field1[2]"),
        ("({object = ({field1 = list})})", "list[2]"),
        ("{object = {field1 = 1}, object = {field1 = 2}}", "2[2]"),
        ("f(1,2) + 3", "f(1, 2) + 3.object.field1[2]"),
    ] {
        let (_, found) = eval::locate(&parse(text), &path);
        assert_eq!(found, expected, "{text}");
    }
    let (_, found) = eval::locate(&parse("x"), &[field("a-b"), field("true")]);
    assert_eq!(found, r#"x["a-b"]["true"]"#);
}

#[test]
fn prints_expressions_on_one_line() {
    for (text, expected) in [
        ("{\n a=1,\n\"b c\"= [1,2,],\n}", r#"{a = 1, "b c" = [1, 2]}"#),
        ("-a.b [ 0 ]( 1,\n2,\n)+!c", "-a.b[0](1, 2) + !c"),
        ("(1+2)*`raw`", "(1 + 2) * `raw`"),
        ("1 .foo", "1 .foo"),
        (r#"{"" = 1}"#, r#"{"" = 1}"#),
    ] {
        assert_eq!(eval::print(&parse(text)), expected);
    }
}

#[test]
fn constants_are_evaluated_without_a_scope() {
    assert_eq!(eval::constant(&parse(r#"{a = [1 + 2, -3], b = "x"}.a[0]"#)), Some(Ok(Value::int(3))));
    assert!(matches!(eval::constant(&parse("1 + true")), Some(Err(_))));
    assert_eq!(eval::constant(&parse("[1, foobar]")), None);
    assert_eq!(eval::constant(&parse("[1, f()]")), None);
    assert_eq!(eval::constant(&parse("{a = (b.c)}")), None);
}

#[test]
fn references_are_chains_of_names() {
    let text = "a.b.c + f.g(x.y[z.w].v, {k = m}) ^ [!n][0].o";
    let found = eval::references(&parse(text));
    let names: Vec<String> = found.iter().map(|traversal| traversal.dotted()).collect();
    assert_eq!(names, ["a.b.c", "f.g", "x.y", "z.w", "m", "n"]);
    let span = found[2].span;
    assert_eq!(&text[span.start as usize..span.end as usize], "x.y");
}

#[test]
fn deep_and_long_expressions_do_not_exhaust_the_stack() {
    let nested = |depth: usize, open: &str, close: &str| {
        let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        if let Ok(expr) = parse_expression(&mut SourceMap::default(), "test", &text) {
            let _ = eval::evaluate(&expr, &scope());
            let _ = (eval::print(&expr), eval::references(&expr), eval::constant(&expr));
        }
    };
    for depth in [60, 100, 127, 128, 500, 20_000] {
        nested(depth, "[", "]");
        nested(depth, "(", ")");
        nested(depth, "-", "");
        nested(depth, "{a = ", "}");
        nested(depth, "f(", ")");
        nested(depth, "1 + ", "");
        nested(depth, "2 ^ ", "");
        nested(depth, "[", "][0]");
        nested(depth, "a[", "]");
    }
}
