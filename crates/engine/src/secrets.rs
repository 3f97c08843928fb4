//! Which files hold secrets as text.

use std::collections::BTreeSet;

use corten_component::arguments::{FieldKind, Schema};
use corten_syntax::ast::{Block, Body, Expr, Statement};
use corten_syntax::{Span, Value, eval};

use crate::Settings;
use crate::graph::{Kind, Structure};
use crate::plan::Program;

/// The names of those of a configuration's own files that write out at least one secret.
pub(crate) fn secret_files(program: &Program, settings: &Settings) -> Vec<String> {
    let mut found = Search { settings, spans: Vec::new() };
    found.structure(&program.root);
    let files = found.spans.iter().filter_map(|span| program.map.get(span.file));
    files.map(|file| file.name.to_string()).collect::<BTreeSet<_>>().into_iter().collect()
}

struct Search<'a> {
    settings: &'a Settings,
    spans: Vec<Span>,
}

impl Search<'_> {
    fn structure(&mut self, structure: &Structure) {
        for node in &structure.nodes {
            match &node.kind {
                Kind::Foreach { template } => self.structure(template),
                _ => self.block(&node.block),
            }
        }
    }

    /// A block by its name, wherever it stands.
    fn block(&mut self, block: &Block) {
        let name = block.dotted_name();
        let host = || self.settings.host_blocks.iter().find(|host| host.name() == name).map(|host| host.schema());
        match self.settings.registry.get(&name).map(|known| (known.schema)()).or_else(host) {
            Some(schema) => self.body(&block.body, schema),
            // The bodies of `declare` and of a `foreach` inside.
            None => {
                for statement in &block.body {
                    if let Statement::Block(inner) = statement {
                        self.block(inner);
                    }
                }
            }
        }
    }

    fn body(&mut self, body: &Body, schema: &'static Schema) {
        for statement in body {
            match statement {
                Statement::Attribute(attribute) => {
                    if let Some(field) = schema.find(&attribute.name.text)
                        && let FieldKind::Attribute(declared) = &field.kind
                        && matches!((declared.type_name)().as_str(), "secret" | "map(secret)")
                        && is_text(&attribute.value)
                    {
                        self.spans.push(attribute.value.span);
                    }
                }
                Statement::Block(block) => {
                    if let Some(field) = schema.find(&block.dotted_name())
                        && let FieldKind::Block(declared) = &field.kind
                    {
                        self.body(&block.body, (declared.schema)());
                    }
                }
            }
        }
    }
}

fn is_text(expr: &Expr) -> bool {
    fn holds_text(value: &Value) -> bool {
        match value {
            Value::String(text) => !text.is_empty(),
            Value::Object(fields) => fields.values().any(holds_text),
            _ => false,
        }
    }
    matches!(eval::constant(expr), Some(Ok(value)) if holds_text(&value))
}
