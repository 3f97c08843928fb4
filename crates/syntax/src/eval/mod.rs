//! From expressions to values.

mod binary;
mod locate;
mod print;
mod references;
mod suggest;

use std::sync::Arc;

pub use crate::nearest;
pub use locate::locate;
pub use print::print;
pub use references::{Traversal, references};
pub use suggest::did_you_mean;

pub use crate::value::PathElem;

use crate::ast::{Expr, ExprKind, Ident, Literal, LiteralValue};
use crate::value::{CallError, Object, Value, mismatch};
use crate::{Diagnostic, Span, stdlib};
use binary::Side;

/// How deep arrays, objects, calls, indices and right operands may stand in each other. Chains (`a + b + c`,
/// `a.b[0]()`, `!!x`, `((x))`) do not count. The parser refuses earlier; this holds for trees built by hand.
pub const MAX_DEPTH: usize = 256;

/// The names that an expression can use, before the standard library.
pub trait Scope {
    /// The value of a name.
    fn lookup(&self, name: &str) -> Option<Value>;

    /// All names, to find the one that was meant.
    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// No names but the standard library.
impl Scope for () {
    fn lookup(&self, _name: &str) -> Option<Value> {
        None
    }
}

impl Scope for Object {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.keys().cloned().collect()
    }
}

/// The value of an expression. Names are looked up in the scope, then in the standard library.
///
/// # Errors
/// The first mistake in reading order of evaluation, in Alloy's wording, pointing at the offending expression.
pub fn evaluate(expr: &Expr, scope: &dyn Scope) -> Result<Value, Diagnostic> {
    eval(expr, scope, 0)
}

/// The value of an expression that names nothing and calls nothing; `None` for others.
pub fn constant(expr: &Expr) -> Option<Result<Value, Diagnostic>> {
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        if matches!(expr.kind, ExprKind::Ident(_) | ExprKind::Call { .. }) {
            return None;
        }
        references::push_children(expr, &mut todo);
    }
    Some(evaluate(expr, &()))
}

/// Evaluates without recursion along the leftmost branch, because a long chain of operators is a tree as deep as
/// the chain is long; recursion remains for what stands inside brackets and on the right of operators.
fn eval(expr: &Expr, scope: &dyn Scope, depth: usize) -> Result<Value, Diagnostic> {
    if depth > MAX_DEPTH {
        return Err(Diagnostic::error(expr.span, "expression is nested too deeply"));
    }
    let mut spine = Vec::new();
    let mut leaf = expr;
    while let Some(inner) = leftmost(leaf) {
        spine.push(leaf);
        leaf = inner;
    }
    let mut value = eval_leaf(leaf, scope, depth)?;
    while let Some(outer) = spine.pop() {
        value = apply(outer, value, scope, depth)?;
    }
    Ok(value)
}

/// What is evaluated first inside an expression, where that is a single part.
fn leftmost(expr: &Expr) -> Option<&Expr> {
    match &expr.kind {
        ExprKind::Binary { left: inner, .. }
        | ExprKind::Access { value: inner, .. }
        | ExprKind::Index { value: inner, .. }
        | ExprKind::Call { function: inner, .. }
        | ExprKind::Unary { operand: inner, .. }
        | ExprKind::Paren(inner) => Some(inner),
        ExprKind::Literal(_) | ExprKind::Ident(_) | ExprKind::Array(_) | ExprKind::Object(_) => None,
    }
}

fn eval_leaf(expr: &Expr, scope: &dyn Scope, depth: usize) -> Result<Value, Diagnostic> {
    match &expr.kind {
        ExprKind::Literal(literal) => Ok(literal_value(literal)),
        ExprKind::Ident(name) => scope
            .lookup(name)
            .or_else(|| stdlib::lookup(name))
            .ok_or_else(|| unknown_identifier(name, expr.span, scope)),
        ExprKind::Array(elements) => {
            let values: Result<Vec<Value>, Diagnostic> =
                elements.iter().map(|element| eval(element, scope, depth + 1)).collect();
            values.map(Value::array)
        }
        ExprKind::Object(fields) => {
            let mut object = Object::new();
            for field in fields {
                object.insert(field.key.text.clone(), eval(&field.value, scope, depth + 1)?);
            }
            Ok(Value::Object(Arc::new(object)))
        }
        // The caller descends through all other kinds.
        _ => Ok(Value::Null),
    }
}

/// Finishes an expression whose leftmost part has been evaluated.
fn apply(expr: &Expr, value: Value, scope: &dyn Scope, depth: usize) -> Result<Value, Diagnostic> {
    match &expr.kind {
        ExprKind::Binary { op, left, right, .. } => {
            let other = eval(right, scope, depth + 1)?;
            binary::binary(&value, *op, &other).map_err(|(side, message)| {
                let subject = if side == Side::Left { left } else { right };
                said_of(subject, &message)
            })
        }
        ExprKind::Unary { op, operand } => binary::unary(*op, &value).map_err(|message| said_of(operand, &message)),
        ExprKind::Access { value: subject, name } => access(subject, &value, name),
        ExprKind::Index { value: subject, index: index_expr } => {
            let index = eval(index_expr, scope, depth + 1)?;
            element(subject, &value, index_expr, &index)
        }
        ExprKind::Call { function, args } => {
            let Value::Function(callee) = &value else {
                return Err(said_of(function, &mismatch("function", &value)));
            };
            let values: Result<Vec<Value>, Diagnostic> = args.iter().map(|arg| eval(arg, scope, depth + 1)).collect();
            (callee.call)(&values?).map_err(|error| call_error(expr, function, args, error))
        }
        _ => Ok(value),
    }
}

fn literal_value(literal: &Literal) -> Value {
    match &literal.value {
        LiteralValue::Null => Value::Null,
        LiteralValue::Bool(value) => Value::Bool(*value),
        LiteralValue::Number(number) => Value::Number(*number),
        LiteralValue::String(text) => Value::String(text.clone()),
    }
}

/// An error whose sentence begins with the text of an expression.
fn said_of(expr: &Expr, message: &str) -> Diagnostic {
    Diagnostic::error(expr.span, format!("{} {message}", print(expr)))
}

const NO_OBJECT: &str = "expected object or array or a capsule convertible to an object, got capsule";

fn access(subject: &Expr, value: &Value, name: &Ident) -> Result<Value, Diagnostic> {
    let Some(fields) = value.as_object() else {
        let message = match value.type_name() {
            "capsule" => NO_OBJECT.to_owned(),
            other => format!("cannot access field \"{}\" on value of type {other}", name.text),
        };
        return Err(said_of(subject, &message));
    };
    fields.get(&name.text).cloned().ok_or_else(|| {
        let mut error = Diagnostic::error(name.span, format!("field \"{}\" does not exist", name.text));
        error.help = did_you_mean(&name.text, fields.keys().map(|key| &**key));
        error
    })
}

fn element(subject: &Expr, value: &Value, index_expr: &Expr, index: &Value) -> Result<Value, Diagnostic> {
    if let Some(length) = value.array_len() {
        let Value::Number(number) = index else {
            return Err(said_of(index_expr, &mismatch("number", index)));
        };
        let index = number.as_i64();
        let found = usize::try_from(index).ok().and_then(|index| value.element(index));
        return found.ok_or_else(|| {
            said_of(index_expr, &format!("index {index} is out of range of array with length {length}"))
        });
    }
    let Some(fields) = value.as_object() else {
        let message = match value.type_name() {
            "capsule" => NO_OBJECT.to_owned(),
            other => format!("expected object or array, got {other}"),
        };
        return Err(said_of(subject, &message));
    };
    match index {
        Value::String(key) => Ok(fields.get(key).cloned().unwrap_or_default()),
        other => Err(said_of(index_expr, &mismatch("string", other))),
    }
}

fn call_error(call: &Expr, function: &Expr, args: &[Expr], error: CallError) -> Diagnostic {
    match error {
        CallError::Callee(message) => said_of(function, &message),
        CallError::Whole(message) => Diagnostic::error(call.span, message),
        CallError::Argument { index, path, message } => match args.get(index) {
            Some(arg) => {
                let (span, text) = locate(arg, &path);
                Diagnostic::error(span, format!("{text} {message}"))
            }
            None => said_of(function, &message),
        },
    }
}

fn unknown_identifier(name: &str, span: Span, scope: &dyn Scope) -> Diagnostic {
    let mut error = Diagnostic::error(span, format!("identifier \"{name}\" does not exist"));
    let scoped = scope.names();
    // A function written without its namespace is the likeliest mistake of those who come from other languages.
    let last = |full: &'static str| full.rsplit('.').next().unwrap_or(full);
    error.help = match stdlib::FUNCTIONS.iter().find(|f| f.replaced_by.is_none() && last(f.name) == name) {
        Some(function) => Some(format!("did you mean \"{}\"?", function.name)),
        None => {
            let mut candidates: Vec<&str> = stdlib::global_names().collect();
            candidates.extend(scoped.iter().map(|name| &**name));
            did_you_mean(name, candidates)
        }
    };
    error
}
