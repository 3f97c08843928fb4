//! Takes components that are not registered out of a file, with every reference to them.
//!
//! A configuration that needs components of the future can so be run today, for the points that do not need them.
//! What was cut is returned and must be printed; once a component exists, nothing of it is cut.

use std::collections::BTreeSet;

use corten_component::Registry;
use corten_syntax::ast::{Block, Body, Expr, ExprKind, Statement};
use corten_syntax::{SourceMap, Span, eval, parse};

/// A file without its unregistered components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What is left.
    pub text: String,
    /// What went: blocks by their id, and statements or list elements that referred to them.
    pub removed: Vec<String>,
}

/// Top-level blocks that are no components.
const CONFIG: [&str; 8] = ["logging", "tracing", "http", "livedebugging", "remotecfg", "declare", "foreach", "import"];

/// Cuts a file down to the components of a registry. Blocks that lose a whole argument they need go too.
pub fn cut(text: &str, registry: &Registry) -> Cut {
    let mut map = SourceMap::default();
    let (file, diagnostics) = parse(&mut map, "cut.alloy", text);
    assert!(diagnostics.is_empty(), "the file to cut must parse: {diagnostics:?}");
    let blocks: Vec<&Block> = file
        .body
        .iter()
        .filter_map(|statement| match statement {
            Statement::Block(block) => Some(&**block),
            Statement::Attribute(_) => None,
        })
        .collect();
    let mut gone = BTreeSet::new();
    let mut spans: Vec<Span> = Vec::new();
    let mut removed = Vec::new();
    for block in &blocks {
        let name = block.dotted_name();
        let known = registry.get(&name).is_some() || CONFIG.contains(&name.split('.').next().unwrap_or_default());
        if !known {
            gone.insert(id(block));
            removed.push(id(block));
            spans.push(block.span());
        }
    }
    for block in blocks.iter().filter(|block| !gone.contains(&id(block))) {
        cut_body(&block.body, &gone, &id(block), &map, &mut spans, &mut removed);
    }
    spans.sort();
    let mut left = String::new();
    let mut at = 0;
    for span in spans {
        if span.start as usize >= at {
            left.push_str(&text[at..span.start as usize]);
            at = span.end as usize;
        }
    }
    left.push_str(&text[at..]);
    Cut { text: left, removed }
}

fn id(block: &Block) -> String {
    let label = block.label.as_ref().map(|label| format!(".{}", label.text)).unwrap_or_default();
    block.dotted_name() + &label
}

fn cut_body(
    body: &Body,
    gone: &BTreeSet<String>,
    owner: &str,
    map: &SourceMap,
    spans: &mut Vec<Span>,
    removed: &mut Vec<String>,
) {
    for statement in body {
        match statement {
            Statement::Block(block) => cut_body(&block.body, gone, owner, map, spans, removed),
            Statement::Attribute(attribute) => match &attribute.value.kind {
                ExprKind::Array(elements) if elements.iter().any(|element| refers(element, gone)) => {
                    for element in elements.iter().filter(|element| refers(element, gone)) {
                        removed.push(format!("{owner}: {} of {}", map.text(element.span), attribute.name.text));
                        spans.push(with_comma(element.span, map));
                    }
                }
                _ if refers(&attribute.value, gone) => {
                    removed.push(format!("{owner}: {}", attribute.name.text));
                    spans.push(attribute.name.span.to(attribute.value.span));
                }
                _ => {}
            },
        }
    }
}

fn refers(expr: &Expr, gone: &BTreeSet<String>) -> bool {
    eval::references(expr).iter().any(|traversal| {
        let name = traversal.dotted();
        gone.iter().any(|id| name == *id || name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('.')))
    })
}

/// The element with the comma behind it, if there is one.
fn with_comma(span: Span, map: &SourceMap) -> Span {
    let Some(file) = map.get(span.file) else { return span };
    let rest = &file.text[span.end as usize..];
    let skipped = rest.len() - rest.trim_start().len();
    if rest.trim_start().starts_with(',') { Span { end: span.end + skipped as u32 + 1, ..span } } else { span }
}

#[cfg(test)]
mod tests {
    use corten_component::Registry;

    use super::cut;

    #[test]
    fn blocks_and_references_to_them_go() {
        let text = "logging { }\na.b \"x\" {\n  to = 1\n}\n";
        let cut = cut(text, &Registry::new());
        assert_eq!(cut.removed, ["a.b.x"]);
        assert_eq!(cut.text.trim(), "logging { }");
    }
}
