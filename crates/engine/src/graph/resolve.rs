//! What references mean: the node whose id is their shortest prefix.

use std::collections::BTreeSet;
use std::sync::Arc;

use corten_syntax::ast::{Block, Body, Expr, Statement};
use corten_syntax::eval::{Traversal, did_you_mean, references};
use corten_syntax::{Diagnostic, Diagnostics, stdlib};

use super::build::Shell;
use super::{Kind, Reference};

/// A body and the bodies around it whose nodes can be referred to (`foreach` sees outwards, `declare` does not).
pub(super) struct Outer<'a> {
    pub(super) shell: &'a Shell,
    pub(super) beyond: Option<&'a Outer<'a>>,
}

enum Meaning {
    Node(Reference),
    Variable,
    Unknown,
}

impl Outer<'_> {
    fn meaning(&self, traversal: &Traversal) -> Meaning {
        let (mut scope, mut depth) = (self, 0);
        loop {
            let mut id = String::new();
            for (count, (name, _)) in traversal.names.iter().enumerate() {
                if count > 0 {
                    id.push('.');
                }
                id.push_str(name);
                if let Some(index) = scope.shell.index.get(&*id) {
                    let names = traversal.names[..=count].iter().map(|(name, _)| Arc::clone(name)).collect();
                    return Meaning::Node(Reference { depth, index: *index, names });
                }
            }
            let first = &traversal.names[0].0;
            if scope.shell.variable.as_ref() == Some(first) {
                return Meaning::Variable;
            }
            match scope.beyond {
                Some(beyond) => (scope, depth) = (beyond, depth + 1),
                None if &**first == "module_path" || stdlib::lookup(first).is_some() => return Meaning::Variable,
                None => return Meaning::Unknown,
            }
        }
    }

    /// What was likely meant: names are compared with as many leading parts of the reference as they have, because
    /// a reference goes on behind the id.
    fn nearest(&self, traversal: &Traversal) -> Option<String> {
        let mut ids: Vec<&str> = Vec::new();
        let mut scope = Some(self);
        while let Some(outer) = scope {
            ids.extend(outer.shell.index.keys().map(|id| &**id));
            ids.extend(outer.shell.variable.as_deref());
            scope = outer.beyond;
        }
        for name in stdlib::global_names() {
            ids.push(name);
        }
        ids.push("module_path");
        (1..=traversal.names.len()).rev().find_map(|count| {
            let prefix = traversal.names[..count].iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(".");
            did_you_mean(&prefix, ids.iter().copied().filter(|id| id.split('.').count() == count))
        })
    }
}

/// Every reference of a block's expressions; those that lead nowhere are reported.
pub(super) fn resolve_all(block: &Block, scope: &Outer<'_>, unresolved: &mut Diagnostics) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    each_expression(&block.body, &mut |expr| {
        for traversal in references(expr) {
            match scope.meaning(&traversal) {
                Meaning::Node(reference) if !found.contains(&reference) => found.push(reference),
                Meaning::Node(_) | Meaning::Variable => {}
                Meaning::Unknown => {
                    let dotted = traversal.dotted();
                    let message = format!("component \"{dotted}\" does not exist or is out of scope");
                    let mut diagnostic = Diagnostic::error(traversal.span, message);
                    diagnostic.help = scope.nearest(&traversal);
                    unresolved.push(diagnostic);
                }
            }
        }
    });
    found
}

/// Calls `act` on every attribute's expression, in reading order.
pub(crate) fn each_expression(body: &Body, act: &mut dyn FnMut(&Expr)) {
    for statement in body {
        match statement {
            Statement::Attribute(attribute) => act(&attribute.value),
            Statement::Block(block) => each_expression(&block.body, act),
        }
    }
}

/// The first identifiers of the custom components that a node instantiates or whose bodies it holds.
pub(super) fn used_definitions(kind: &Kind, block: &Block) -> BTreeSet<Arc<str>> {
    let mut used = BTreeSet::new();
    match kind {
        Kind::Custom(_) => {
            used.insert(Arc::clone(&block.name[0].text));
        }
        Kind::Declare => collect(&block.body, &mut Vec::new(), &mut used),
        Kind::Foreach { template } => {
            for node in &template.nodes {
                let inner = used_definitions(&node.kind, &node.block);
                let own = |name: &Arc<str>| {
                    template.lexical.declares.contains_key(name) || template.lexical.imports.contains(name)
                };
                used.extend(inner.into_iter().filter(|name| !own(name)));
            }
        }
        _ => {}
    }
    used
}

fn collect(body: &Body, hidden: &mut Vec<Arc<str>>, used: &mut BTreeSet<Arc<str>>) {
    let before = hidden.len();
    let blocks = || {
        body.iter().filter_map(|statement| match statement {
            Statement::Block(block) => Some(block),
            Statement::Attribute(_) => None,
        })
    };
    for block in blocks() {
        let name = &block.name[0].text;
        if &**name == "declare" || &**name == "import" {
            hidden.extend(block.label.as_ref().map(|label| Arc::clone(&label.text)));
        }
    }
    for block in blocks() {
        let name = &block.name[0].text;
        match &**name {
            "declare" => collect(&block.body, hidden, used),
            "foreach" => {
                for statement in &block.body {
                    if let Statement::Block(template) = statement {
                        collect(&template.body, hidden, used);
                    }
                }
            }
            _ if !hidden.contains(name) => {
                used.insert(Arc::clone(name));
            }
            _ => {}
        }
    }
    hidden.truncate(before);
}
