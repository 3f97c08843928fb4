//! What the HTTP API and the UI show of the running graph.

use std::any::Any;

use corten_component::arguments::{FieldKind, Repeat, Schema};
use corten_component::{HealthReport, HealthState, NodeId};
use corten_syntax::Value;

/// What kind of node it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// A component of the registry.
    Component,
    /// An instance of a `declare`.
    Custom,
    /// A `foreach`.
    Foreach,
    /// An `import.*`.
    Import,
}

/// One node of the running graph.
#[derive(Debug, Clone)]
pub struct ComponentInfo {
    /// Its full id: module id and local id joined by `/`.
    pub id: String,
    /// Its name in the engine: labels of its metrics and logs.
    pub node: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// The component's name: `otelcol.receiver.otlp`.
    pub name: String,
    /// `otelcol.receiver.otlp.default`.
    pub local_id: String,
    /// The module that it is in, empty at the root.
    pub module_id: String,
    /// Its label.
    pub label: Option<String>,
    /// Local ids of what it refers to.
    pub references_to: Vec<String>,
    /// Local ids of what refers to it.
    pub referenced_by: Vec<String>,
    /// Full ids of the nodes that it sends to.
    pub data_flow_edges_to: Vec<String>,
    /// The worst of what evaluation, run and the component itself say.
    pub health: HealthReport,
    /// Its arguments, without optional ones that hold their default. Secrets are secrets in here.
    pub arguments: Vec<InfoStatement>,
    /// What it exports.
    pub exports: Vec<InfoStatement>,
    /// The modules that it made (custom components, `foreach`).
    pub created_module_ids: Vec<String>,
}

/// A statement of [`ComponentInfo::arguments`].
#[derive(Debug, Clone)]
pub enum InfoStatement {
    /// `name = value`
    Attribute {
        /// Its name.
        name: String,
        /// Its value; capsules and secrets print as such.
        value: Value,
    },
    /// `name "label" { ... }`
    Block {
        /// Its name.
        name: String,
        /// Its label.
        label: Option<String>,
        /// Its statements.
        body: Vec<InfoStatement>,
    },
}

/// How many nodes are how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthSummary {
    /// Healthy nodes.
    pub healthy: usize,
    /// Nodes that have said nothing yet.
    pub unknown: usize,
    /// Full ids of unhealthy nodes.
    pub unhealthy: Vec<String>,
    /// Full ids of nodes that have ended.
    pub exited: Vec<String>,
}

impl HealthSummary {
    /// Whether nothing is unhealthy or has exited.
    pub fn is_healthy(&self) -> bool {
        self.unhealthy.is_empty() && self.exited.is_empty()
    }

    pub(crate) fn count(&mut self, id: String, state: HealthState) {
        match state {
            HealthState::Healthy => self.healthy += 1,
            HealthState::Unknown => self.unknown += 1,
            HealthState::Unhealthy => self.unhealthy.push(id),
            HealthState::Exited => self.exited.push(id),
        }
    }
}

/// Decoded arguments as statements, by the getters of their schema.
pub fn statements(schema: &'static Schema, target: &dyn Any) -> Vec<InfoStatement> {
    let default = (schema.default)();
    let mut out = Vec::new();
    push(schema, target, Some(&*default), &mut out);
    out
}

fn push(schema: &'static Schema, target: &dyn Any, default: Option<&dyn Any>, out: &mut Vec<InfoStatement>) {
    for field in schema.fields {
        match &field.kind {
            FieldKind::Attribute(attribute) => {
                let value = (attribute.get)(target);
                let unset = default.is_some_and(|default| (attribute.get)(default).same(&value));
                if field.required || !unset {
                    out.push(InfoStatement::Attribute { name: field.name.to_owned(), value });
                }
            }
            FieldKind::Block(block) => {
                for (label, inner) in (block.get)(target) {
                    let schema = (block.schema)();
                    // A block that may stand once has the parent's idea of its defaults; others have their own.
                    let own = (schema.default)();
                    let mut body = Vec::new();
                    push(schema, inner, Some(&*own), &mut body);
                    if body.is_empty() && block.repeat == Repeat::Once && !field.required {
                        continue;
                    }
                    let label = label.map(str::to_owned);
                    out.push(InfoStatement::Block { name: field.name.to_owned(), label, body });
                }
            }
            FieldKind::Flatten(flatten) => {
                push((flatten.schema)(), (flatten.get)(target), default.map(|d| (flatten.get)(d)), out);
            }
        }
    }
}
