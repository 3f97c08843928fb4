//! Stopping in data order: whoever could still send has stopped before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use corten_component::NodeId;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::engine::Inner;
use crate::live::{LiveComponent, LiveNode};
use crate::run::{Carry, Stopped};

/// Stops an instance: nobody enters any more, whoever is inside leaves, then it finishes what it holds.
async fn stop(component: &LiveComponent, deadline: Instant, inherited: bool) -> Stopped {
    let gates = component.node.gates();
    gates.iter().for_each(|gate| gate.shut());
    // Calls may use half of the time; the rest belongs to the instance.
    let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
    let quiet = async {
        for gate in &gates {
            gate.quiet().await;
        }
    };
    if tokio::time::timeout_at(half, quiet).await.is_err() {
        tracing::warn!(component_id = component.node.id().local(), "calls are still inside a component that ends");
    }
    component.runner.stop(deadline, inherited).await
}

/// Stops nodes level by level. Each level has its share of the time that is left, and what others did not need.
/// What the nodes in `inheriting` leave is for another instance.
pub(crate) async fn stop_in_order(
    nodes: &[&Arc<LiveNode>],
    inheriting: &HashSet<NodeId>,
    deadline: Instant,
    abandoned: &mut Vec<String>,
) -> HashMap<NodeId, Carry> {
    let mut levels: BTreeMap<usize, Vec<(&NodeId, &LiveComponent)>> = BTreeMap::new();
    for node in nodes {
        if let Some(component) = node.component() {
            levels.entry(component.level).or_default().push((&node.id, component));
        }
    }
    let mut carries = HashMap::new();
    let mut left = u32::try_from(levels.len()).unwrap_or(u32::MAX);
    for members in levels.into_values() {
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left -= 1;
        let until = Instant::now() + share;
        let ends = members
            .iter()
            .map(|(id, component)| async move { (*id, stop(component, until, inheriting.contains(*id)).await) });
        for (id, end) in join_all(ends).await {
            match end {
                Stopped::Ended(Some(carry)) => {
                    carries.insert(id.clone(), carry);
                }
                Stopped::Ended(None) => {}
                Stopped::Abandoned => {
                    tracing::warn!(
                        component_path = id.path(),
                        component_id = id.local(),
                        "component did not end in time and was abandoned"
                    );
                    abandoned.push(id.to_string());
                }
            }
        }
    }
    carries
}

/// Refuses all further calls to a node.
pub(crate) fn close(component: &LiveComponent) {
    component.node.gates().iter().for_each(|gate| gate.remove());
}

/// The whole graph's drain.
pub(crate) async fn drain(engine: &Arc<Inner>, within: Duration) -> (usize, Vec<String>) {
    let graph = engine.live();
    let mut abandoned = Vec::new();
    let nodes: Vec<&Arc<LiveNode>> = graph.components().map(|(node, _)| node).collect();
    stop_in_order(&nodes, &HashSet::new(), Instant::now() + within, &mut abandoned).await;
    graph.components().for_each(|(_, component)| close(component));
    (nodes.len() - abandoned.len(), abandoned)
}
