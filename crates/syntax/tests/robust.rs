//! Whatever the input: no panic, and every place lies within the text.

use corten_syntax::ast::{Expr, ExprKind, Statement};
use corten_syntax::{Diagnostic, SourceMap, Span, check_encoding, format_bytes, parse_bytes, parse_expression, render};
use proptest::prelude::*;

/// Everything that takes foreign text, on this text.
fn survive(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut map = SourceMap::default();
    let (file, problems) = parse_bytes(&mut map, "f", bytes);
    let _ = check_encoding(bytes);
    within(&problems, bytes.len())?;
    for statement in &file.body {
        in_statement(statement, bytes.len())?;
    }
    for comment in &file.comments {
        in_text(comment.span, bytes.len())?;
    }
    render(&problems, &map, false);
    let formatted = format_bytes(&mut map, "f", bytes);
    prop_assert_eq!(formatted.is_ok(), problems.is_empty());
    if let Ok(formatted) = formatted {
        prop_assert_eq!(format_bytes(&mut map, "f", formatted.as_bytes()), Ok(formatted));
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(problems) = parse_expression(&mut map, "e", text)
    {
        within(&problems, bytes.len())?;
        render(&problems, &map, true);
    }
    Ok(())
}

fn within(problems: &[Diagnostic], len: usize) -> Result<(), TestCaseError> {
    problems.iter().filter_map(|problem| problem.span).try_for_each(|span| in_text(span, len))
}

fn in_text(span: Span, len: usize) -> Result<(), TestCaseError> {
    prop_assert!(span.start <= span.end && span.end as usize <= len, "{:?} of {}", span, len);
    Ok(())
}

fn in_statement(statement: &Statement, len: usize) -> Result<(), TestCaseError> {
    match statement {
        Statement::Attribute(attribute) => {
            in_text(attribute.name.span, len)?;
            in_expr(&attribute.value, len)
        }
        Statement::Block(block) => {
            in_text(block.span(), len)?;
            in_text(block.header_span(), len)?;
            block.body.iter().try_for_each(|statement| in_statement(statement, len))
        }
    }
}

fn in_expr(expr: &Expr, len: usize) -> Result<(), TestCaseError> {
    in_text(expr.span, len)?;
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Ident(_) => Ok(()),
        ExprKind::Array(list) => list.iter().try_for_each(|expr| in_expr(expr, len)),
        ExprKind::Object(fields) => fields.iter().try_for_each(|field| in_expr(&field.value, len)),
        ExprKind::Access { value, .. } => in_expr(value, len),
        ExprKind::Index { value, index } => in_expr(value, len).and(in_expr(index, len)),
        ExprKind::Call { function, args } => {
            in_expr(function, len)?;
            args.iter().try_for_each(|expr| in_expr(expr, len))
        }
        ExprKind::Unary { operand, .. } => in_expr(operand, len),
        ExprKind::Binary { left, right, .. } => in_expr(left, len).and(in_expr(right, len)),
        ExprKind::Paren(inner) => in_expr(inner, len),
    }
}

/// Tokens and fragments of tokens: far more of it parses than of random text.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["a", "b1", "_x", "é", "true", "null", "\"s\"", "`r`", "`\n`", "1", "08", "1.5", ".5", "1e", "\"\""]),
        4 => prop::sample::select(vec!["{", "}", "[", "]", "(", ")", ",", ".", "=", "\n", " ", "\n", " "]),
        2 => prop::sample::select(vec!["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">=", "||", "&&", "!", "|", "&"]),
        1 => prop::sample::select(vec!["// c\n", "/* d */", "/* e\n*/", "/*", "'", "'f'", "\"", "`", "\\", "\"\\x", "\"\\q\"", "\"\\xff\"", "\r\n", "\t", "\0", "\u{feff}", "#", ":", "…"]),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes)?;
    }

    #[test]
    fn text(text in "\\PC{0,80}") {
        survive(text.as_bytes())?;
    }

    #[test]
    fn tokens(text in soup()) {
        survive(text.as_bytes())?;
    }
}
