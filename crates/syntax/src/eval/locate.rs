//! From a place inside a value back to the place in the file that wrote it.

use std::fmt::Write;

use super::print;
use crate::Span;
use crate::ast::{Expr, ExprKind};
use crate::value::PathElem;

/// What to point at and how to call it when something inside the value of `expr` is wrong: the innermost literal
/// that wrote it, else the expression it came through with the rest of the path (`key_value.object.field1[2]`).
pub fn locate(expr: &Expr, path: &[PathElem]) -> (Span, String) {
    let mut found = expr;
    let mut rest = path;
    while let Some((step, after)) = rest.split_first() {
        let Some(inner) = child(found, step) else { break };
        (found, rest) = (inner, after);
    }
    let mut text = print(found);
    for step in rest {
        // Writing into a String cannot fail.
        let _ = write!(text, "{step}");
    }
    (found.span, text)
}

/// The expression that wrote one part of a literal array or object; of equal keys the last one counts.
fn child<'a>(expr: &'a Expr, step: &PathElem) -> Option<&'a Expr> {
    let mut expr = expr;
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    match (&expr.kind, step) {
        (ExprKind::Array(elements), PathElem::Index(index)) => elements.get(*index),
        (ExprKind::Object(fields), PathElem::Field(name)) => {
            fields.iter().rev().find(|field| field.key.text == *name).map(|field| &field.value)
        }
        _ => None,
    }
}
