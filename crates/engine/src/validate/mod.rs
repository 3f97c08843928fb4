//! Checking a configuration without running it: no evaluation, no side effects.

mod block;

use std::sync::Arc;

use corten_syntax::ast::Block;
use corten_syntax::stdlib::{self, NoticeKind};
use corten_syntax::{Diagnostic, Diagnostics, Severity, SourceMap};

use crate::graph::{self, Examined, GraphContext, Kind, Lexical, ModuleKind, NodeDef, Structure, each_expression};
use crate::host::HostKind;
use crate::{Settings, Source};

/// Checks a configuration: syntax, names, labels, counts, types of constants, references, cycles, bodies of
/// declares, arguments of custom components, deprecated functions.
///
/// Nothing is evaluated, built or fetched, and only the source's own files are read; what an import brings is
/// trusted. Warnings and notes count as diagnostics too. An unreadable source is one diagnostic without a place.
pub fn validate(source: &Source, settings: &Settings) -> (SourceMap, Diagnostics) {
    let mut map = SourceMap::default();
    let texts = match source.read() {
        Ok(texts) => texts,
        Err(why) => return (map, vec![Diagnostic::error(None, why)]),
    };
    let (body, mut diagnostics) = texts.parse(&mut map);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return (map, diagnostics);
    }
    let context =
        GraphContext { registry: &settings.registry, host_blocks: &settings.host_blocks, map: &map, fetched: false };
    let examined = graph::build(ModuleKind::Root, &body, None, texts.directory.as_str().into(), &context);
    Validation { settings, context }.scope(&examined, &mut diagnostics);
    (map, diagnostics)
}

struct Validation<'a> {
    settings: &'a Settings,
    context: GraphContext<'a>,
}

/// The order in which the kinds of block of one body are reported.
fn rank(settings: &Settings, kind: &Kind, name: &str) -> u8 {
    match kind {
        Kind::Declare => 0,
        Kind::Argument | Kind::Export | Kind::Foreach { .. } | Kind::Import(_) => 1,
        Kind::Host(index) if settings.host_blocks[*index].kind == HostKind::Config => 1,
        Kind::Host(_) => 3,
        Kind::Broken if matches!(name, "argument" | "export" | "foreach" | "logging" | "tracing") => 1,
        Kind::Broken if name.starts_with("import.") => 1,
        Kind::Broken if name == "declare" => 0,
        Kind::Component(_) | Kind::Custom(_) | Kind::Broken => 2,
    }
}

impl Validation<'_> {
    fn scope(&self, examined: &Examined, diagnostics: &mut Diagnostics) {
        let structure = &examined.structure;
        diagnostics.extend(examined.blocks.iter().filter(|(at, _)| at.is_none()).map(|(_, d)| d.clone()));
        let mut nodes: Vec<(usize, &NodeDef)> = structure.nodes.iter().enumerate().collect();
        nodes.sort_by_key(|(_, node)| rank(self.settings, &node.kind, &node.name));
        for (index, node) in nodes {
            let own = examined.blocks.iter().filter(|(at, _)| *at == Some(index));
            diagnostics.extend(own.map(|(_, diagnostic)| diagnostic.clone()));
            if let Kind::Declare = node.kind {
                self.declare(&node.block, &structure.lexical, diagnostics);
            } else {
                self.block(structure, node, diagnostics);
            }
        }
        diagnostics.extend(examined.warnings.iter().cloned());
        diagnostics.extend(examined.unresolved.iter().cloned());
        for cycle in &examined.cycles {
            diagnostics.extend(graph::validate_messages(structure, cycle));
        }
    }

    fn declare(&self, block: &Block, lexical: &Arc<Lexical>, diagnostics: &mut Diagnostics) {
        let (parent, path) = (Some(Arc::clone(lexical)), Arc::clone(&lexical.module_path));
        let examined = graph::build(ModuleKind::Declare, &block.body, parent, path, &self.context);
        self.scope(&examined, diagnostics);
    }

    /// The nodes of a foreach's template; what is wrong with their places is known from the graph.
    fn template(&self, template: &Structure, diagnostics: &mut Diagnostics) {
        for node in &template.nodes {
            match node.kind {
                Kind::Declare => self.declare(&node.block, &template.lexical, diagnostics),
                _ => self.block(template, node, diagnostics),
            }
        }
    }
}

/// Warnings for the deprecated functions that a node's expressions use.
pub(crate) fn deprecated(structure: &Structure, node: &NodeDef, diagnostics: &mut Diagnostics) {
    let shadowed = |name: &str| {
        structure.variable.as_deref() == Some(name)
            || structure.index.keys().any(|id| id.split('.').next() == Some(name))
    };
    each_expression(&node.block.body, &mut |expr| {
        for notice in stdlib::references(expr, &shadowed) {
            if notice.kind == NoticeKind::Deprecated {
                let message = "this stdlib function is deprecated; please refer to the documentation for updated \
                               usage and alternatives";
                let mut warning = Diagnostic::warning(notice.span, message);
                warning.help = notice.function.replaced_by.map(|now| format!("use {now} instead"));
                diagnostics.push(warning);
            }
        }
    });
}
