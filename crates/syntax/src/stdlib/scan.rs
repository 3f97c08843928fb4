//! Finding deprecated and experimental functions without evaluating.

use super::{FunctionInfo, Stability, function};
use crate::Span;
use crate::ast::Expr;
use crate::eval;

/// What is worth saying of a function's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// It has another name by now.
    Deprecated,
    /// It may still change.
    Experimental,
}

/// The use of a function that is deprecated or experimental.
#[derive(Debug, Clone, Copy)]
pub struct Notice {
    /// Which of both.
    pub kind: NoticeKind,
    /// The function.
    pub function: &'static FunctionInfo,
    /// Where its name stands.
    pub span: Span,
}

/// The uses of deprecated and experimental functions in an expression, in reading order. `shadowed` tells whether
/// the scope gives a name another meaning.
pub fn references(expr: &Expr, shadowed: &dyn Fn(&str) -> bool) -> Vec<Notice> {
    let mut notices = Vec::new();
    for traversal in eval::references(expr) {
        if traversal.names.first().is_some_and(|(first, _)| shadowed(first)) {
            continue;
        }
        // `string.join` has two names, `env` one; what follows is not part of the function's name.
        for length in 1..=traversal.names.len().min(2) {
            let names: Vec<&str> = traversal.names[..length].iter().map(|(name, _)| &**name).collect();
            let Some(function) = function(&names.join(".")) else { continue };
            let kind = match function.stability {
                _ if function.replaced_by.is_some() => NoticeKind::Deprecated,
                Stability::Experimental => NoticeKind::Experimental,
                Stability::GenerallyAvailable => continue,
            };
            let span = traversal.names[0].1.to(traversal.names[length - 1].1);
            notices.push(Notice { kind, function, span });
        }
    }
    notices
}
