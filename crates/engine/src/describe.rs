//! From the running graph to what the HTTP API shows.

use std::collections::HashMap;
use std::sync::Arc;

use corten_component::NodeId;
use corten_component::arguments::Item;
use corten_syntax::Object;

use crate::engine::Inner;
use crate::info::{ComponentInfo, InfoStatement, statements};
use crate::live::{Graph, LiveNode, What};

pub(crate) fn all(engine: &Inner) -> Vec<ComponentInfo> {
    let graph = engine.live();
    // Who refers to whom, within a module.
    let mut referenced: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    for node in graph.nodes.iter().filter(|node| node.kind().is_some()) {
        for name in &node.references {
            referenced.entry((node.id.path(), name)).or_default().push(node.id.local());
        }
    }
    let known = |node: &LiveNode| referenced.get(&(node.id.path(), node.id.local())).cloned().unwrap_or_default();
    graph.nodes.iter().filter_map(|node| describe(engine, &graph, node, known(node))).collect()
}

pub(crate) fn one(engine: &Inner, id: &NodeId) -> Option<ComponentInfo> {
    let graph = engine.live();
    let node = graph.get(id)?;
    let users = graph
        .module(id.path())
        .filter(|other| other.kind().is_some() && other.references.iter().any(|name| **name == *id.local()));
    describe(engine, &graph, node, users.map(|user| user.id.local()).collect())
}

fn describe(engine: &Inner, graph: &Graph, node: &Arc<LiveNode>, users: Vec<&str>) -> Option<ComponentInfo> {
    let kind = node.kind()?;
    let (mut arguments, mut exports, mut flow) = (Vec::new(), attributes(&node.exports), Vec::new());
    match &node.what {
        What::Component(component) => {
            arguments = statements((component.registration.schema)(), &*component.args);
            if let Some(current) = engine.changes.get(&node.id) {
                exports = attributes(&current);
            }
            flow = component.uses.iter().map(NodeId::to_string).collect();
        }
        What::Custom | What::Foreach { .. } => {
            for item in &node.body.items {
                if let Item::Attribute(attribute) = item {
                    let value = attribute.value.clone().unwrap_or_default();
                    arguments.push(InfoStatement::Attribute { name: attribute.name.text.to_string(), value });
                }
            }
        }
        _ => {}
    }
    let id = |path: &str| path.trim_start_matches('/').to_owned();
    let created_module_ids = match &node.what {
        What::Custom => vec![id(&node.inner_path())],
        What::Foreach { children } => children.iter().map(|child| id(child)).collect(),
        _ => Vec::new(),
    };
    let mut references_to: Vec<String> = node.references.iter().map(|name| name.to_string()).collect();
    references_to.retain(|name| {
        graph.get(&NodeId::new(node.id.path(), name.as_str())).is_some_and(|other| other.kind().is_some())
    });
    Some(ComponentInfo {
        id: node.id.to_string(),
        node: node.id.clone(),
        kind,
        name: node.name.to_string(),
        local_id: node.id.local().to_owned(),
        module_id: id(node.id.path()),
        label: node.label.as_deref().map(str::to_owned),
        references_to,
        referenced_by: users.into_iter().map(str::to_owned).collect(),
        data_flow_edges_to: flow,
        health: node.health(),
        arguments,
        exports,
        created_module_ids,
    })
}

fn attributes(object: &Object) -> Vec<InfoStatement> {
    let attribute = |(name, value): (&Arc<str>, &corten_syntax::Value)| InfoStatement::Attribute {
        name: name.to_string(),
        value: value.clone(),
    };
    object.iter().map(attribute).collect()
}
