//! A plan: every node evaluated, every new instance built aside, nothing running touched.

mod component;
mod custom;
mod foreach;
mod import;
mod kinds;
mod program;
mod value;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use corten_component::node::{Node, Pending};
use corten_component::{Body, HealthReport, Instance, NodeId, Note, Registration};
use corten_syntax::ast::Block;
use corten_syntax::{Diagnostic, Diagnostics, Object, SourceMap};

use crate::engine::{Exports, Inner, Refusals};
use crate::graph::{GraphContext, Structure};
use crate::live::{Erased, Graph, LiveNode};

pub(crate) use component::no_blocks;
pub(crate) use foreach::ForeachArguments;
pub(crate) use program::{Program, sha256};
pub(crate) use value::{ArgumentArguments, ExportArguments};
pub(crate) use walk::same;

/// Why a plan is made.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    /// The user wants this: any mistake refuses the whole.
    Load,
    /// Exports have changed: only what depends on them is evaluated. What fails keeps its last arguments.
    Exports { dirty: BTreeSet<NodeId> },
    /// The content of an import has changed: everything is evaluated. What fails keeps its last arguments.
    Content,
}

/// What the commit does with a node.
pub(crate) enum Entry {
    /// Leaves it alone; what is known of it may be newer.
    Keep(LiveNode),
    /// Hands it new arguments.
    Update { live: LiveNode, args: Erased },
    /// Starts a new instance.
    Build(Box<Building>),
}

/// An instance that has been built and not started.
pub(crate) struct Building {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) references: Vec<Arc<str>>,
    pub(crate) exports: Arc<Object>,
    pub(crate) body: Arc<Body>,
    pub(crate) node: Arc<Node>,
    pub(crate) registration: Registration,
    pub(crate) args: Erased,
    pub(crate) instance: Box<dyn Instance>,
    pub(crate) pending: Pending,
    pub(crate) block: Arc<Block>,
    /// Whether an instance of it runs, or ran.
    pub(crate) replaces: bool,
    /// Whether its metrics are shown.
    pub(crate) shown: bool,
    /// What the instance before it said last.
    pub(crate) said: Option<HealthReport>,
    /// What is worth knowing about its arguments, as far as it is new.
    pub(crate) notes: Vec<Note>,
}

impl Entry {
    pub(crate) fn id(&self) -> &NodeId {
        match self {
            Self::Keep(live) | Self::Update { live, .. } => &live.id,
            Self::Build(building) => &building.id,
        }
    }
}

/// What a walk needs and makes.
pub(crate) struct Planner<'e> {
    pub(crate) engine: &'e Arc<Inner>,
    pub(crate) live: Arc<Graph>,
    pub(crate) mode: Mode,
    pub(crate) map: SourceMap,
    /// Bodies of declares that have been examined, by the address of their block (which the value keeps alive).
    pub(crate) structures: HashMap<usize, (Arc<Block>, Arc<Structure>)>,
    /// What components export now.
    pub(crate) current: Exports,
    pub(crate) entries: Vec<Entry>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) warnings: Diagnostics,
    /// Whether the nodes being planned have their metrics shown.
    pub(crate) metrics: bool,
    /// Nodes whose new instance could not get its resources.
    pub(crate) refusals: Refusals,
}

impl<'e> Planner<'e> {
    pub(crate) fn new(engine: &'e Arc<Inner>, live: Arc<Graph>, mode: Mode, current: Exports) -> Self {
        Self {
            engine,
            live,
            mode,
            map: SourceMap::default(),
            structures: HashMap::new(),
            current,
            entries: Vec::new(),
            diagnostics: Vec::new(),
            warnings: Vec::new(),
            metrics: true,
            refusals: Refusals::new(),
        }
    }

    pub(crate) fn is_load(&self) -> bool {
        matches!(self.mode, Mode::Load)
    }

    pub(crate) fn context(&self, fetched: bool) -> GraphContext<'_> {
        let settings = &self.engine.settings;
        GraphContext { registry: &settings.registry, host_blocks: &settings.host_blocks, map: &self.map, fetched }
    }

    /// A node that is not live yet.
    fn fresh_node(&self, id: &NodeId) -> Arc<Node> {
        let settings = &self.engine.settings;
        let metrics = if self.metrics { settings.metrics.node(id) } else { Default::default() };
        let data_dir: PathBuf = settings.storage_path.join(id.to_string());
        let changes = Arc::downgrade(&self.engine.changes);
        let of = id.clone();
        Node::new(id.clone(), data_dir, metrics, settings.services.clone(), move |exports| {
            if let Some(changes) = changes.upgrade() {
                changes.publish(&of, exports);
            }
        })
    }

    /// Gives up everything planned since `mark`.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        let live = Arc::clone(&self.live);
        for entry in self.entries.drain(mark..) {
            if let Entry::Build(building) = entry
                && !building.replaces
                && !live.get(&building.id).and_then(|live| live.component()).is_some_and(|old| old.shown)
            {
                self.engine.settings.metrics.remove_node(&building.id);
            }
        }
    }

    /// The arguments of all declared `argument` blocks of a structure, checked against what was written.
    fn argument_values(
        &self,
        structure: &Structure,
        written: &BTreeMap<Arc<str>, corten_syntax::Value>,
    ) -> Result<BTreeMap<Arc<str>, corten_syntax::Value>, Vec<String>> {
        value::argument_values(structure, written)
    }
}

/// An error that is no diagnostic of its own, as Alloy wraps it.
pub(crate) fn wrapped(block: &Block, prefix: &str, message: impl std::fmt::Display) -> Diagnostic {
    // Not the whole block: what stands in it may be secret.
    Diagnostic::error(block.header_span(), format!("{prefix}{message}"))
}
