//! A block's statements after evaluation: values where expressions were.

use std::sync::Arc;

use corten_syntax::ast::{self, Expr, Ident, Statement};
use corten_syntax::eval::{self, Scope};
use corten_syntax::{Diagnostics, Span, Value};

/// The statements of a block with their values.
#[derive(Debug, Clone)]
pub struct Body {
    /// Where mistakes of the whole block are shown.
    pub span: Span,
    /// The statements in order.
    pub items: Vec<Item>,
}

/// One statement.
#[derive(Debug, Clone)]
pub enum Item {
    /// `name = value`
    Attribute(AttributeItem),
    /// `name { ... }`
    Block(BlockItem),
}

/// An evaluated attribute.
#[derive(Debug, Clone)]
pub struct AttributeItem {
    /// The name.
    pub name: Ident,
    /// The value; `None` while validating, where the expression holds references or calls.
    pub value: Option<Value>,
    /// What the user wrote.
    pub expr: Arc<Expr>,
}

/// An evaluated block.
#[derive(Debug, Clone)]
pub struct BlockItem {
    /// The dotted name.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The label.
    pub label: Option<Ident>,
    /// Its statements.
    pub body: Body,
}

impl Body {
    /// Evaluates every attribute; all mistakes are reported together.
    pub fn evaluate(block: &ast::Block, scope: &dyn Scope) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::new();
        let mut value = |expr: &Expr| match eval::evaluate(expr, scope) {
            Ok(value) => Some(value),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                None
            }
        };
        let body = Self::map(&block.body, block.header_span(), &mut value);
        if diagnostics.is_empty() { Ok(body) } else { Err(diagnostics) }
    }

    /// What can be known without evaluating references and calls, for validation. Mistakes in constants are added.
    pub fn constants(block: &ast::Block, diagnostics: &mut Diagnostics) -> Self {
        let mut value = |expr: &Expr| match eval::constant(expr) {
            Some(Ok(value)) => Some(value),
            Some(Err(diagnostic)) => {
                diagnostics.push(diagnostic);
                None
            }
            None => None,
        };
        Self::map(&block.body, block.header_span(), &mut value)
    }

    fn map(body: &ast::Body, span: Span, value: &mut dyn FnMut(&Expr) -> Option<Value>) -> Self {
        let items = body
            .iter()
            .map(|statement| match statement {
                Statement::Attribute(attribute) => Item::Attribute(AttributeItem {
                    name: attribute.name.clone(),
                    value: value(&attribute.value),
                    expr: Arc::clone(&attribute.value),
                }),
                Statement::Block(block) => Item::Block(BlockItem {
                    name: block.dotted_name(),
                    name_span: block.name[0].span.to(block.name[block.name.len() - 1].span),
                    label: block.label.clone(),
                    body: Self::map(&block.body, block.header_span(), value),
                }),
            })
            .collect();
        Self { span, items }
    }

    /// Where a dotted field path stands (`client.endpoint`): the attribute's value, the innermost block that exists,
    /// or the block itself.
    pub fn locate(&self, path: &str) -> Span {
        // Block names may hold dots, so the longest name that fits is taken at each step.
        for item in &self.items {
            match item {
                Item::Attribute(attribute) if *attribute.name.text == *path => return attribute.expr.span,
                Item::Block(block) if block.name == path => return block.body.span,
                Item::Block(block) => {
                    if let Some(rest) = path.strip_prefix(&block.name).and_then(|rest| rest.strip_prefix('.')) {
                        return block.body.locate(rest);
                    }
                }
                Item::Attribute(_) => {}
            }
        }
        self.span
    }

    /// Whether what stands at a dotted field path is known: it does not stand there, or has a value.
    pub fn is_known(&self, path: &str) -> bool {
        self.items.iter().all(|item| match item {
            Item::Attribute(attribute) => *attribute.name.text != *path || attribute.value.is_some(),
            Item::Block(block) => {
                let rest = path.strip_prefix(&block.name).and_then(|rest| rest.strip_prefix('.'));
                rest.is_none_or(|rest| block.body.is_known(rest))
            }
        })
    }

    /// Whether both mean the same: names, labels and values, wherever they stand.
    pub fn same(&self, other: &Self) -> bool {
        self.items.len() == other.items.len()
            && self.items.iter().zip(&other.items).all(|pair| match pair {
                (Item::Attribute(a), Item::Attribute(b)) => {
                    a.name.text == b.name.text
                        && match (&a.value, &b.value) {
                            (Some(a), Some(b)) => Value::same(a, b),
                            (None, None) => true,
                            _ => false,
                        }
                }
                (Item::Block(a), Item::Block(b)) => {
                    a.name == b.name
                        && a.label.as_ref().map(|label| &label.text) == b.label.as_ref().map(|label| &label.text)
                        && a.body.same(&b.body)
                }
                _ => false,
            })
    }
}
