//! Expressions as the formatter writes them, on one line: the subject of a diagnostic's sentence.

use crate::ast::{Expr, ExprKind, Field, LiteralValue, UnaryOp};

/// What is still to be written, the next thing last.
enum Piece<'a> {
    Expr(&'a Expr),
    Text(&'a str),
}

/// An expression in formatted source form, on one line.
pub fn print(expr: &Expr) -> String {
    let mut out = String::new();
    let mut todo = vec![Piece::Expr(expr)];
    while let Some(piece) = todo.pop() {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Expr(expr) => {
                let at = todo.len();
                expand(expr, &mut todo);
                todo[at..].reverse();
            }
        }
    }
    out
}

/// Pushes the parts of one expression in reading order. A worklist rather than recursion, because a long chain of
/// operators is a deep tree.
fn expand<'a>(expr: &'a Expr, todo: &mut Vec<Piece<'a>>) {
    use Piece::{Expr as E, Text as T};
    match &expr.kind {
        ExprKind::Literal(literal) => todo.push(T(&literal.raw)),
        ExprKind::Ident(name) => todo.push(T(name)),
        ExprKind::Array(elements) => {
            todo.push(T("["));
            list(elements, todo);
            todo.push(T("]"));
        }
        ExprKind::Object(fields) => object(fields, todo),
        ExprKind::Access { value, name } => {
            todo.push(E(value));
            let number = matches!(&value.kind, ExprKind::Literal(l) if matches!(l.value, LiteralValue::Number(_)));
            todo.extend([T(if number { " ." } else { "." }), T(&name.text)]);
        }
        ExprKind::Index { value, index } => todo.extend([E(value), T("["), E(index), T("]")]),
        ExprKind::Call { function, args } => {
            todo.extend([E(function), T("(")]);
            list(args, todo);
            todo.push(T(")"));
        }
        ExprKind::Unary { op, operand } => {
            let sign = match op {
                UnaryOp::Not => "!",
                UnaryOp::Neg => "-",
            };
            todo.extend([T(sign), E(operand)]);
        }
        ExprKind::Binary { op, left, right, .. } => {
            todo.extend([E(left), T(" "), T(op.symbol()), T(" "), E(right)]);
        }
        ExprKind::Paren(inner) => todo.extend([T("("), E(inner), T(")")]),
    }
}

fn list<'a>(elements: &'a [Expr], todo: &mut Vec<Piece<'a>>) {
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            todo.push(Piece::Text(", "));
        }
        todo.push(Piece::Expr(element));
    }
}

fn object<'a>(fields: &'a [Field], todo: &mut Vec<Piece<'a>>) {
    todo.push(Piece::Text("{"));
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            todo.push(Piece::Text(", "));
        }
        // The empty quoted key is stored as its two quote characters.
        let quote = if field.quoted && &*field.key.text != "\"\"" { "\"" } else { "" };
        todo.extend([Piece::Text(quote), Piece::Text(&field.key.text), Piece::Text(quote), Piece::Text(" = ")]);
        todo.push(Piece::Expr(&field.value));
    }
    todo.push(Piece::Text("}"));
}
