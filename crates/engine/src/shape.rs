//! What the controller's metrics show of the running graph.

use std::collections::BTreeSet;
use std::sync::Arc;

use corten_component::NodeId;

use crate::live::{Graph, What};

/// Modules and connections.
pub(crate) struct Shape {
    /// The paths of all modules, `/` for the root; without items of a `foreach` whose metrics are hidden.
    pub(crate) paths: BTreeSet<Arc<str>>,
    /// Path, from and to: which node refers to which.
    pub(crate) connections: BTreeSet<[Arc<str>; 3]>,
}

pub(crate) fn shape(graph: &Graph) -> Shape {
    let mut shape = Shape { paths: [Arc::from("/")].into(), connections: BTreeSet::new() };
    for node in &graph.nodes {
        match &node.what {
            What::Component(component) if component.shown => {}
            What::Custom => {}
            _ => continue,
        }
        shape.paths.insert(node.id.path().into());
    }
    for node in graph.nodes.iter().filter(|node| node.kind().is_some() && shape.paths.contains(node.id.path())) {
        for to in &node.references {
            let other = graph.get(&NodeId::new(node.id.path(), Arc::clone(to)));
            if other.is_some_and(|other| other.kind().is_some()) {
                shape.connections.insert([node.id.path().into(), node.id.local().into(), Arc::clone(to)]);
            }
        }
    }
    shape
}
