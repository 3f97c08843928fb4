//! Taking what new instances need before anything is stopped. A failure gives all of it back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use corten_component::NodeId;
use corten_component::node::ResourceId;
use corten_syntax::Diagnostic;

use crate::live::{Erased, Graph};
use crate::plan::{Building, Entry, wrapped};

/// What each new instance holds, by node.
pub(crate) type Prepared = HashMap<NodeId, Vec<(ResourceId, Erased)>>;

/// A resource that could not be had.
pub(crate) struct Refused {
    /// The node that wanted it.
    pub(crate) id: NodeId,
    pub(crate) diagnostic: Diagnostic,
}

const PREFIX: &str = "Failed to build component: building component: ";

/// Shares what the running graph holds, acquires the rest. All refusals are reported together.
pub(crate) async fn prepare(entries: &mut [Entry], live: &Graph, deadline: Duration) -> Result<Prepared, Vec<Refused>> {
    let mut refused = Vec::new();
    // Instances that stay keep what they hold; nobody else may have it.
    let mut holders: HashMap<ResourceId, NodeId> = HashMap::new();
    for entry in entries.iter() {
        if let Entry::Keep(node) | Entry::Update { live: node, .. } = entry
            && let Some(component) = node.component()
        {
            holders.extend(component.resources.iter().map(|(resource, _)| (resource.clone(), node.id.clone())));
        }
    }
    for building in builds(entries) {
        for request in &building.pending.requests {
            match holders.get(&request.id) {
                Some(holder) if *holder != building.id => {
                    let message = format!("{} is wanted by both {holder} and {}", request.id, building.id);
                    let diagnostic = wrapped(&building.block, PREFIX, message)
                        .with_help("give one of them another address or directory");
                    refused.push(Refused { id: building.id.clone(), diagnostic });
                }
                _ => {
                    holders.insert(request.id.clone(), building.id.clone());
                }
            }
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }

    let mut held: HashMap<ResourceId, Erased> = HashMap::new();
    for (_, component) in live.components() {
        held.extend(component.resources.iter().cloned());
    }
    let mut prepared = Prepared::new();
    for building in builds(entries) {
        let mut own: Vec<(ResourceId, Erased)> = Vec::new();
        for request in building.pending.requests.drain(..) {
            let resource = match held.get(&request.id) {
                Some(resource) => Arc::clone(resource),
                None => {
                    let acquired = match tokio::time::timeout(deadline, (request.acquire)()).await {
                        Ok(acquired) => acquired.map_err(|error| error.to_string()),
                        Err(_) => Err(format!("{} was not to be had within {deadline:?}", request.id)),
                    };
                    match acquired {
                        Ok(resource) => resource,
                        Err(why) => {
                            let diagnostic = wrapped(&building.block, PREFIX, why);
                            refused.push(Refused { id: building.id.clone(), diagnostic });
                            continue;
                        }
                    }
                }
            };
            held.insert(request.id.clone(), Arc::clone(&resource));
            (request.fill)(Arc::clone(&resource));
            own.push((request.id, resource));
        }
        prepared.insert(building.id.clone(), own);
    }
    if refused.is_empty() { Ok(prepared) } else { Err(refused) }
}

fn builds(entries: &mut [Entry]) -> impl Iterator<Item = &mut Building> {
    entries.iter_mut().filter_map(|entry| match entry {
        Entry::Build(building) => Some(&mut **building),
        _ => None,
    })
}
