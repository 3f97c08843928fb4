//! The functions of the standard library, called as files call them.
#![allow(clippy::unwrap_used)]

use corten_syntax::stdlib::{self, FUNCTIONS, NoticeKind};
use corten_syntax::{Number, Object, OptionalSecret, SourceMap, Value, eval, parse_expression};
use proptest::prelude::*;

fn run(text: &str) -> Result<Value, String> {
    let scope: Object = [
        ("open".into(), Value::OptionalSecret(OptionalSecret::new("bar", false))),
        ("hidden".into(), Value::OptionalSecret(OptionalSecret::new("", true))),
    ]
    .into();
    let expr = parse_expression(&mut SourceMap::default(), "test", text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    eval::evaluate(&expr, &scope).map_err(|error| error.message)
}

/// The result, as it would be written in a file.
fn source(text: &str) -> String {
    run(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_source()
}

#[track_caller]
fn all(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(source(text), *expected, "{text}");
    }
}

#[track_caller]
fn errors(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(run(text).expect_err(text), *expected, "{text}");
    }
}

fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    (stdlib::function(name).unwrap().call)(args).map_err(|error| error.to_string())
}

#[test]
fn strings() {
    all(&[
        (r#"to_lower(to_upper(trim_space("   String   ")))"#, r#""string""#),
        (r#"string.to_upper("straße")"#, r#""STRAßE""#),
        (r#"string.to_lower("ΑΣ")"#, r#""ας""#.replace('ς', "σ").as_str()),
        (r#"string.split("/aaa/bbb", "/")"#, r#"["", "aaa", "bbb"]"#),
        (r#"string.split("aé", "")"#, r#"["a", "é"]"#),
        (r#"string.split("", "")"#, "[]"),
        (r#"string.split("", ",")"#, r#"[""]"#),
        (r#"string.join([0, 0.5, "x"], ", ")"#, r#""0, 0.5, x""#),
        (r#"string.join(null, ",")"#, r#""""#),
        (r#"string.replace("Hello World", " World", "!")"#, r#""Hello!""#),
        (r#"string.replace("ab", "", "-")"#, r#""-a-b-""#),
        (r#"string.trim("   hello! world.!  ", "! ")"#, r#""hello! world.""#),
        (r#"string.trim_prefix("helloworld", "hello")"#, r#""world""#),
        (r#"string.trim_suffix("helloworld", "x")"#, r#""helloworld""#),
        (r#"string.trim_space("\u00a0 a\n")"#, r#""a""#),
        (r#"string.to_upper(1e21)"#, r#""1000000000000000000000""#),
        (r#"string.format("Hello %s", "World")"#, r#""Hello World""#),
        (r#"format("%#v", 1)"#, r#""1""#),
        (r#"string.format("%q", "hello")"#, r#""\"hello\"""#),
        (r#"string.format("%d of %v", 3, [1, "a", null])"#, r#""3 of [1 a <nil>]""#),
        (r#"string.format("%s", encoding.from_base64("aGk="))"#, r#""[%!s(int=104) %!s(int=105)]""#),
    ]);
}

#[test]
fn encodings() {
    all(&[
        (r#"encoding.from_base64("Zm9v") == [102, 111, 111]"#, "true"),
        (r#"string.to_upper(encoding.from_base64("Zm9v"))"#, r#""FOO""#),
        (r#"encoding.to_base64(encoding.from_base64("/w=="))"#, r#""/w==""#),
        (r#"encoding.to_base64("string123!?$*&()'-=@~")"#, r#""c3RyaW5nMTIzIT8kKiYoKSctPUB+""#),
        (r#"encoding.to_URLbase64("string123!?$*&()'-=@~")"#, r#""c3RyaW5nMTIzIT8kKiYoKSctPUB-""#),
        (r#"encoding.url_encode("a b+ü'~")"#, r#""a+b%2B%C3%BC%27~""#),
        (r#"encoding.url_decode("a+b%2B%C3%BC")"#, r#""a b+ü""#),
        (
            r#"encoding.from_json("{\"foo\": [0, null, -1.5e3, \"\\u00e9\\ud83d\\ude00\"]}")"#,
            r#"{foo = [0, null, -1500, "é😀"]}"#,
        ),
        (
            r#"encoding.to_json({"b"={"x"=[1, 2.5, true, null]}, a="<&>\u2028\n"})"#,
            r#""{\"a\":\"\\u003c\\u0026\\u003e\\u2028\\n\",\"b\":{\"x\":[1,2.5,true,null]}}""#,
        ),
        (
            "encoding.to_json({a = 1e21, b = 1e-7, c = 123456789.0, d = 1e20})",
            r#""{\"a\":1e+21,\"b\":1e-7,\"c\":123456789,\"d\":100000000000000000000}""#,
        ),
    ]);
    errors(&[
        (r#"encoding.from_base64("Zm9v!")"#, "encoding.from_base64 illegal base64 data at input byte 4"),
        (r#"encoding.from_base64("Zm9")"#, "encoding.from_base64 illegal base64 data at input byte 0"),
        (r#"encoding.url_decode("%zz")"#, r#"encoding.url_decode invalid URL escape "%zz""#),
        (r#"encoding.url_decode("%f")"#, r#"encoding.url_decode invalid URL escape "%f""#),
        (
            r#"encoding.from_json("{a}")"#,
            "encoding.from_json invalid character 'a' looking for beginning of object key string",
        ),
        (r#"encoding.from_json("[1 2]")"#, "encoding.from_json invalid character '2' after array element"),
        (r#"encoding.from_json("{\"a\" 1}")"#, "encoding.from_json invalid character '1' after object key"),
        (
            r#"encoding.from_json("{\"a\":1 x}")"#,
            "encoding.from_json invalid character 'x' after object key:value pair",
        ),
        (r#"encoding.from_json("1 x")"#, "encoding.from_json invalid character 'x' after top-level value"),
        (r#"encoding.from_json("nul")"#, "encoding.from_json invalid character ' ' in literal null (expecting 'l')"),
        (r#"encoding.from_json("nuls")"#, "encoding.from_json invalid character 's' in literal null (expecting 'l')"),
        (r#"encoding.from_json("'a'")"#, r"encoding.from_json invalid character '\'' looking for beginning of value"),
        (r#"encoding.from_json("01")"#, "encoding.from_json invalid character '1' after top-level value"),
        (
            r#"encoding.from_json("1.x")"#,
            "encoding.from_json invalid character 'x' after decimal point in numeric literal",
        ),
        ("encoding.to_json({a = [sys.env]})", "sys.env cannot be written as JSON: it is a function"),
        (
            r#"encoding.to_json({a = encoding.from_yaml(".nan")})"#,
            r#"encoding.from_yaml(".nan") json: unsupported value: NaN"#,
        ),
    ]);
}

#[test]
fn faults_of_base64_and_json_are_gos() {
    for (text, offset) in [
        ("Zm9v!", 4),
        ("Z", 0),
        ("Zg=", 3),
        ("Zg==x", 4),
        ("Zg=x", 2),
        ("====", 0),
        ("Zm9vYg", 4),
        ("Zm9v\nYg", 5),
        ("Z===", 1),
        ("Zm9=v", 4),
        ("Zg==Zg==", 4),
        ("é", 0),
        ("Zm9v-_", 4),
        ("Zg==\n\nx", 6),
        ("Zm 9", 2),
        ("\n\nZ!", 3),
    ] {
        let message = call("encoding.from_base64", &[Value::string(text)]).unwrap_err();
        assert_eq!(message, format!("illegal base64 data at input byte {offset}"), "{text:?}");
    }
    for (text, bytes) in [("Zh==", "f"), ("Zm9v\n", "foo"), ("Zg=\n=\n", "f"), ("", "")] {
        let decoded = call("encoding.from_base64", &[Value::string(text)]).unwrap();
        assert_eq!(&*corten_syntax::value::to_text(&decoded).unwrap(), bytes, "{text:?}");
    }
    for (text, message) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("\"abc", "unexpected end of JSON input"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("1e", "invalid character ' ' in exponent of numeric literal"),
        ("\"\\x\"", "invalid character 'x' in string escape code"),
        ("\"\\u12x\"", "invalid character 'x' in \\u hexadecimal character escape"),
        ("\"a\nb\"", "invalid character '\\n' in string literal"),
        ("\0", "invalid character '\\x00' looking for beginning of value"),
        ("1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        ("{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair"),
    ] {
        assert_eq!(call("encoding.from_json", &[Value::string(text)]).unwrap_err(), message, "{text:?}");
    }
    assert_eq!(call("encoding.from_json", &[Value::string(r#""\ud800\u0041""#)]), Ok(Value::string("\u{fffd}A")));
}

#[test]
fn yaml() {
    all(&[
        ("encoding.from_yaml(`foo: bar`)", r#"{foo = "bar"}"#),
        ("encoding.from_yaml(`[0, 1.0, null, ~, yes, true]`)", r#"[0, 1, null, null, "yes", true]"#),
        ("encoding.from_yaml(`[0x1F, 0o17, 017, 0b11, 1_000, +5, -0x10, 08]`)", "[31, 15, 15, 3, 1000, 5, -16, 8]"),
        (
            "encoding.from_yaml(`[.5, 1e3, 1., -.inf, '1', \"2\", 18446744073709551615, 1e999, 1.2.3, +]`)",
            r#"[0.5, 1000, 1, -Inf, "1", "2", 18446744073709551615, "1e999", "1.2.3", "+"]"#,
        ),
        ("encoding.from_yaml(`[!!str 1, !!int \"2\", !!float 3, !own x, !!binary aGk=]`)", r#"["1", 2, 3, "x", "hi"]"#),
        (
            "encoding.from_yaml(`[2024-02-29, 2024-2-30, 2001-12-14t21:59:43.10-05:00, 2001-12-15 2:59:43.1]`)",
            r#"["2024-02-29T00:00:00Z", "2024-2-30", "2001-12-14T21:59:43.1-05:00", "2001-12-15T02:59:43.1Z"]"#,
        ),
        (
            "encoding.from_yaml(`a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: [*x]`)",
            "{a = {p = 1, q = 2}, b = {p = 1, q = 3}, c = [{p = 1, q = 2}]}",
        ),
        ("encoding.from_yaml(`a: |\n  x\n  y\nb: >-\n  x\n  y\n`)", r#"{a = "x\ny\n", b = "x y"}"#),
        ("encoding.from_yaml(`1: a\ntrue: b`)", r#"{"1" = "a", "true" = "b"}"#),
        ("encoding.from_yaml(``)", "null"),
        ("encoding.from_yaml(`# only a comment`)", "null"),
        ("encoding.from_yaml(`a: 1\n---\nb: 2`)", "{a = 1}"),
    ]);
    errors(&[
        (
            "encoding.from_yaml(`a: 1\na: 2`)",
            "encoding.from_yaml yaml: unmarshal errors:\n  line 2: mapping key \"a\" already defined at line 1",
        ),
        ("encoding.from_yaml(`a: &a [*a]`)", "encoding.from_yaml yaml: line 1: anchor value contains itself"),
        ("encoding.from_yaml(`!!int x`)", "encoding.from_yaml yaml: line 1: cannot decode !!str `x` as a !!int"),
        (
            "encoding.from_yaml(`<<: 1`)",
            "encoding.from_yaml yaml: map merge requires map or sequence of maps as the value",
        ),
        ("encoding.from_yaml(`[1]: 2`)", "encoding.from_yaml yaml: line 1: invalid map key: [1]"),
    ]);
    assert!(run("encoding.from_yaml(`a: [`)").unwrap_err().starts_with("encoding.from_yaml yaml: "));
}

#[test]
fn yaml_and_json_stay_bounded() {
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 10].join(",");
        laughs.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    let refused = call("encoding.from_yaml", &[Value::string(laughs)]).unwrap_err();
    assert!(refused.contains("excessive aliasing"), "{refused}");
    let ladder: String = (1..5_000).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect();
    assert!(call("encoding.from_yaml", &[Value::string(format!("a0: &a0 [x]\n{ladder}"))]).is_err());
    for deep in ["[", "{\"a\":"] {
        assert!(call("encoding.from_json", &[Value::string(deep.repeat(100_000))]).is_err());
    }
    for deep in ["[", "{a: ", "- ", "? "] {
        assert!(call("encoding.from_yaml", &[Value::string(deep.repeat(20_000))]).is_err());
    }
    let deepest = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let value = call("encoding.from_json", &[Value::string(deepest.clone())]).unwrap();
    assert_eq!(value.to_source(), deepest);
    assert!(value.same(&value.clone()));
    assert!(call("encoding.to_json", &[Value::object([("a", value.clone())])]).is_ok());
    assert!(call("string.format", &[Value::string("%v"), value]).is_ok());
}

#[test]
fn json_paths() {
    let json = r#"{"a": {"b": [1, 2, {"c": "x", "n": 5}, {"c": "y", "n": 9.5}], "d": null}, "e f": "z"}"#;
    for (path, expected) in [
        ("$.a.b[0]", "[1]"),
        (".a.b[-1].c", r#"["y"]"#),
        ("a.b[2].c", r#"["x"]"#),
        ("$['e f']", r#"["z"]"#),
        ("$[\"a\"]['d']", "[null]"),
        (".nonexists", "[]"),
        ("$.a.b[0:2]", "[1, 2]"),
        ("$.a.b[:2]", "[1, 2]"),
        ("$.a.b[2:]..c", r#"["x", "y"]"#),
        ("$.a.b[::2].c", r#"["x"]"#),
        ("$.a.b[3:0:-2].c", r#"["y"]"#),
        ("$.a.b[1, 0]", "[2, 1]"),
        ("$['e f', 'q']", r#"["z"]"#),
        ("$..c", r#"["x", "y"]"#),
        ("$.a.b[*].n", "[5, 9.5]"),
        ("$.a.b.*", r#"[1, 2, {c = "x", n = 5}, {c = "y", n = 9.5}]"#),
        ("$.a.b[?(@.c == 'y')].n", "[9.5]"),
        ("$.a.b[?(@.n > 5)].c", r#"["y"]"#),
        ("$.a.b[?(@.n >= 5 && @.c != \"y\")].c", r#"["x"]"#),
        ("$.a.b[?@.c].c", r#"["x", "y"]"#),
        ("$.a.b[?(!@.c)]", "[1, 2]"),
        ("$.a.b[?(@ < 2)]", "[1]"),
        ("$.a.b[?(@.c =~ /^[x]$/)].n", "[5]"),
        ("$.a.b[?(@.c in ['x', 'q'])].n", "[5]"),
        ("$.a.b[?(@.c has true)].n", "[5, 9.5]"),
        ("$.a.b[?(length(@.c) == 1)].n", "[5, 9.5]"),
        ("$.a.b[?(@.n + 1 == 2 * 3)].n", "[5]"),
        ("$.a[?(count(@[*]) == 4)][0]", "[1]"),
        ("$.a.b[?search(@.c, 'x|q')].n", "[5]"),
        ("$.a.b[?(@.n == $.a.b[2].n)].c", r#"["x"]"#),
        ("", "[]"),
    ] {
        let found =
            call("json_path", &[Value::string(json), Value::string(path)]).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(found.to_source(), expected, "{path}");
    }
    all(&[
        (r#"json_path("", ".a")"#, "[]"),
        (r#"json_path("{\"a\": \"b\"}", ".a")[0]"#, r#""b""#),
        (r#"json_path("[{\"name\": \"D\",\"value\": \"IT\"}]", "[?(@.name == \"D\")].value")"#, r#"["IT"]"#),
    ]);
    errors(&[
        (r#"json_path("{}", "$.a[")"#, "json_path not terminated at 5 in $.a["),
        (r#"json_path("{", "$")"#, "json_path unexpected end of JSON input"),
        (r#"json_path("{}", "$.")"#, "json_path not terminated at 3 in $."),
    ]);
    let long = format!("$[?({}1)]", "1 == ".repeat(100_000));
    assert!(call("json_path", &[Value::string("[1]"), Value::string(long)]).is_err());
    let deep = format!("$[?({}", "!(".repeat(100_000));
    assert!(call("json_path", &[Value::string("[1]"), Value::string(deep)]).is_err());
}

#[test]
fn arrays() {
    all(&[
        (r#"array.concat([true, "foo"], [], [false, 1])"#, r#"[true, "foo", false, 1]"#),
        ("concat()", "[]"),
        (r#"string.to_upper(array.concat(encoding.from_base64("aGk=")))"#, r#""HI""#),
        (
            r#"array.combine_maps([{a = "a1", b = "b1"}], [{a = "a1", c = "c1"}], ["a"])"#,
            r#"[{a = "a1", b = "b1", c = "c1"}]"#,
        ),
        (r#"array.combine_maps([{a = 1, n = 1.1}, {n = 1.2}], [{a = 1, n = 2.1}], ["a"])"#, "[{a = 1, n = 2.1}]"),
        (r#"array.combine_maps([{a = 1}], [{a = 1.0}, {a = "1"}], ["a"])"#, "[]"),
        (r#"array.combine_maps([{a = [1]}], [{a = [1], b = 2}], ["a"])"#, "[{a = [1], b = 2}]"),
        (
            r#"array.combine_maps([{a = 1, b = 4.2}, {d = "asdf"}], [{a = 2}], ["a"], true)"#,
            r#"[{a = 1, b = 4.2}, {d = "asdf"}]"#,
        ),
        (r#"array.combine_maps([{a = 1}], [{a = 2}, {a = 3}], ["a"], true)"#, "[{a = 1}, {a = 1}]"),
        (r#"array.combine_maps([{a = 1}], [], ["a"], true)"#, "[]"),
        (
            r#"array.group_by([{t = "v", n = 1}, {t = "f", n = 2}, {n = 3}, {t = "v", n = 4}], "t", false)"#,
            r#"[{items = [{n = 1, t = "v"}, {n = 4, t = "v"}], t = "v"}, {items = [{n = 2, t = "f"}], t = "f"}, {items = [{n = 3}], t = ""}]"#,
        ),
        (r#"array.group_by([{n = 3}], "t", true)"#, "[]"),
        (r#"array.group_by([], "age", false)"#, "[]"),
        ("coalesce()", "null"),
        (r#"coalesce("", 0, false, [], {}, null, encoding.from_json("{}"), 2)"#, "2"),
        ("coalesce([], null)", "null"),
        ("coalesce(0, false)", "false"),
        (r#"coalesce(open, 1)"#, r#""bar""#),
        (r#"coalesce(hidden, 1)"#, "(secret)"),
    ]);
    errors(&[
        (r#"array.combine_maps([{}], "a", ["a"])"#, r#""a" should be array, got string"#),
        (r#"array.combine_maps([{}], [{}], [1])"#, "1 should be string, got number"),
        (r#"array.combine_maps([{}])"#, "combine_maps: expected 3 or 4 arguments, got 1"),
        (r#"array.group_by([{}], 123, false)"#, "123 should be string, got number"),
        (r#"array.group_by([{}], "a", "b")"#, r#""b" should be bool, got string"#),
        (r#"array.group_by(["x"], "a", false)"#, r#""x" should be object, got string"#),
    ]);
}

#[test]
fn system() {
    all(&[
        (r#"file.path_join("this/is", "a/path")"#, r#""this/is/a/path""#),
        ("file.path_join()", r#""""#),
        (r#"file.path_join("", "a", "..", "b//", "./c", "")"#, r#""b/c""#),
        (r#"file.path_join("/..", "a/../..")"#, r#""/""#),
        (r#"file.path_join("a", "../..")"#, r#""..""#),
        (r#"file.path_join(".")"#, r#"".""#),
        (r#"sys.env("CORTEN_TEST_THAT_IS_NOT_SET")"#, r#""""#),
        (r#"sys.env("")"#, r#""""#),
        (r#"sys.env("a=b")"#, r#""""#),
        (r#"sys.env("PATH") == env("PATH") && sys.env("PATH") != """#, "true"),
        ("constants.hostname != \"\"", "true"),
    ]);
    assert!(source("constants.version").starts_with("\"v"));
    assert!(["linux", "darwin", "windows"].iter().any(|os| source("constants.os") == format!("\"{os}\"")));
    assert!(
        ["amd64", "arm64", "386", "arm", "riscv64"]
            .iter()
            .any(|arch| source("constants.arch") == format!("\"{arch}\""))
    );
}

#[test]
fn deprecated_and_experimental_functions_are_found() {
    let text = r#"[env("A"), string.join([], ""), array.group_by([], "", true), x.env, {a = [trim("", "")]}]"#;
    let expr = parse_expression(&mut SourceMap::default(), "test", text).unwrap();
    let found: Vec<_> =
        stdlib::references(&expr, &|name| name == "trim").iter().map(|n| (n.kind, n.function.name)).collect();
    assert_eq!(found, [(NoticeKind::Deprecated, "env"), (NoticeKind::Experimental, "array.group_by")]);
}

#[test]
fn the_table_is_whole() {
    for function in FUNCTIONS {
        assert!(function.signature.starts_with('(') && function.signature.contains("-> "), "{}", function.name);
        assert!(function.doc.ends_with('.'), "{}", function.name);
        assert_eq!(stdlib::FUNCTIONS.iter().filter(|other| other.name == function.name).count(), 1);
        if let Some(name) = function.replaced_by {
            let current = stdlib::function(name).unwrap();
            assert_eq!(current.signature, function.signature, "{name}");
        }
    }
    assert_eq!(FUNCTIONS.iter().filter(|function| function.replaced_by.is_some()).count(), 16);
    assert_eq!(stdlib::CONSTANTS.len(), 4);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::int),
        any::<u64>().prop_map(|n| Value::Number(Number::Uint(n))),
        any::<f64>().prop_map(|n| Value::Number(Number::Float(n))),
        ".{0,8}".prop_map(Value::string),
        "[-\\[\\]{}:,\"'&*!|>#?@.$()=<0-9a-c \n\\\\]{0,12}".prop_map(Value::string),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::array),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(Value::object),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_function_panics(args in prop::collection::vec(any_value(), 0..5)) {
        for function in FUNCTIONS {
            let _ = (function.call)(&args);
        }
    }

    #[test]
    fn paths_do_not_panic(path in "[$@.*\\[\\]?()!&|=<>~/'\",:0-9a-c -]{0,24}") {
        let _ = call("json_path", &[Value::string(r#"{"a": [1, {"b": "c"}]}"#), Value::string(path)]);
    }

    #[test]
    fn base64_and_url_round_trip(text in ".{0,40}") {
        for (encode, decode) in [
            ("encoding.to_base64", "encoding.from_base64"),
            ("encoding.to_URLbase64", "encoding.from_URLbase64"),
            ("encoding.url_encode", "encoding.url_decode"),
        ] {
            let encoded = call(encode, &[Value::string(&*text)]).unwrap();
            let decoded = call(decode, &[encoded]).unwrap();
            let decoded = corten_syntax::value::to_text(&decoded).unwrap();
            prop_assert_eq!(&*decoded, &*text);
        }
    }

    #[test]
    fn json_round_trips(value in any_value()) {
        if let Ok(text) = call("encoding.to_json", &[Value::object([("a", value)])]) {
            // Large integers lose digits on the way through floats; what comes out then stays.
            let back = call("encoding.from_json", &[text]).unwrap();
            let text = call("encoding.to_json", std::slice::from_ref(&back)).unwrap();
            let again = call("encoding.from_json", &[text]).unwrap();
            prop_assert!(again.same(&back));
        }
    }
}
