//! The tree of a parsed file. Every node knows its [`Span`]; literals keep the text that the user wrote.

use std::sync::Arc;

use crate::Span;

/// A parsed file.
#[derive(Debug, Clone)]
pub struct File {
    /// The statements of the file.
    pub body: Body,
    /// All comments in file order (the formatter puts them back).
    pub comments: Vec<Comment>,
}

/// A comment with its delimiters.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Where it stands.
    pub span: Span,
    /// Its text, `//` or `/*` included.
    pub text: Arc<str>,
}

/// The statements between two braces, or of a whole file.
pub type Body = Vec<Statement>;

/// An attribute or a block.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `name = expression`
    Attribute(Attribute),
    /// `name "label" { ... }`
    Block(Arc<Block>),
}

/// `name = expression`
#[derive(Debug, Clone)]
pub struct Attribute {
    /// The name.
    pub name: Ident,
    /// The value.
    pub value: Arc<Expr>,
}

/// `a.b "label" { ... }`
#[derive(Debug, Clone)]
pub struct Block {
    /// The parts of the dotted name; never empty.
    pub name: Vec<Ident>,
    /// The label without quotes; `None` also for an empty one.
    pub label: Option<Ident>,
    /// The statements inside.
    pub body: Body,
    /// Position of `{`.
    pub open: Span,
    /// Position of `}`.
    pub close: Span,
}

impl Block {
    /// The dotted name: `prometheus.scrape`.
    pub fn dotted_name(&self) -> String {
        self.name.iter().map(|part| &*part.text).collect::<Vec<_>>().join(".")
    }

    /// From the name to `}`.
    pub fn span(&self) -> Span {
        self.name[0].span.to(self.close)
    }

    /// From the name to the label, what a diagnostic about the block as such points at.
    pub fn header_span(&self) -> Span {
        let last = self.label.as_ref().unwrap_or(&self.name[self.name.len() - 1]);
        self.name[0].span.to(last.span)
    }
}

/// A name where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// The name; for a label what is between the quotes.
    pub text: Arc<str>,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A literal.
    Literal(Literal),
    /// `name`
    Ident(Arc<str>),
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `{a = 1, "b" = 2}`
    Object(Vec<Field>),
    /// `value.name`
    Access {
        /// What is accessed.
        value: Box<Expr>,
        /// The field.
        name: Ident,
    },
    /// `value[index]`
    Index {
        /// What is indexed.
        value: Box<Expr>,
        /// The index.
        index: Box<Expr>,
    },
    /// `function(args)`
    Call {
        /// What is called.
        function: Box<Expr>,
        /// The arguments.
        args: Vec<Expr>,
    },
    /// `-x`, `!x`
    Unary {
        /// The operator.
        op: UnaryOp,
        /// The operand.
        operand: Box<Expr>,
    },
    /// `a + b`
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator stands.
        op_span: Span,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
    /// `(x)`
    Paren(Box<Expr>),
}

/// A field of an object literal.
#[derive(Debug, Clone)]
pub struct Field {
    /// The key as the language takes it (quoted keys raw).
    pub key: Ident,
    /// Whether the user quoted it.
    pub quoted: bool,
    /// The value.
    pub value: Expr,
}

/// A literal: its decoded meaning and the text as written.
#[derive(Debug, Clone)]
pub struct Literal {
    /// What it means.
    pub value: LiteralValue,
    /// As the user wrote it.
    pub raw: Arc<str>,
}

/// The meaning of a literal.
#[derive(Debug, Clone, PartialEq)]
pub enum LiteralValue {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Digits only, or a float.
    Number(crate::Number),
    /// Escapes resolved.
    String(Arc<str>),
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Neg,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is named for its sign, see `symbol`
pub enum BinaryOp {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl BinaryOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }
}
