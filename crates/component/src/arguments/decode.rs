//! The one driver that walks evaluated statements along a schema.

use std::any::Any;

use corten_syntax::eval::{locate, nearest};
use corten_syntax::{Diagnostic, Diagnostics};

use super::schema::{Field, FieldKind, Repeat, Schema};
use super::{Arguments, AttributeItem, BlockItem, Body, Item};

/// Decodes a block's statements; all mistakes at once.
pub fn decode<A: Arguments>(body: &Body) -> Result<A, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let mut target = A::default();
    decode_into(&mut target, A::schema(), body, &mut diagnostics);
    if diagnostics.is_empty() { Ok(target) } else { Err(diagnostics) }
}

/// Checks statements without knowing every value, as `validate` does: names, counts, labels, types of constants.
/// Cross-field checks run only where every value is known.
pub fn check(schema: &'static Schema, body: &Body, diagnostics: &mut Diagnostics) {
    decode_known(schema, body, diagnostics);
}

/// The same; what comes back holds the values that are known, and defaults for the others.
pub fn decode_known(schema: &'static Schema, body: &Body, diagnostics: &mut Diagnostics) -> Box<dyn Any> {
    let mut scratch = (schema.default)();
    decode_into(&mut *scratch, schema, body, diagnostics);
    scratch
}

pub(super) fn decode_into(target: &mut dyn Any, schema: &'static Schema, body: &Body, diagnostics: &mut Diagnostics) {
    let before = diagnostics.len();
    let mut seen: Vec<&str> = Vec::new();
    for item in &body.items {
        match item {
            Item::Attribute(attribute) => decode_attribute(target, schema, attribute, &mut seen, diagnostics),
            Item::Block(block) => decode_block(target, schema, block, &mut seen, diagnostics),
        }
    }
    for field in schema.all_fields() {
        if field.required && !seen.contains(&field.name) {
            let what = if matches!(field.kind, FieldKind::Block(_)) { "block" } else { "attribute" };
            diagnostics.push(Diagnostic::error(body.span, format!("missing required {what} \"{}\"", field.name)));
        }
    }
    if diagnostics.len() == before && all_known(body) {
        check_all(target, schema, body, diagnostics);
    }
}

fn check_all(target: &dyn Any, schema: &'static Schema, body: &Body, diagnostics: &mut Diagnostics) {
    for field in schema.fields {
        if let FieldKind::Flatten(flatten) = &field.kind {
            check_all((flatten.get)(target), (flatten.schema)(), body, diagnostics);
        }
    }
    if let Err(invalid) = (schema.check)(target) {
        let span = invalid.field.as_deref().map_or(body.span, |field| body.locate(field));
        let mut diagnostic = Diagnostic::error(span, invalid.message);
        diagnostic.help = invalid.help;
        diagnostics.push(diagnostic);
    }
}

fn all_known(body: &Body) -> bool {
    body.items.iter().all(|item| match item {
        Item::Attribute(attribute) => attribute.value.is_some(),
        Item::Block(block) => all_known(&block.body),
    })
}

fn decode_attribute<'b>(
    target: &mut dyn Any,
    schema: &'static Schema,
    attribute: &'b AttributeItem,
    seen: &mut Vec<&'b str>,
    diagnostics: &mut Diagnostics,
) {
    let name: &str = &attribute.name.text;
    let repeated = seen.contains(&name);
    match schema.find(name) {
        None => diagnostics.push(unknown(schema, name, "attribute", attribute.name.span)),
        Some(Field { kind: FieldKind::Block(_), .. }) => {
            seen.push(name);
            let message = format!("{name:?} must be a block, but is used as an attribute");
            let help = format!("write {name} {{ ... }} without '='");
            diagnostics.push(Diagnostic::error(attribute.name.span, message).with_help(help));
        }
        Some(_) if repeated => {
            let message = format!("attribute {name:?} may only be provided once");
            diagnostics.push(Diagnostic::error(attribute.name.span, message));
        }
        Some(_) => {
            seen.push(name);
            let Some(value) = &attribute.value else { return };
            if let Err(error) = set(target, schema, name, value) {
                let (span, text) = locate(&attribute.expr, &error.path);
                let mut diagnostic = Diagnostic::error(span, format!("{text} {}", error.message));
                diagnostic.help = error.help;
                diagnostics.push(diagnostic);
            }
        }
    }
}

fn decode_block<'b>(
    target: &mut dyn Any,
    schema: &'static Schema,
    block: &'b BlockItem,
    seen: &mut Vec<&'b str>,
    diagnostics: &mut Diagnostics,
) {
    let name = block.name.as_str();
    let header = block.body.span;
    match schema.find(name).map(|field| &field.kind) {
        None | Some(FieldKind::Flatten(_)) => diagnostics.push(unknown(schema, name, "block", block.name_span)),
        Some(FieldKind::Attribute(_)) => {
            seen.push(name);
            let message = format!("{name:?} must be an attribute, but is used as a block");
            let help = format!("write {name} = ... with '='");
            diagnostics.push(Diagnostic::error(block.name_span, message).with_help(help));
        }
        Some(FieldKind::Block(field)) => {
            if field.repeat == Repeat::Once && seen.contains(&name) {
                diagnostics.push(Diagnostic::error(header, format!("block {name:?} may only be specified once")));
                return;
            }
            seen.push(name);
            match (&block.label, field.repeat) {
                (None, Repeat::Labelled) => {
                    diagnostics.push(Diagnostic::error(header, format!("block {name:?} requires non-empty label")));
                }
                (Some(label), Repeat::Once | Repeat::Many) => {
                    let message = format!("block {name:?} does not support specifying labels");
                    diagnostics.push(Diagnostic::error(label.span, message));
                }
                _ => with_owner(target, schema, name, &mut |owner| (field.decode)(owner, block, diagnostics)),
            }
        }
    }
}

/// Runs `act` on the struct that holds the field: the target or one flattened into it.
fn with_owner(target: &mut dyn Any, schema: &'static Schema, name: &str, act: &mut dyn FnMut(&mut dyn Any)) {
    for field in schema.fields {
        let FieldKind::Flatten(flatten) = &field.kind else {
            if field.name == name {
                return act(target);
            }
            continue;
        };
        if (flatten.schema)().find(name).is_some() {
            return with_owner((flatten.get_mut)(target), (flatten.schema)(), name, act);
        }
    }
}

fn set(
    target: &mut dyn Any,
    schema: &'static Schema,
    name: &str,
    value: &corten_syntax::Value,
) -> Result<(), super::ValueError> {
    let mut answer = Ok(());
    with_owner(target, schema, name, &mut |owner| {
        if let Some(Field { kind: FieldKind::Attribute(attribute), .. }) = schema.find(name) {
            answer = (attribute.set)(owner, value);
        }
    });
    answer
}

fn unknown(schema: &'static Schema, name: &str, what: &str, span: corten_syntax::Span) -> Diagnostic {
    let message = format!("unrecognized {what} name {name:?}");
    let names: Vec<&str> = schema.all_fields().iter().map(|field| field.name).collect();
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.is_empty() => "nothing may be written here".to_owned(),
        None => format!("expected one of {}", names.join(", ")),
    };
    Diagnostic::error(span, message).with_help(help)
}
