//! The page of one component.

use std::fmt::Write;

use corten_component::Registration;
use corten_component::arguments::{AttributeField, BlockField, Field, FieldKind, Repeat, Schema};
use corten_syntax::Value;

use crate::links::Links;
use crate::markdown::{code, table};

pub(crate) fn page(registration: &Registration, example: &str, links: &Links) -> String {
    let schema = (registration.schema)();
    let defaults = (schema.default)();
    let mut out = format!("# {}\n\n{}\n\n", registration.name, registration.doc.trim());
    let _ = write!(out, "## Usage\n\n```text\n{}```\n\n", usage(registration.name, schema));
    let _ = write!(out, "## Arguments\n\n{}\n", arguments(schema, &*defaults, "The component"));
    blocks(schema, &*defaults, &mut out);
    exports(registration, &mut out);
    out.push_str(HEALTH);
    metrics(registration, &mut out);
    compatible(registration, links, &mut out);
    let _ = write!(out, "## Example\n\n```alloy\n{}\n```\n", example.trim());
    out
}

const HEALTH: &str = "\
## Health

Healthy while its arguments evaluate, it has been built and it runs; what the component itself reports can only make
that worse. `/api/v0/web/components` and the summary page show the state with its reason.

";

fn usage(name: &str, schema: &'static Schema) -> String {
    let mut out = format!("{name} \"LABEL\" {{\n");
    required(schema, 1, &mut out);
    out.push_str("}\n");
    out
}

/// What must be written, with placeholders.
fn required(schema: &'static Schema, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for field in schema.all_fields().into_iter().filter(|field| field.required) {
        match &field.kind {
            FieldKind::Attribute(_) => {
                let _ = writeln!(out, "{indent}{} = {}", field.name, field.name.to_uppercase());
            }
            FieldKind::Block(block) => {
                let label = if block.repeat == Repeat::Labelled { " \"LABEL\"" } else { "" };
                let mut inside = String::new();
                required((block.schema)(), depth + 1, &mut inside);
                // An optional inside is shown as such.
                let _ = match inside.is_empty() {
                    true => writeln!(out, "{indent}{}{label} {{ ... }}", field.name),
                    false => writeln!(out, "{indent}{}{label} {{\n{inside}{indent}}}", field.name),
                };
            }
            FieldKind::Flatten(_) => {}
        }
    }
}

/// The table of a schema's attributes.
fn arguments(schema: &'static Schema, defaults: &dyn std::any::Any, subject: &str) -> String {
    let mut rows = Vec::new();
    attributes(schema, defaults, &mut rows);
    if rows.is_empty() {
        return format!("{subject} takes no arguments, only blocks.\n").replace(
            ", only blocks",
            match has_blocks(schema) {
                true => ", only blocks",
                false => "",
            },
        );
    }
    table(&["name", "type", "what it is", "default", "required"], &rows)
}

fn has_blocks(schema: &'static Schema) -> bool {
    schema.all_fields().iter().any(|field| matches!(field.kind, FieldKind::Block(_)))
}

fn attributes(schema: &'static Schema, defaults: &dyn std::any::Any, rows: &mut Vec<Vec<String>>) {
    for field in schema.fields {
        match &field.kind {
            FieldKind::Attribute(attribute) => rows.push(row(field, attribute, defaults)),
            FieldKind::Flatten(flatten) => attributes((flatten.schema)(), (flatten.get)(defaults), rows),
            FieldKind::Block(_) => {}
        }
    }
}

fn row(field: &Field, attribute: &AttributeField, defaults: &dyn std::any::Any) -> Vec<String> {
    let choices: Vec<String> = (attribute.choices)().iter().map(|choice| format!("`\"{choice}\"`")).collect();
    let doc = match choices.is_empty() {
        true => field.doc.to_owned(),
        false => format!("{} One of {}.", field.doc, choices.join(", ")),
    };
    let default = if field.required { String::new() } else { code(&default((attribute.get)(defaults))) };
    let required = if field.required { "yes" } else { "no" };
    vec![code(field.name), code(&(attribute.type_name)()), doc, default, required.to_owned()]
}

/// How a default is written in the file; empty for what is absent.
fn default(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => corten_syntax::quote(&text),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(|element| default(element.clone())).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key} = {}", default(value.clone()))).collect();
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        // Secrets and handles have no default that could be written.
        _ => String::new(),
    }
}

/// A line per block, then a section with the arguments of each.
fn blocks(schema: &'static Schema, defaults: &dyn std::any::Any, out: &mut String) {
    let mut found = Vec::new();
    gather(schema, defaults, "", &mut found, 0);
    if found.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|block| {
            let often = match block.field.repeat {
                Repeat::Once => "at most once",
                Repeat::Many => "any number of times",
                Repeat::Labelled => "any number of times, with a label",
            };
            let often = if block.required && block.field.repeat == Repeat::Once { "once" } else { often };
            let link = format!("[{}](#{})", block.path, anchor(&block.path));
            let required = if block.required { "yes" } else { "no" };
            vec![link, block.doc.to_owned(), often.to_owned(), required.to_owned()]
        })
        .collect();
    let _ = write!(out, "## Blocks\n\n{}\n", table(&["block", "what it is", "how often", "required"], &rows));
    for block in found {
        let _ = write!(out, "### {}\n\n{}\n\n{}\n", block.path, block.about(), block.arguments);
    }
}

struct Block {
    path: String,
    doc: &'static str,
    required: bool,
    field: &'static BlockField,
    arguments: String,
}

impl Block {
    /// What the schema says of itself, else what the field says.
    fn about(&self) -> &'static str {
        let own = (self.field.schema)().doc;
        if own.is_empty() { self.doc } else { own }
    }
}

/// Deep enough for every block there is; a schema that contains itself would go on for ever.
const DEEPEST: usize = 8;

fn gather(schema: &'static Schema, defaults: &dyn std::any::Any, above: &str, found: &mut Vec<Block>, depth: usize) {
    for field in schema.fields {
        match &field.kind {
            FieldKind::Flatten(flatten) => {
                gather((flatten.schema)(), (flatten.get)(defaults), above, found, depth);
            }
            FieldKind::Block(block) if depth < DEEPEST => {
                let path = if above.is_empty() { field.name.to_owned() } else { format!("{above} > {}", field.name) };
                let inner = (block.schema)();
                // A block that is always there has the defaults of its parent, any other its own.
                let fresh = (inner.default)();
                let parents = (block.get)(defaults).first().map(|(_, value)| *value);
                let values = parents.unwrap_or(&*fresh);
                found.push(Block {
                    path: path.clone(),
                    doc: field.doc,
                    required: field.required,
                    field: block,
                    arguments: arguments(inner, values, "The block"),
                });
                gather(inner, values, &path, found, depth + 1);
            }
            _ => {}
        }
    }
}

/// As renderers make an anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " _-".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn exports(registration: &Registration, out: &mut String) {
    let fields = (registration.exports)();
    if fields.is_empty() {
        out.push_str("## Exports\n\nNothing.\n\n");
        return;
    }
    let rows: Vec<Vec<String>> =
        fields.iter().map(|field| vec![code(field.name), code(&(field.type_name)()), field.doc.to_owned()]).collect();
    let _ = write!(out, "## Exports\n\n{}\n", table(&["name", "type", "what it is"], &rows));
}

fn metrics(registration: &Registration, out: &mut String) {
    if registration.metrics.is_empty() {
        out.push_str("## Metrics\n\nNone of its own.\n\n");
        return;
    }
    let rows: Vec<Vec<String>> = registration
        .metrics
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
            vec![code(metric.name), metric.kind.as_str().to_owned(), metric.help.to_owned(), labels.join(", ")]
        })
        .collect();
    let table = table(&["name", "type", "what it counts", "labels"], &rows);
    let _ = write!(out, "## Metrics\n\nEach also has the labels `component_path` and `component_id`.\n\n{table}\n");
}

fn compatible(registration: &Registration, links: &Links, out: &mut String) {
    let mut lines = String::new();
    let linked = |names: &[&str]| -> String {
        names.iter().map(|name| format!("[{name}]({name}.md)")).collect::<Vec<_>>().join(", ")
    };
    for (capsule, names) in links.sources(registration) {
        let _ = writeln!(lines, "- Its arguments take `{capsule}` from {}", linked(names));
    }
    for (capsule, names) in links.users(registration) {
        let _ = writeln!(lines, "- Its export `{capsule}` goes into arguments of {}", linked(names));
    }
    if !lines.is_empty() {
        let _ = write!(out, "## Compatible components\n\n{lines}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_the_declaration_says() {
        let registry = corten_pipeline::registry().expect("a registry");
        let links = Links::new(&registry);
        let batch = registry.get("otelcol.processor.batch").expect("registered");
        let page = page(batch, "example\n", &links);
        for line in [
            "# otelcol.processor.batch\n",
            "| `timeout` | `duration` |",
            "`\"200ms\"` | no |",
            "### output\n",
            "| `input` | `capsule(\"otelcol.Consumer\")` |",
            "`otelcol_processor_batch_timeout_trigger_send_total`",
            "[otelcol.receiver.otlp](otelcol.receiver.otlp.md)",
            "```alloy\nexample\n```\n",
        ] {
            assert!(page.contains(line), "{line:?} is missing in\n{page}");
        }
    }

    #[test]
    fn anchors_are_those_of_renderers() {
        assert_eq!(anchor("client > tls"), "client--tls");
        assert_eq!(anchor("retry_on_failure"), "retry_on_failure");
    }
}
