//! Making the plan run: old instances end in data order, new ones begin in the opposite order.
//!
//! Calls to a node whose instance is being replaced wait at its gates. An instance is stopped when all that could
//! still send to it have stopped, so what upstream drains is taken by the old instance or, at the latest, by the
//! next one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use corten_component::node::{ResourceId, control};
use corten_component::{Body, NodeId, Note};
use corten_syntax::{Object, Value};
use tokio::time::Instant;

use crate::engine::Inner;
use crate::live::{Erased, Graph, LiveComponent, LiveNode, What, capsules, each_capsule, evaluated};
use crate::plan::{Building, Entry};
use crate::prepare::Prepared;
use crate::run::{Carry, Runner};
use crate::stop::{close, stop_in_order};

/// What a commit did.
#[derive(Default)]
pub(crate) struct Committed {
    pub(crate) started: usize,
    pub(crate) replaced: usize,
    pub(crate) updated: usize,
    pub(crate) stopped: usize,
    pub(crate) unchanged: usize,
    pub(crate) abandoned: Vec<String>,
}

/// Commits a plan whose resources are prepared.
pub(crate) async fn commit(
    engine: &Arc<Inner>,
    old: &Arc<Graph>,
    entries: Vec<Entry>,
    mut prepared: Prepared,
) -> Committed {
    let mut done = Committed::default();
    let deadline = Instant::now() + engine.settings.replace_deadline;

    let replaces = |entry: &&Entry| matches!(entry, Entry::Build(building) if building.replaces);
    let replaced: HashSet<NodeId> = entries.iter().filter(replaces).map(|entry| entry.id().clone()).collect();
    let built: HashSet<&NodeId> =
        entries.iter().filter(|entry| matches!(entry, Entry::Build(_))).map(Entry::id).collect();
    let kept: HashSet<&NodeId> = entries.iter().map(Entry::id).filter(|id| !built.contains(id)).collect();
    // A resource that moves to another node must be let go by the old instance before the new one begins.
    let moved: HashSet<&ResourceId> = prepared.values().flatten().map(|(resource, _)| resource).collect();
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for (node, component) in old.components() {
        let hands_over = || component.resources.iter().any(|(resource, _)| moved.contains(resource));
        if built.contains(&node.id) || (!kept.contains(&node.id) && hands_over()) {
            first.push(node);
        } else if !kept.contains(&node.id) {
            later.push(node);
        }
    }
    let gone: Vec<&Arc<LiveNode>> =
        old.components().map(|(node, _)| node).filter(|n| !kept.contains(&n.id) && !replaced.contains(&n.id)).collect();
    let gone: Vec<Arc<LiveNode>> = gone.into_iter().cloned().collect();
    drop((built, kept, moved));

    let mut carries = stop_in_order(&first, &replaced, deadline, &mut done.abandoned).await;
    for node in gone.iter().filter(|node| first.iter().any(|other| other.id == node.id)) {
        retire(engine, node);
        carries.remove(&node.id);
    }

    let nodes = assemble(engine, entries, &mut prepared, carries, &mut done);
    for update in &nodes.updates {
        if let Some(component) = nodes.graph.nodes[*update].component() {
            component.runner.update(Arc::clone(&component.args));
        }
    }
    let graph = Arc::new(nodes.graph);
    engine.set_live(Arc::clone(&graph));

    let deadline = Instant::now() + engine.settings.replace_deadline;
    stop_in_order(&later, &HashSet::new(), deadline, &mut done.abandoned).await;
    later.iter().for_each(|node| retire(engine, node));
    done.stopped = gone.len();
    apply_host_blocks(engine, old, &graph);
    for node in &graph.nodes {
        if let What::Import { state, .. } = &node.what {
            crate::import::watch(state, engine);
        }
    }
    done
}

fn retire(engine: &Arc<Inner>, node: &Arc<LiveNode>) {
    if let Some(component) = node.component() {
        close(component);
        // The same id may already stand for another component.
        if engine
            .live()
            .get(&node.id)
            .and_then(|now| now.component())
            .is_none_or(|now| Arc::ptr_eq(&now.node, &component.node))
        {
            engine.changes.forget(&node.id);
            if component.shown {
                engine.settings.metrics.remove_node(&node.id);
            }
        }
    }
}

struct Assembled {
    graph: Graph,
    updates: Vec<usize>,
}

/// Who owns each port and handle that can be referred to.
struct Owners(HashMap<&'static str, Vec<(Value, NodeId)>>);

impl Owners {
    fn add(&mut self, exports: &Object, id: &NodeId) {
        for value in exports.values() {
            capsules(value, &mut |capsule| {
                if let Value::Capsule(inner) = capsule {
                    // Whoever passes on what it was given stands behind the owner, who is found first.
                    self.0.entry(inner.type_name()).or_default().push((capsule.clone(), id.clone()));
                }
            });
        }
    }

    fn used_by(&self, body: &Body) -> Vec<NodeId> {
        let mut used = Vec::new();
        each_capsule(body, &mut |capsule| {
            let Value::Capsule(inner) = capsule else { return };
            let known = self.0.get(inner.type_name()).into_iter().flatten();
            if let Some((_, id)) = known.into_iter().find(|(value, _)| value == capsule)
                && !used.contains(id)
            {
                used.push(id.clone());
            }
        });
        used
    }
}

/// Starts what is new, consumers first, and makes the graph of what runs then.
fn assemble(
    engine: &Arc<Inner>,
    entries: Vec<Entry>,
    prepared: &mut Prepared,
    mut carries: HashMap<NodeId, Carry>,
    done: &mut Committed,
) -> Assembled {
    // What is planned for changes before anything new can publish.
    for entry in &entries {
        if let Entry::Build(building) = entry {
            engine.changes.restart(building.id.clone(), Arc::clone(&building.exports));
        }
    }
    let news = entries.iter().any(|entry| !matches!(entry, Entry::Keep(_)));
    let mut owners = Owners(HashMap::new());
    let mut uses: Vec<Vec<NodeId>> = Vec::with_capacity(entries.len());
    let mut index: HashMap<NodeId, usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        let (id, body, exports, known) = match entry {
            Entry::Keep(live) => {
                (&live.id, &live.body, &live.exports, live.component().map(|component| component.uses.clone()))
            }
            Entry::Update { live, .. } => (&live.id, &live.body, &live.exports, None),
            Entry::Build(building) => (&building.id, &building.body, &building.exports, None),
        };
        let is_component = !matches!(entry, Entry::Keep(live) if live.component().is_none());
        uses.push(match (known, is_component) {
            (Some(known), _) => known,
            (None, true) => owners.used_by(body),
            (None, false) => Vec::new(),
        });
        if is_component && news {
            owners.add(exports, id);
        }
        index.insert(id.clone(), at);
    }
    // Users stand behind what they use, so one way back gives the longest way from a source.
    let mut levels = vec![0; entries.len()];
    for at in (0..entries.len()).rev() {
        for used in uses[at].iter().filter_map(|id| index.get(id)) {
            levels[*used] = levels[*used].max(levels[at] + 1);
        }
    }

    let mut live: Vec<Option<LiveNode>> = Vec::with_capacity(entries.len());
    let mut builds: Vec<(usize, Box<Building>)> = Vec::new();
    let mut updates = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let mut keep = |mut node: LiveNode, args: Option<Erased>| {
            if let What::Component(component) = &mut node.what {
                (component.level, component.uses) = (levels[at], uses[at].clone());
                if let Some(args) = args {
                    component.args = args;
                }
            }
            live.push(Some(node));
        };
        match entry {
            Entry::Keep(node) => {
                done.unchanged += usize::from(node.component().is_some());
                keep(node, None);
            }
            Entry::Update { live: node, args } => {
                done.updated += 1;
                updates.push(at);
                keep(node, Some(args));
            }
            Entry::Build(building) => {
                live.push(None);
                builds.push((at, building));
            }
        }
    }
    // Consumers first; of one level those that were planned first.
    builds.sort_by_key(|(at, _)| std::cmp::Reverse(levels[*at]));
    for (at, building) in builds {
        if building.replaces {
            done.replaced += 1;
        } else {
            done.started += 1;
        }
        let resources = prepared.remove(&building.id).unwrap_or_default();
        let carry = carries.remove(&building.id);
        live[at] = Some(start(engine, *building, resources, carry, uses[at].clone(), levels[at]));
    }
    Assembled { graph: Graph::new(live.into_iter().flatten().collect()), updates }
}

fn start(
    engine: &Arc<Inner>,
    building: Building,
    resources: Vec<(ResourceId, Erased)>,
    carry: Option<Carry>,
    uses: Vec<NodeId>,
    level: usize,
) -> LiveNode {
    let evaluation = evaluated();
    let Building {
        id,
        name,
        label,
        references,
        exports,
        body,
        node,
        registration,
        args,
        instance,
        pending,
        shown,
        notes,
        ..
    } = building;
    for Note { message, caution, .. } in notes {
        match caution {
            true => tracing::warn!(component_path = id.path(), component_id = id.local(), "{message}"),
            false => tracing::info!(component_path = id.path(), component_id = id.local(), "{message}"),
        }
    }
    // The instance before has nothing to say any more; the new one may have spoken while it was built.
    if node.health().report() == building.said {
        node.health().clear();
    }
    for install in pending.installs {
        install();
    }
    let (control, state) = control(&node, Arc::clone(&args));
    let gates = node.gates();
    gates.iter().for_each(|gate| gate.open());
    let runner = Runner::start(&id, gates, instance, carry, control, state, engine.metrics.panics());
    let component = LiveComponent { node, registration, args, resources, runner, shown, uses, level };
    let what = What::Component(component);
    LiveNode { id, name, label, references, exports, evaluation, body, what }
}

/// Tells the host about its blocks, where something has changed.
fn apply_host_blocks(engine: &Arc<Inner>, old: &Graph, new: &Graph) {
    let find = |graph: &Graph, wanted: usize| {
        graph.nodes.iter().find_map(|node| match &node.what {
            What::Host { index, args } if *index == wanted => Some((node.body.clone(), Arc::clone(args))),
            _ => None,
        })
    };
    let first = !engine.ready();
    for (index, host) in engine.settings.host_blocks.iter().enumerate() {
        let changed = match (find(old, index), find(new, index)) {
            (Some((before, _)), Some((after, args))) => (!before.same(&after)).then_some(Some(args)),
            (None, Some((_, args))) => Some(Some(args)),
            (Some(_), None) => Some(None),
            (None, None) => first.then_some(None),
        };
        if let Some(args) = changed
            && let Err(error) = host.apply(args)
        {
            tracing::error!(block = host.name(), %error, "the block could not be applied");
        }
    }
}
