//! From statements to a [`Structure`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use corten_component::Registry;
use corten_syntax::ast::{Block, ExprKind, LiteralValue, Statement};
use corten_syntax::{Diagnostic, SourceMap, Span, quote, stdlib};

use super::classify::{classify, import_kind};
use super::cycles::{components, order};
use super::resolve::{Outer, resolve_all, used_definitions};
use super::{Examined, Kind, Lexical, ModuleKind, NodeDef, Structure};
use crate::error::place;
use crate::host::HostBlock;

/// What is known of the world while a graph is built.
#[derive(Clone, Copy)]
pub(crate) struct GraphContext<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) host_blocks: &'a [HostBlock],
    pub(crate) map: &'a SourceMap,
    /// Whether the statements came over the network, which may not import files.
    pub(crate) fetched: bool,
}

/// What a body is built from.
pub(crate) struct BodySpec<'a> {
    pub(crate) kind: ModuleKind,
    pub(crate) body: &'a [Statement],
    pub(crate) parent: Option<Arc<Lexical>>,
    pub(crate) module_path: Arc<str>,
    pub(crate) variable: Option<Arc<str>>,
}

/// Examines a body that has no body around it whose nodes it could refer to.
pub(crate) fn build(
    kind: ModuleKind,
    body: &[Statement],
    parent: Option<Arc<Lexical>>,
    module_path: Arc<str>,
    context: &GraphContext<'_>,
) -> Examined {
    examine(BodySpec { kind, body, parent, module_path, variable: None }, None, context)
}

fn lexical(spec: &BodySpec<'_>) -> Lexical {
    let (mut declares, mut imports) = (BTreeMap::new(), BTreeSet::new());
    for statement in spec.body {
        let Statement::Block(block) = statement else { continue };
        let Some(label) = &block.label else { continue };
        let name = block.dotted_name();
        if name == "declare" {
            declares.entry(Arc::clone(&label.text)).or_insert_with(|| Arc::clone(block));
        } else if import_kind(&name).is_some() {
            imports.insert(Arc::clone(&label.text));
        }
    }
    Lexical { parent: spec.parent.clone(), declares, imports, module_path: Arc::clone(&spec.module_path) }
}

fn local_id(block: &Block) -> String {
    match &block.label {
        Some(label) => format!("{}.{}", block.dotted_name(), label.text),
        None => block.dotted_name(),
    }
}

/// The shape of a body before its references are known; a foreach inside sees it.
pub(super) struct Shell {
    pub(super) index: HashMap<Arc<str>, usize>,
    pub(super) variable: Option<Arc<str>>,
}

pub(super) fn examine(spec: BodySpec<'_>, outer: Option<&Outer<'_>>, context: &GraphContext<'_>) -> Examined {
    let lexical = Arc::new(lexical(&spec));
    let mut findings = Findings::default();
    let mut nodes: Vec<NodeDef> = Vec::new();
    let mut index: HashMap<Arc<str>, usize> = HashMap::new();
    for statement in spec.body {
        let block = match statement {
            Statement::Block(block) => block,
            Statement::Attribute(attribute) => {
                let message = format!("unrecognized attribute {}", attribute.name.text);
                let help = "attributes stand inside blocks";
                findings.blocks.push((None, Diagnostic::error(attribute.name.span, message).with_help(help)));
                continue;
            }
        };
        let (local, name): (Arc<str>, Arc<str>) = (local_id(block).into(), block.dotted_name().into());
        if let Some(first) = index.get(&local) {
            let at = place(context.map, Some(nodes[*first].block.header_span()));
            let message = format!("block {local} already declared at {at}");
            findings.block(*first, block.header_span(), message);
            continue;
        }
        let kind = classify(block, &name, spec.kind, &lexical, context).unwrap_or_else(|diagnostic| {
            findings.blocks.push((Some(nodes.len()), diagnostic));
            Kind::Broken
        });
        if let (Kind::Import(_), Some(label)) = (&kind, &block.label) {
            let other = nodes.iter().find(|node| {
                matches!(node.kind, Kind::Import(_)) && node.label().is_some_and(|known| *known == *label.text)
            });
            if let Some(other) = other {
                let at = place(context.map, Some(other.block.header_span()));
                let message =
                    format!("namespace {} is already imported by {} at {at}", quote(&label.text), other.local);
                findings.block(nodes.len(), label.span, message);
            }
        }
        let first = &block.name[0];
        if matches!(kind, Kind::Custom(_)) && stdlib::lookup(&first.text).is_some() {
            let message = "a component is shadowing an existing stdlib name";
            findings.warnings.push(Diagnostic::warning(first.span, message));
        }
        index.insert(Arc::clone(&local), nodes.len());
        nodes.push(NodeDef {
            local,
            name,
            block: Arc::clone(block),
            kind,
            references: Vec::new(),
            needs: Vec::new(),
            outer_needs: Vec::new(),
        });
    }

    let shell = Shell { index, variable: spec.variable };
    let scope = Outer { shell: &shell, beyond: outer };
    for (i, node) in nodes.iter_mut().enumerate() {
        if &*node.name == "foreach" && node.block.label.is_some() {
            complete_foreach(node, i, &lexical, &scope, context, &mut findings);
        }
        let (mut references, mut needs) = (Vec::new(), Vec::new());
        if !matches!(node.kind, Kind::Declare) {
            references = resolve_all(&node.block, &scope, &mut findings.unresolved);
            needs.extend(references.iter().filter(|r| r.depth == 0).map(|r| r.index));
        }
        let mut outer_needs: Vec<(usize, usize)> = Vec::new();
        for &(depth, target) in &node.outer_needs {
            match depth {
                0 => needs.push(target),
                _ => outer_needs.push((depth, target)),
            }
        }
        outer_needs.extend(references.iter().filter(|r| r.depth > 0).map(|r| (r.depth, r.index)));
        for name in used_definitions(&node.kind, &node.block) {
            for candidate in ["declare", "import.file", "import.string", "import.http", "import.git"] {
                needs.extend(shell.index.get(&*format!("{candidate}.{name}")));
            }
        }
        needs.sort_unstable();
        needs.dedup();
        (node.references, node.needs, node.outer_needs) = (references, needs, outer_needs);
    }

    let edges: Vec<&[usize]> = nodes.iter().map(|node| &node.needs[..]).collect();
    let (cycles, order) = (components(&edges), order(&edges));
    let structure = Structure { lexical, nodes, index: shell.index, order, variable: shell.variable };
    let Findings { blocks, unresolved, warnings } = findings;
    Examined { structure, blocks, unresolved, cycles, warnings }
}

/// What is wrong, while it is being found.
#[derive(Default)]
struct Findings {
    blocks: Vec<(Option<usize>, Diagnostic)>,
    unresolved: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings {
    fn block(&mut self, at: usize, span: Span, message: impl Into<String>) {
        self.blocks.push((Some(at), Diagnostic::error(span, message)));
    }
}

/// Splits a `foreach` into its own statements and its template, and examines the template.
fn complete_foreach(
    node: &mut NodeDef,
    at: usize,
    lexical: &Arc<Lexical>,
    scope: &Outer<'_>,
    context: &GraphContext<'_>,
    findings: &mut Findings,
) {
    let (mut own, mut templates) = (Vec::new(), Vec::new());
    for statement in &node.block.body {
        match statement {
            Statement::Block(block) if block.dotted_name() == "template" => templates.push(Arc::clone(block)),
            other => own.push(other.clone()),
        }
    }
    let template = match &templates[..] {
        [template] => Arc::clone(template),
        [] => return findings.block(at, node.block.header_span(), "missing required block \"template\""),
        [_, second, ..] => {
            return findings.block(at, second.header_span(), "block \"template\" may only be specified once");
        }
    };
    let spec = BodySpec {
        kind: ModuleKind::Foreach,
        body: &template.body,
        parent: Some(Arc::clone(lexical)),
        module_path: Arc::clone(&lexical.module_path),
        variable: variable_name(&node.block),
    };
    let examined = examine(spec, Some(scope), context);
    findings.warnings.extend(examined.warnings);
    findings.blocks.extend(examined.blocks.into_iter().map(|(_, diagnostic)| (Some(at), diagnostic)));
    findings.unresolved.extend(examined.unresolved);
    for cycle in &examined.cycles {
        findings.blocks.push((Some(at), super::load_message(&examined.structure, cycle)));
    }
    let mut needs: Vec<(usize, usize)> =
        examined.structure.nodes.iter().flat_map(|inner| &inner.outer_needs).map(|(d, i)| (d - 1, *i)).collect();
    needs.sort_unstable();
    needs.dedup();
    let whole = Arc::clone(&node.block);
    node.outer_needs = needs;
    node.block = Arc::new(Block { body: own, ..(*whole).clone() });
    node.kind = Kind::Foreach { template: Arc::new(examined.structure) };
}

/// The `var` of a foreach; it must be known without evaluation.
fn variable_name(block: &Block) -> Option<Arc<str>> {
    block.body.iter().find_map(|statement| match statement {
        Statement::Attribute(attribute) if &*attribute.name.text == "var" => match &attribute.value.kind {
            ExprKind::Literal(literal) => match &literal.value {
                LiteralValue::String(text) => Some(Arc::clone(text)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}
