//! The nodes of one module and what they depend on, known before anything is evaluated.

mod build;
mod classify;
mod cycles;
mod resolve;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use corten_component::Registration;
use corten_syntax::ast::Block;
use corten_syntax::{Diagnostic, Diagnostics};

pub(crate) use build::{GraphContext, build};
pub(crate) use cycles::{load_message, validate_messages};
pub(crate) use resolve::each_expression;

/// What a body is, which decides what may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModuleKind {
    /// The configuration itself.
    Root,
    /// The body of a `declare`.
    Declare,
    /// The `template` of a `foreach`.
    Foreach,
    /// What an `import.*` brought.
    Content,
}

/// The names of custom components that a body can use: its own, and those of the bodies around it.
#[derive(Debug)]
pub(crate) struct Lexical {
    pub(crate) parent: Option<Arc<Lexical>>,
    pub(crate) declares: BTreeMap<Arc<str>, Arc<Block>>,
    pub(crate) imports: BTreeSet<Arc<str>>,
    /// The value of `module_path`.
    pub(crate) module_path: Arc<str>,
}

/// Which definition a custom component is an instance of. `depth` counts bodies outwards.
#[derive(Debug, Clone)]
pub(crate) enum Definition {
    /// `declare "x"`
    Declared { depth: usize, block: Arc<Block> },
    /// `x` of `import.* "namespace"`
    Imported { depth: usize, namespace: Arc<str>, name: Arc<str> },
}

/// The kinds of `import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportKind {
    File,
    Text,
    Http,
    Git,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Component(Registration),
    Custom(Definition),
    Declare,
    Import(ImportKind),
    Argument,
    Export,
    Foreach {
        template: Arc<Structure>,
    },
    /// A host block, by its place in the settings.
    Host(usize),
    /// Wrong, and reported; it stands so that references to it are not reported too.
    Broken,
}

/// A reference that a node's expressions make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// How many bodies outwards (`foreach`) the node is found; 0 is the same body.
    pub(crate) depth: usize,
    /// The node there.
    pub(crate) index: usize,
    /// How many of the dotted names are its id.
    pub(crate) names: Vec<Arc<str>>,
}

/// One block of a body.
#[derive(Debug)]
pub(crate) struct NodeDef {
    /// `otelcol.receiver.otlp.default`
    pub(crate) local: Arc<str>,
    /// The dotted name.
    pub(crate) name: Arc<str>,
    /// The block; of a `foreach` without its template.
    pub(crate) block: Arc<Block>,
    pub(crate) kind: Kind,
    /// What its expressions need; those of a template excluded.
    pub(crate) references: Vec<Reference>,
    /// All nodes of the same body that must be evaluated before.
    pub(crate) needs: Vec<usize>,
    /// Nodes of bodies outside that a template inside needs: depth and index seen from this body.
    pub(crate) outer_needs: Vec<(usize, usize)>,
}

impl NodeDef {
    pub(crate) fn label(&self) -> Option<&str> {
        self.block.label.as_ref().map(|label| &*label.text)
    }
}

/// One body as a graph.
#[derive(Debug)]
pub(crate) struct Structure {
    pub(crate) lexical: Arc<Lexical>,
    /// In the order of the file.
    pub(crate) nodes: Vec<NodeDef>,
    pub(crate) index: HashMap<Arc<str>, usize>,
    /// All nodes, each behind what it needs.
    pub(crate) order: Vec<usize>,
    /// Names that the body's variable adds (`var` of a `foreach`).
    pub(crate) variable: Option<Arc<str>>,
}

/// A structure and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) structure: Structure,
    /// Wrong statements: the index of the node if there is one.
    pub(crate) blocks: Vec<(Option<usize>, Diagnostic)>,
    /// References that lead nowhere.
    pub(crate) unresolved: Diagnostics,
    /// Nodes that need each other.
    pub(crate) cycles: Vec<Vec<usize>>,
    /// Names of the standard library that a block hides.
    pub(crate) warnings: Diagnostics,
}

impl Examined {
    /// The structure, or everything that is wrong in the order that a load reports.
    pub(crate) fn into_result(self) -> Result<Structure, Diagnostics> {
        let mut diagnostics: Diagnostics = self.blocks.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        diagnostics.extend(self.unresolved);
        diagnostics.extend(self.cycles.iter().map(|cycle| load_message(&self.structure, cycle)));
        if diagnostics.is_empty() { Ok(self.structure) } else { Err(diagnostics) }
    }
}

impl Lexical {
    /// The innermost definition of a block's name.
    pub(crate) fn find(&self, block: &Block) -> Option<Definition> {
        let first = &block.name[0].text;
        let (mut lexical, mut depth) = (self, 0);
        loop {
            match &block.name[..] {
                [name] => {
                    if let Some(block) = lexical.declares.get(&name.text) {
                        return Some(Definition::Declared { depth, block: Arc::clone(block) });
                    }
                }
                [_, rest @ ..] if lexical.imports.contains(first) => {
                    let name = rest.iter().map(|part| &*part.text).collect::<Vec<_>>().join(".");
                    return Some(Definition::Imported { depth, namespace: Arc::clone(first), name: name.into() });
                }
                _ => {}
            }
            lexical = lexical.parent.as_deref()?;
            depth += 1;
        }
    }

    /// All names of custom components in scope.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.declares.keys().cloned().collect();
        if let Some(parent) = &self.parent {
            names.extend(parent.names());
        }
        names
    }
}
