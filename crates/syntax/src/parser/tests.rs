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
