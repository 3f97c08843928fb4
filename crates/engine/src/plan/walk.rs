//! From the first node of a body to the last, each behind what it needs.

use std::sync::Arc;
use std::time::Instant;

use corten_component::{BoxFuture, HealthReport, HealthState, NodeId};
use corten_syntax::{Diagnostic, Diagnostics, Object};
use tracing::Instrument;

use super::{Entry, Mode, Planner};
use crate::error::summary;
use crate::graph::Kind;
use crate::live::{LiveNode, What, inner_path};
use crate::module::Frame;
use crate::trace;

/// What a node's evaluation gave.
pub(super) struct Outcome {
    pub(super) exports: Arc<Object>,
}

/// Evaluation failed; empty if only because something that it needs has failed.
pub(crate) type Failure = Diagnostics;

/// Where a node stands.
pub(super) struct At<'a, 'p> {
    pub(super) frame: &'a mut Frame<'p>,
    pub(super) index: usize,
    pub(super) id: NodeId,
    /// Whether everything inside must be evaluated.
    pub(super) force: bool,
}

impl Planner<'_> {
    /// Plans all nodes of a body. In a load all mistakes are collected; otherwise the first that cannot be kept
    /// from harm by an older version ends the walk.
    pub(crate) fn walk<'a>(&'a mut self, frame: &'a mut Frame<'_>, force: bool) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let structure = Arc::clone(&frame.structure);
            let mut failed = false;
            for &index in &structure.order {
                let node = &structure.nodes[index];
                let id = NodeId::new(Arc::clone(&frame.path), Arc::clone(&node.local));
                if !force && !self.concerned(&id, index, frame) {
                    self.adopt(&id, index, frame);
                    continue;
                }
                let before = self.live.get(&id).map(|live| self.exports_of(live));
                let mark = self.entries.len();
                let (started, at) = (Instant::now(), At { frame: &mut *frame, index, id: id.clone(), force });
                let outcome = self.evaluate(at).instrument(trace::node(&id)).await;
                let took = started.elapsed();
                self.engine.metrics.evaluated(took, &id);
                tracing::debug!(node_id = %id, duration = ?took, "finished node evaluation");
                match outcome {
                    Ok(outcome) => {
                        frame.changed[index] = before.is_none_or(|old| !same(&old, &outcome.exports));
                        frame.values[index] = Some(outcome.exports);
                    }
                    Err(why) if self.is_load() => {
                        self.diagnostics.extend(why);
                        failed = true;
                    }
                    Err(why) => {
                        self.roll_back(mark);
                        if self.live.get(&id).is_none() {
                            return Err(why);
                        }
                        self.keep_old(&id, index, frame, &why);
                    }
                }
            }
            if failed { Err(Vec::new()) } else { Ok(()) }
        })
    }

    async fn evaluate(&mut self, at: At<'_, '_>) -> Result<Outcome, Failure> {
        let structure = Arc::clone(&at.frame.structure);
        if let Some(why) = self.refusals.get(&at.id) {
            return Err(vec![Diagnostic::error(None, why.clone())]);
        }
        let node = &structure.nodes[at.index];
        // What it needs has failed, and was reported there.
        if node.needs.iter().any(|need| at.frame.values[*need].is_none()) {
            return Err(Vec::new());
        }
        match &node.kind {
            Kind::Component(registration) => self.component(at, registration).await,
            Kind::Custom(definition) => self.custom(at, definition).await,
            Kind::Foreach { template } => self.foreach(at, template).await,
            Kind::Import(kind) => self.import(at, *kind).await,
            Kind::Argument => self.argument(at),
            Kind::Export => self.export(at),
            Kind::Host(host) => self.host(at, *host),
            Kind::Declare | Kind::Broken => Ok(Outcome { exports: Arc::default() }),
        }
    }

    /// What a live node exports now.
    pub(super) fn exports_of(&self, live: &LiveNode) -> Arc<Object> {
        match live.what {
            What::Component(_) => self.current.get(&live.id).unwrap_or(&live.exports).clone(),
            _ => Arc::clone(&live.exports),
        }
    }

    /// Whether what a node refers to has been published anew.
    pub(super) fn is_dirty(&self, id: &NodeId) -> bool {
        matches!(&self.mode, Mode::Exports { dirty } if dirty.contains(id))
    }

    /// Whether a node could mean something else than before.
    fn concerned(&self, id: &NodeId, index: usize, frame: &Frame<'_>) -> bool {
        let Mode::Exports { dirty } = &self.mode else { return true };
        let node = &frame.structure.nodes[index];
        // What has no live node costs nothing, or has failed so far.
        if self.live.get(id).is_none() || dirty.contains(id) || node.needs.iter().any(|need| frame.changed[*need]) {
            return true;
        }
        match node.kind {
            Kind::Custom(_) | Kind::Foreach { .. } => {
                let inside = inner_path(id.path(), id.local());
                dirty.range(NodeId::new(inside.as_str(), "")..).next().is_some_and(|next| {
                    next.path().strip_prefix(&*inside).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            }
            _ => false,
        }
    }

    /// Takes over a node and all inside as they are.
    fn adopt(&mut self, id: &NodeId, index: usize, frame: &mut Frame<'_>) {
        let live = Arc::clone(&self.live);
        let Some(node) = live.get(id) else { return };
        frame.values[index] = Some(self.exports_of(node));
        if !matches!(node.what, What::Component(_) | What::Value | What::Host { .. }) {
            let inner = live.inside(&node.inner_path());
            self.entries.extend(inner.into_iter().map(|inner| Entry::Keep((**inner).clone())));
        }
        if let What::Import { env, .. } = &node.what {
            frame.env.import(node.label.as_deref().unwrap_or_default(), Arc::clone(env));
        }
        self.entries.push(Entry::Keep((**node).clone()));
    }

    /// Takes over a node whose new arguments cannot be used, and says so in its health.
    fn keep_old(&mut self, id: &NodeId, index: usize, frame: &mut Frame<'_>, why: &Diagnostics) {
        let why = if why.is_empty() { "what it refers to has failed".to_owned() } else { summary(&self.map, why) };
        tracing::warn!(
            component_path = id.path(), component_id = id.local(), error = %why,
            "component evaluation failed; it keeps its last arguments"
        );
        self.adopt(id, index, frame);
        if let Some(Entry::Keep(live)) = self.entries.last_mut() {
            live.evaluation = HealthReport::now(HealthState::Unhealthy, format!("component evaluation failed: {why}"));
        }
    }

    /// The nodes of the same body that a node refers to.
    pub(super) fn reference_ids(&self, frame: &Frame<'_>, index: usize) -> Vec<Arc<str>> {
        let structure = &frame.structure;
        structure.nodes[index].needs.iter().map(|need| Arc::clone(&structure.nodes[*need].local)).collect()
    }
}

pub(crate) fn same(a: &Object, b: &Object) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((ka, va), (kb, vb))| ka == kb && va.same(vb))
}
