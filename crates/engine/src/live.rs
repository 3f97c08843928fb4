//! The graph that runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use corten_component::node::{Node, ResourceId};
use corten_component::{Body, HealthReport, HealthState, NodeId, Registration};
use corten_syntax::{Object, Value};

use crate::host::Decoded;
use crate::import::ImportState;
use crate::info::NodeKind;
use crate::module::Env;
use crate::run::Runner;

/// Anything behind a key.
pub(crate) type Erased = Arc<dyn std::any::Any + Send + Sync>;

/// A node as the last commit left it. Each commit makes new ones that share what goes on.
#[derive(Clone)]
pub(crate) struct LiveNode {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) label: Option<Arc<str>>,
    /// Ids in the same body.
    pub(crate) references: Vec<Arc<str>>,
    /// What it exported when it was planned; what components published since is newer.
    pub(crate) exports: Arc<Object>,
    /// What became of its last evaluation.
    pub(crate) evaluation: HealthReport,
    /// The evaluated statements.
    pub(crate) body: Arc<Body>,
    pub(crate) what: What,
}

/// What is particular to a kind of node.
#[derive(Clone)]
pub(crate) enum What {
    Component(LiveComponent),
    /// With the last component of the path of its module.
    Custom,
    /// With the paths of its items.
    Foreach {
        children: Vec<Arc<str>>,
    },
    Import {
        state: Arc<ImportState>,
        env: Arc<Env>,
    },
    Host {
        index: usize,
        args: Decoded,
    },
    /// An `argument` or `export`.
    Value,
}

/// What belongs to a component.
#[derive(Clone)]
pub(crate) struct LiveComponent {
    pub(crate) node: Arc<Node>,
    pub(crate) registration: Registration,
    pub(crate) args: Erased,
    pub(crate) resources: Vec<(ResourceId, Erased)>,
    pub(crate) runner: Arc<Runner>,
    /// Whether its metrics are shown (`foreach` hides those inside unless told otherwise).
    pub(crate) shown: bool,
    /// Nodes whose ports and handles its arguments hold.
    pub(crate) uses: Vec<NodeId>,
    /// How many components can stand between it and a source: the order of stopping.
    pub(crate) level: usize,
}

impl LiveNode {
    pub(crate) fn component(&self) -> Option<&LiveComponent> {
        match &self.what {
            What::Component(component) => Some(component),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> Option<NodeKind> {
        match &self.what {
            What::Component(_) => Some(NodeKind::Component),
            What::Custom => Some(NodeKind::Custom),
            What::Foreach { .. } => Some(NodeKind::Foreach),
            What::Import { .. } => Some(NodeKind::Import),
            What::Host { .. } | What::Value => None,
        }
    }

    /// The path of the nodes of the module that it makes.
    pub(crate) fn inner_path(&self) -> String {
        inner_path(self.id.path(), self.id.local())
    }

    pub(crate) fn health(&self) -> HealthReport {
        let mut health = self.evaluation.clone();
        match &self.what {
            What::Component(component) => {
                health = health.worst(component.runner.health());
                if let Some(own) = component.node.health().report() {
                    health = health.worst(own);
                }
            }
            What::Import { state, .. } => health = health.worst(state.health()),
            _ => {}
        }
        health
    }
}

/// The path inside a module whose node is `local` in `path`.
pub(crate) fn inner_path(path: &str, local: &str) -> String {
    format!("{}/{local}", path.trim_end_matches('/'))
}

/// An evaluation that went well.
pub(crate) fn evaluated() -> HealthReport {
    HealthReport::now(HealthState::Healthy, "component evaluated")
}

/// All nodes, in the order of evaluation: what a node needs stands before it.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Arc<LiveNode>>,
    pub(crate) by_id: BTreeMap<NodeId, usize>,
}

impl Graph {
    pub(crate) fn new(nodes: Vec<LiveNode>) -> Self {
        let nodes: Vec<Arc<LiveNode>> = nodes.into_iter().map(Arc::new).collect();
        let by_id = nodes.iter().enumerate().map(|(index, node)| (node.id.clone(), index)).collect();
        Self { nodes, by_id }
    }

    pub(crate) fn get(&self, id: &NodeId) -> Option<&Arc<LiveNode>> {
        self.by_id.get(id).map(|index| &self.nodes[*index])
    }

    /// The nodes at a path and below it, in the order of evaluation.
    pub(crate) fn inside(&self, path: &str) -> Vec<&Arc<LiveNode>> {
        let from = NodeId::new(path, "");
        let within =
            |id: &NodeId| id.path().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // Paths that only begin alike (`/a.b`, `/a.bc`) may lie between `/a.b` and `/a.b/c`.
        let range = self.by_id.range(from..).take_while(|(id, _)| id.path().starts_with(path));
        let mut found: Vec<usize> = range.filter(|(id, _)| within(id)).map(|(_, index)| *index).collect();
        found.sort_unstable();
        found.into_iter().map(|index| &self.nodes[index]).collect()
    }

    /// The nodes of one module, without those of modules inside.
    pub(crate) fn module<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Arc<LiveNode>> {
        let range = self.by_id.range(NodeId::new(path, "")..).take_while(move |(id, _)| id.path() == path);
        range.map(|(_, index)| &self.nodes[*index])
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = (&Arc<LiveNode>, &LiveComponent)> {
        self.nodes.iter().filter_map(|node| Some((node, node.component()?)))
    }
}

/// Calls `act` on every capsule inside a body.
pub(crate) fn each_capsule(body: &Body, act: &mut dyn FnMut(&Value)) {
    use corten_component::arguments::Item;
    for item in &body.items {
        match item {
            Item::Attribute(attribute) => {
                if let Some(value) = &attribute.value {
                    capsules(value, act);
                }
            }
            Item::Block(block) => each_capsule(&block.body, act),
        }
    }
}

pub(crate) fn capsules(value: &Value, act: &mut dyn FnMut(&Value)) {
    match value {
        Value::Capsule(_) => act(value),
        Value::Array(items) => items.iter().for_each(|item| capsules(item, act)),
        Value::Object(fields) => fields.values().for_each(|item| capsules(item, act)),
        _ => {}
    }
}
