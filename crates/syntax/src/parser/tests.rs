//! Golden messages, places and trees.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::ast::Field;

/// Each diagnostic as `line:column[-line:column] message`, its help behind.
fn problems(text: &str) -> String {
    list(&SourceMap::default(), |map| parse(map, "", text).1)
}

fn list(map: &SourceMap, parse: impl FnOnce(&mut SourceMap) -> Diagnostics) -> String {
    let mut map = map.clone();
    let diagnostics = parse(&mut map);
    let mut out = String::new();
    for problem in diagnostics {
        let span = problem.span.expect("a place");
        let file = map.get(span.file).expect("the file");
        let (start, end) = (file.position(span.start), file.position(span.end.max(span.start + 1) - 1));
        write!(out, "{}:{}", start.line, start.column).unwrap();
        if end.line != start.line || span.end - span.start > 4 {
            write!(out, "-{}:{}", end.line, end.column).unwrap();
        }
        writeln!(out, " {}", problem.message).unwrap();
        if let Some(help) = problem.help {
            writeln!(out, "    help: {help}").unwrap();
        }
    }
    out
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&problems(text));
}

/// An expression fully parenthesized.
fn shape(expr: &Expr) -> String {
    let all = |list: &[Expr]| list.iter().map(shape).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        ExprKind::Literal(literal) => literal.raw.to_string(),
        ExprKind::Ident(name) => name.to_string(),
        ExprKind::Array(list) => format!("[{}]", all(list)),
        ExprKind::Object(fields) => {
            let show = |f: &Field| format!("{}{}={}", if f.quoted { "q:" } else { "" }, f.key.text, shape(&f.value));
            format!("{{{}}}", fields.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        ExprKind::Access { value, name } => format!("({} . {})", shape(value), name.text),
        ExprKind::Index { value, index } => format!("({} [] {})", shape(value), shape(index)),
        ExprKind::Call { function, args } => format!("({} () {})", shape(function), all(args)),
        ExprKind::Unary { op: crate::ast::UnaryOp::Not, operand } => format!("(! {})", shape(operand)),
        ExprKind::Unary { op: crate::ast::UnaryOp::Neg, operand } => format!("(- {})", shape(operand)),
        ExprKind::Binary { op, left, right, .. } => format!("({} {} {})", op.symbol(), shape(left), shape(right)),
        ExprKind::Paren(inner) => format!("<{}>", shape(inner)),
    }
}

fn expression(text: &str) -> String {
    let mut map = SourceMap::default();
    match parse_expression(&mut map, "", text) {
        Ok(expr) => {
            assert_eq!(map.text(expr.span), text.trim());
            shape(&expr)
        }
        Err(problems) => problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn precedence_and_associativity() {
    for (text, tree) in [
        ("1 + 2 * 3", "(+ 1 (* 2 3))"),
        ("1 - 2 - 3", "(- (- 1 2) 3)"),
        ("2 ^ 3 ^ 4", "(^ 2 (^ 3 4))"),
        ("-2 ^ 2", "(^ (- 2) 2)"),
        ("2 ^ -2", "(^ 2 (- 2))"),
        ("!-a.b", "(! (- (a . b)))"),
        ("1 < 2 == true", "(== (< 1 2) true)"),
        ("a || b && c == d", "(|| a (&& b (== c d)))"),
        ("a * b ^ c % d", "(% (* a (^ b c)) d)"),
        ("a.b[0](1, x,).c", "((((a . b) [] 0) () 1 x) . c)"),
        ("(1 + 2) * 3", "(* <(+ 1 2)> 3)"),
        ("[1, [], {}]", "[1 [] {}]"),
        ("{a = 1, \"b c\" = `x`, \"\" = 2}", "{a=1 q:b c=`x` \"\"=2}"),
        ("1 +\n 2", "(+ 1 2)"),
    ] {
        assert_eq!(expression(text).as_str(), tree, "{text}");
    }
}

#[test]
fn one_expression_and_no_more() {
    assert_eq!(expression(""), "expected expression, got EOF");
    assert_eq!(expression("1 2"), "expected TERMINATOR, got NUMBER");
    assert_eq!(expression("1\n2"), "expected EOF, got NUMBER");
    assert_eq!(expression("1\n"), "1");
    assert!(parse_expression(&mut SourceMap::default(), "", "/* a */ 1 // b").is_ok());
}

#[test]
fn statements() {
    let text = "a = 1\nb.c \"d\" {\n\te = 2\n\n\tf { g = 3 }\n}\nh \"\" { }\n";
    let mut map = SourceMap::default();
    let (file, problems) = parse(&mut map, "x.alloy", text);
    assert_eq!(problems, []);
    let Statement::Block(block) = &file.body[1] else { panic!() };
    assert_eq!(block.dotted_name(), "b.c");
    assert_eq!(map.text(block.label.as_ref().unwrap().span), "\"d\"");
    assert_eq!(map.text(block.header_span()), "b.c \"d\"");
    assert_eq!((map.text(block.open), map.text(block.close)), ("{", "}"));
    assert_eq!(block.body.len(), 2);
    let Statement::Block(block) = &file.body[2] else { panic!() };
    assert_eq!(block.label, None);
}

#[test]
fn labels_and_names() {
    check(
        "a token { }\na \"my token\" { }\na `raw` { }\na \"true\" { }\na true { }\n",
        expect![[r#"
        1:3 expected block label, got IDENT
            help: labels stand in double quotes: a "token"
        2:3 expected block label to be a valid identifier, but got "my token"
            help: labels are letters, digits and `_`, and start with no digit: "my_token"
        3:3 expected block label to be a double quoted string, but got "`raw`"
            help: write "raw"
        4:3 expected block label to be a valid identifier, but got "true"
            help: `true` is a keyword and cannot be a label
        5:3 expected block label, got BOOL
            help: `true` is a keyword and cannot be a label
    "#]],
    );
    check(
        "log.level = 1\nlevel \"x\" = 1\nlevel = 2\n",
        expect![[r#"
        1:1-1:9 attribute names may only consist of a single identifier with no "."
            help: set it inside of its block: `log { level = ... }`
        2:7 attribute names may not have labels
            help: write `level = ...`
    "#]],
    );
    check(
        "true = 1\n",
        expect![[r#"
        1:1 expected identifier, got BOOL
            help: `true` is a keyword and cannot be a name
    "#]],
    );
    check(
        "a. = 1\n",
        expect![[r#"
        1:4 expected identifier, got =
    "#]],
    );
}

#[test]
fn bodies() {
    check(
        "url \"http\"\n",
        expect![[r#"
        1:11 expected block body, got TERMINATOR
            help: write `url = "http"` to set an attribute; the `{` of a block stands on the line of its name
    "#]],
    );
    check(
        "job\n",
        expect![[r#"
        1:4 expected block label, got TERMINATOR
            help: write `job = value` to set an attribute, `job {` to open a block
        2:1 expected attribute assignment or block body, got EOF
    "#]],
    );
    check(
        "a.b \"c\"\n{\n}\n",
        expect![[r#"
            1:8 expected block body, got TERMINATOR
                help: the `{` of a block stands on the line of its name
        "#]],
    );
    check(
        "a = 1 b = 2\n",
        expect![[r#"
        1:7 expected TERMINATOR, got IDENT
            help: each statement stands on its own line
    "#]],
    );
    check(
        "a = 1\n}\nb = 2\n",
        expect![[r#"
        2:1 expected identifier, got }
            help: this `}` closes nothing; a `{` may be missing before it
        3:1 expected TERMINATOR, got IDENT
            help: reading went on here after the error above; this line may well be right
    "#]],
    );
    check(
        "a = 1\n + 2\n",
        expect![[r#"
        2:2 expected identifier, got +
            help: an expression continues on the next line only behind its operator: end the line before with `+`
    "#]],
    );
}

#[test]
fn blocks_as_values() {
    check(
        "rw = otelcol.receiver.otlp \"in\" {\n\ta = 1\n}\nb = 1\n",
        expect![[r#"
        1:6-3:1 cannot use a block as an expression
            help: write the block at the top level, and refer to what it exports: `otelcol.receiver.otlp.in.<export>`
    "#]],
    );
    check(
        "a { b = c { d = 1 } }\n",
        expect![[r#"
        1:9-1:19 cannot use a block as an expression
            help: a block is a statement of its own: leave out the `=`, or write an object
    "#]],
    );
    check(
        "x = a \"b\" \"c\" 1\ny = 2\n",
        expect![[r#"
        1:11 expected {, got STRING
    "#]],
    );
}

#[test]
fn commas() {
    check(
        "a = [\n\t1,\n\t2\n]\nb = {\n\tc = 1\n}\nd = (1\n)\n",
        expect![[r#"
        3:3 missing ',' in expression list
            help: an element at the end of a line needs a comma behind it, also the last one before `]`
        6:7 missing ',' in field list
            help: an element at the end of a line needs a comma behind it, also the last one before `}`
        8:7 expected ), got TERMINATOR
            help: a parenthesis closes on the line where its expression ends
        9:1 expected TERMINATOR, got )
            help: this `)` closes nothing
    "#]],
    );
    check(
        "a = f(1 2)\n",
        expect![[r#"
        1:9 missing ',' in expression list
            help: elements are separated by commas
    "#]],
    );
}

#[test]
fn expressions() {
    check(
        "a = 1 + + 2\nb = f(())\nc = a.null\nd = a[\"b\"].true\n",
        expect![[r#"
        1:9 expected expression, got +
        2:8 expected expression, got )
            help: empty parentheses are no value
        3:7 expected IDENT, got NULL
            help: `null` is a keyword; a field of this name is read with `["null"]`
        4:12 expected IDENT, got BOOL
            help: `true` is a keyword; a field of this name is read with `["true"]`
    "#]],
    );
    check(
        "a = { 5 = \"x\", b = 1 }\nc = { true = 1 }\n",
        expect![[r#"
        1:7 expected field name (string or identifier), got NUMBER
            help: put the key in double quotes: "5"
        2:7 expected field name (string or identifier), got BOOL
            help: put the key in double quotes: "true"
    "#]],
    );
    check(
        "a = { b = 1 }.7\nc = d.0\n",
        expect![[r#"
        1:14 expected TERMINATOR, got FLOAT
            help: elements of arrays are read with `[7]`
        2:6 expected TERMINATOR, got FLOAT
            help: elements of arrays are read with `[0]`
    "#]],
    );
    check(
        "a =\n\tb = 1\n",
        expect![[r#"
        2:4 expected TERMINATOR, got =
            help: values are compared with `==`; if a statement starts on this line, the value before it is missing
    "#]],
    );
    check(
        "a = { \"b\": 1 }\n",
        expect![[r#"
        1:10 illegal character U+003A ':'
            help: attributes and object fields are written `name = value`, with `=`
        1:10 expected =, got ILLEGAL
    "#]],
    );
    check(
        "a = <<EOT\n",
        expect![[r#"
        1:5 expected expression, got <
            help: text of several lines stands in backticks
    "#]],
    );
}

#[test]
fn missing_braces() {
    check(
        "a {\n\tb \"c\" {\n\t\tx = 1\n}\n",
        expect![[r#"
        5:1 expected }, got EOF
            help: `b`, opened on line 2, seems to lack its `}`: the one on line 4 stands further left
    "#]],
    );
    check(
        "a {\n\tx = {\n\t\tb = 1,\n}\n",
        expect![[r#"
        5:1 expected }, got EOF
            help: `{`, opened on line 2, seems to lack its `}`: the one on line 4 stands further left
    "#]],
    );
    check(
        "a {\n\tb = 1\n",
        expect![[r#"
        3:1 expected }, got EOF
            help: `a`, opened on line 1, is not closed
    "#]],
    );
    check(
        "a {\n\tx = [\n\t\t1,\n}\n",
        expect![[r#"
        4:1 expected expression, got }
            help: a value, or a `]` or `)`, is missing before this `}`
        5:1 expected ], got EOF
    "#]],
    );
}

#[test]
fn strings() {
    check(
        "a = 'x'\nb = '\\d \"y\"'\nc = ''\n",
        expect![[r#"
        1:5 illegal single-quoted string; use double quotes
            help: write "x"
        1:5 expected expression, got ILLEGAL
        2:5 illegal single-quoted string; use double quotes
            help: write `\d "y"` in backticks
        2:7 unknown escape sequence
        2:5 expected expression, got ILLEGAL
        3:5 illegal single-quoted string; use double quotes
            help: text stands in double quotes, or in backticks if it holds quotes or backslashes
        3:5 expected expression, got ILLEGAL
    "#]],
    );
    check(
        "a = \"\\d+\\.\"\nb = \"\\'\"\nc = \"\\xg0\"\nd = \"\\ud800\"\ne = \"\\400\"\n",
        expect![[r#"
        1:7 unknown escape sequence
            help: in backticks a backslash stands for itself: `\d+\.`
        1:10 unknown escape sequence
            help: in backticks a backslash stands for itself: `\d+\.`
        2:7 unknown escape sequence
            help: a single quote needs no backslash
        3:7 illegal character U+0067 'g' in escape sequence
        4:7 escape sequence is invalid Unicode code point
        5:7 escape sequence is invalid Unicode code point
    "#]],
    );
    check(
        "a = \"x\nb = \"\\",
        expect![[r#"
        1:5 string literal not terminated
            help: the closing `"` is missing; text of several lines stands in backticks
        2:7 escape sequence not terminated
        2:5 string literal not terminated
            help: the closing `"` is missing; text of several lines stands in backticks
    "#]],
    );
    check(
        "a = `x\n",
        expect![[r#"
        1:5 string literal not terminated
            help: the closing backtick is missing
    "#]],
    );
    check(
        "a = \"\\xff\"\nb = \"\\xc3\\xa9\"\n",
        expect![[r#"
        1:6 escape sequence does not yield valid UTF-8
            help: strings are UTF-8 text: write the character itself, or its code point as \uNNNN
    "#]],
    );
}

#[test]
fn characters() {
    check(
        "a = 1 # b\n",
        expect![[r#"
        1:7 illegal character U+0023 '#'
            help: comments start with `//`, or stand between `/*` and `*/`
        1:7 expected TERMINATOR, got ILLEGAL
    "#]],
    );
    check(
        "a = b ? c : d\n",
        expect![[r#"
        1:7 illegal character U+003F '?'
            help: there is no conditional operator
        1:7 expected TERMINATOR, got ILLEGAL
        1:11 illegal character U+003A ':'
            help: there is no conditional operator
    "#]],
    );
    check(
        "a = 1 | 2 & 3;\n",
        expect![[r#"
        1:8 missing second | in ||
        1:12 missing second & in &&
        1:14 illegal character U+003B ';'
            help: a statement ends at the end of its line; no `;` is needed
        1:14 expected TERMINATOR, got ILLEGAL
    "#]],
    );
    check(
        "\u{feff}a = \u{feff}1\n",
        expect![[r#"
        1:8 illegal byte order mark
        1:8 expected expression, got ILLEGAL
    "#]],
    );
    check(
        "a = \"\0\" …\n",
        expect![[r#"
        1:6 illegal character NUL
        1:9 illegal character U+2026 '…'
        1:9 expected TERMINATOR, got ILLEGAL
    "#]],
    );
    check(
        "a = 10E\nb = 1e999\n",
        expect![[r#"
        1:5 exponent has no digits
        2:5-2:9 number is out of range
            help: the largest number is about 1.8e308
    "#]],
    );
    check(
        "/* a",
        expect![[r#"
        1:1 block comment not terminated
    "#]],
    );
}

#[test]
fn bytes_that_are_not_text() {
    let bytes = b"a = \"\xff\"\nb = \xe2\x82\n";
    let found = list(&SourceMap::default(), |map| parse_bytes(map, "", bytes).1);
    expect![[r#"
        1:6 illegal UTF-8 encoding
        2:5 illegal UTF-8 encoding
        2:5 illegal character U+FFFD '�'
        2:6 illegal UTF-8 encoding
        2:5 expected expression, got ILLEGAL
        2:6 illegal character U+FFFD '�'
    "#]]
    .assert_eq(&found);
}

/// Nesting up to the limit must be parsed, formatted and dropped in a fraction of the smallest usual stack.
#[test]
fn nesting_is_bounded() {
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("a = {}{middle}{}\n", open.repeat(times), close.repeat(times))
    };
    let limit = usize::from(MAX_NESTING);
    let cases: Vec<(String, bool)> = vec![
        (deep("(", "1", ")", limit - 1), true),
        (deep("[", "1", "]", limit - 1), true),
        (deep("{a=", "1", "}", limit - 1), true),
        (deep("f(", "1", ")", limit - 1), true),
        (deep("!", "b", "", limit - 2), true),
        (deep("1 ^ ", "1", "", limit - 1), true),
        (format!("{}{}", "a {\n".repeat(limit), "}\n".repeat(limit)), true),
        (deep("1 + ", "1", "", 500), true),
        (deep("", "a", ".b", 500), true),
        (deep("", "a", "()", 500), true),
        (deep("(", "1", ")", 100_000), false),
        (deep("[", "", "", 100_000), false),
        (deep("{a=", "", "", 100_000), false),
        (deep("!", "b", "", 100_000), false),
        (deep("1 ^ ", "1", "", 100_000), false),
        (deep("1 + ", "1", "", 100_000), false),
        (deep("", "a", ".b", 100_000), false),
        (deep("", "a", "[0]", 100_000), false),
        ("a {\n".repeat(100_000), false),
        ("a = b {\n".repeat(100_000), false),
    ];
    let run = move || {
        for (text, good) in &cases {
            let problems = parse(&mut SourceMap::default(), "", text).1;
            let head = &text[..text.len().min(12)];
            assert_eq!(problems.is_empty(), *good, "{head}: {problems:?}");
            assert!(
                *good || problems[0].message.contains("levels") || problems[0].message.contains("chains"),
                "{head}"
            );
            assert_eq!(crate::format(text).is_ok(), *good);
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_number_of_errors_is_bounded() {
    let problems = parse(&mut SourceMap::default(), "", &"?".repeat(100_000)).1;
    assert_eq!(problems.len(), 1001);
    assert_eq!(problems[1000].message, "too many errors; the others are not shown");
}

#[test]
fn comments_lose_carriage_returns() {
    let (file, problems) = parse(&mut SourceMap::default(), "", "// a\r\nb = 1 /* c\r\nd *\r/ e */\r\n");
    assert_eq!(problems, []);
    let texts: Vec<_> = file.comments.iter().map(|c| &*c.text).collect();
    assert_eq!(texts, ["// a", "/* c\nd *\r/ e */"]);
}
