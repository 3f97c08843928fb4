//! Checking one block by the declaration of its statements.

use corten_component::arguments::{Item, check};
use corten_component::{Arguments, Body};
use corten_syntax::ast::{Block, ExprKind, LiteralValue, Statement};
use corten_syntax::eval::did_you_mean;
use corten_syntax::{Diagnostic, Diagnostics, quote};

use super::{Validation, deprecated};
use crate::graph::{Definition, Kind, NodeDef, Structure};
use crate::import;
use crate::plan::{ArgumentArguments, ExportArguments, ForeachArguments, no_blocks};

impl Validation<'_> {
    pub(super) fn block(&self, structure: &Structure, node: &NodeDef, diagnostics: &mut Diagnostics) {
        let body = Body::constants(&node.block, diagnostics);
        match &node.kind {
            Kind::Component(registration) => {
                check((registration.schema)(), &body, diagnostics);
                for note in registration.notes_of(&body) {
                    let span = note.fields.first().map_or(body.span, |field| body.locate(field));
                    let mut diagnostic = Diagnostic::note(span, note.message);
                    diagnostic.help = note.help;
                    diagnostics.push(diagnostic);
                }
            }
            Kind::Custom(definition) => custom(node, definition, &body, diagnostics),
            Kind::Import(kind) => import::check(*kind, &body, &*self.settings.fetch, diagnostics),
            Kind::Argument => check(ArgumentArguments::schema(), &body, diagnostics),
            Kind::Export => check(ExportArguments::schema(), &body, diagnostics),
            Kind::Host(index) => check(self.settings.host_blocks[*index].schema(), &body, diagnostics),
            Kind::Foreach { template } => {
                check(ForeachArguments::schema(), &body, diagnostics);
                self.template(template, diagnostics);
            }
            Kind::Declare | Kind::Broken => {}
        }
        deprecated(structure, node, diagnostics);
    }
}

fn custom(node: &NodeDef, definition: &Definition, body: &Body, diagnostics: &mut Diagnostics) {
    if node.block.label.is_none() {
        let message = format!("component {} must have a label", quote(&node.name));
        diagnostics.push(
            Diagnostic::error(node.block.header_span(), message)
                .with_help(format!("write {} \"default\" {{ ... }}", node.name)),
        );
    }
    // What an import brings is not known here.
    let declared = match definition {
        Definition::Declared { block, .. } => Some(declared_arguments(block)),
        Definition::Imported { .. } => None,
    };
    let mut seen: Vec<&str> = Vec::new();
    for item in &body.items {
        let attribute = match item {
            Item::Attribute(attribute) => attribute,
            Item::Block(block) => {
                diagnostics.push(no_blocks(&block.name, block.name_span));
                continue;
            }
        };
        let name: &str = &attribute.name.text;
        if seen.contains(&name) {
            let message = format!("attribute {} may only be provided once", quote(name));
            diagnostics.push(Diagnostic::error(attribute.name.span, message));
        } else if let Some(declared) = &declared
            && !declared.iter().any(|(known, _)| *known == name)
        {
            let message = format!("unrecognized attribute name {}", quote(name));
            let mut diagnostic = Diagnostic::error(attribute.name.span, message);
            diagnostic.help = did_you_mean(name, declared.iter().map(|(known, _)| *known));
            diagnostics.push(diagnostic);
        }
        seen.push(name);
    }
    for (name, required) in declared.into_iter().flatten() {
        if required && !seen.contains(&name) {
            let message = format!("missing required attribute {}", quote(name));
            diagnostics.push(Diagnostic::error(node.block.header_span(), message));
        }
    }
}

/// The arguments that a declare's body takes, and whether they must be given.
fn declared_arguments(block: &Block) -> Vec<(&str, bool)> {
    let arguments = block.body.iter().filter_map(|statement| match statement {
        Statement::Block(inner) if inner.dotted_name() == "argument" => Some(inner),
        _ => None,
    });
    arguments
        .filter_map(|inner| {
            let optional = inner.body.iter().any(|statement| match statement {
                Statement::Attribute(attribute) if &*attribute.name.text == "optional" => match &attribute.value.kind {
                    ExprKind::Literal(literal) => literal.value == LiteralValue::Bool(true),
                    // What must be evaluated to be known cannot be missed here.
                    _ => true,
                },
                _ => false,
            });
            Some((&*inner.label.as_ref()?.text, !optional))
        })
        .collect()
}
