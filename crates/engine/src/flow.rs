//! The ways that data takes through the running graph, for those who look on.

use std::sync::Arc;

use corten_component::{Edge, NodeId};
use corten_syntax::Value;

use crate::engine::Inner;
use crate::info::{InfoStatement, statements};
use crate::live::capsules;

/// An edge of the running graph.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The component that sends.
    pub from: NodeId,
    /// The component that it sends to.
    pub to: NodeId,
    /// What passes between them.
    pub edge: Arc<Edge>,
}

pub(crate) fn flows(engine: &Inner) -> Vec<Flow> {
    let graph = engine.live();
    let mut flows = Vec::new();
    for (node, component) in graph.components().filter(|(_, component)| !component.uses.is_empty()) {
        let used: Vec<_> = component.uses.iter().filter_map(|id| Some((id, graph.get(id)?.component()?))).collect();
        let gates: Vec<_> =
            used.iter().flat_map(|(id, used)| used.node.gates().into_iter().map(|g| (*id, g))).collect();
        let arguments = statements((component.registration.schema)(), &*component.args);
        each_capsule(&arguments, &mut |value| {
            let Value::Capsule(capsule) = value else { return };
            let found = gates.iter().find_map(|(id, gate)| Some((*id, gate.edge(capsule)?)));
            if let Some((to, edge)) = found {
                flows.push(Flow { from: node.id.clone(), to: to.clone(), edge });
            }
        });
    }
    flows
}

fn each_capsule(statements: &[InfoStatement], act: &mut dyn FnMut(&Value)) {
    for statement in statements {
        match statement {
            InfoStatement::Attribute { value, .. } => capsules(value, act),
            InfoStatement::Block { body, .. } => each_capsule(body, act),
        }
    }
}
