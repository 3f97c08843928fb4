//! Loads and re-evaluations, one after the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Instant;

use std::panic::AssertUnwindSafe;

use corten_component::NodeId;
use corten_syntax::{Diagnostic, Diagnostics, SourceMap};
use futures_util::FutureExt;

use crate::changes::Changes;
use crate::commit::{commit, module_paths};
use crate::engine::{Inner, Refusals};
use crate::module::{Env, Frame};
use crate::plan::{Mode, Planner, Program, sha256};
use crate::prepare::prepare;
use crate::run::panic_text;
use crate::source::Texts;
use crate::validate::deprecated;
use crate::{LoadError, LoadReport, LoadStage, Source};

/// What plans go on from. Whoever holds it is the only one who plans.
#[derive(Default)]
pub(crate) struct Plans {
    pub(crate) program: Option<Program>,
    pub(crate) closed: bool,
}

/// A gauge that shows that a plan is being made, whatever becomes of it.
struct Evaluating<'a>(&'a Inner);

impl<'a> Evaluating<'a> {
    fn new(engine: &'a Inner) -> Self {
        engine.metrics.evaluating(true);
        Self(engine)
    }
}

impl Drop for Evaluating<'_> {
    fn drop(&mut self) {
        self.0.metrics.evaluating(false);
    }
}

pub(crate) async fn load(engine: &Arc<Inner>, source: Source) -> Result<LoadReport, LoadError> {
    let origin = source.name();
    let mut plans = engine.plans.lock().await;
    let _evaluating = Evaluating::new(engine);
    let error = |stage, source_map, diagnostics| LoadError { stage, origin: origin.clone(), source_map, diagnostics };
    if plans.closed {
        let diagnostic = Diagnostic::error(None, "the engine is shutting down");
        return Err(error(LoadStage::Graph, SourceMap::default(), vec![diagnostic]));
    }
    let texts = source
        .read()
        .map_err(|why| error(LoadStage::Read, SourceMap::default(), vec![Diagnostic::error(None, why)]))?;
    // Dependants of what has changed meanwhile are evaluated by this load, or by the next plan if it fails.
    let news = engine.changes.take();
    let answer = load_texts(engine, &mut plans, origin, texts).await;
    if answer.is_err() {
        engine.changes.give_back(news);
    }
    answer
}

async fn load_texts(
    engine: &Arc<Inner>,
    plans: &mut Plans,
    origin: String,
    texts: Texts,
) -> Result<LoadReport, LoadError> {
    let started = Instant::now();
    let error = |stage, source_map, diagnostics| LoadError { stage, origin: origin.clone(), source_map, diagnostics };
    let live = engine.live();
    let mut planner = Planner::new(engine, Arc::clone(&live), Mode::Load, engine.changes.current());
    let mut program = match planner.program(origin.clone(), Arc::new(texts)) {
        Ok(program) => program,
        Err((stage, diagnostics)) => return Err(error(stage, planner.map, diagnostics)),
    };
    if let Err(rest) = walk_root(&mut planner, &program, true).await {
        planner.roll_back(0);
        let mut diagnostics = std::mem::take(&mut planner.diagnostics);
        diagnostics.extend(rest);
        if diagnostics.is_empty() {
            diagnostics.push(Diagnostic::error(None, "the configuration could not be evaluated"));
        }
        return Err(error(LoadStage::Graph, planner.map, diagnostics));
    }
    let prepared = match prepare(&mut planner.entries, &live, engine.settings.build_deadline).await {
        Ok(prepared) => prepared,
        Err(refused) => {
            planner.roll_back(0);
            let diagnostics = refused.into_iter().map(|refused| refused.diagnostic).collect();
            return Err(error(LoadStage::Graph, planner.map, diagnostics));
        }
    };
    program.map = planner.map;
    program.structures = planner.structures;
    let mut warnings = planner.warnings;
    for node in &program.root.nodes {
        deprecated(&program.root, node, &mut warnings);
    }
    let sha256 = sha256(&program.texts);
    let done = commit(engine, &live, planner.entries, prepared).await;
    engine.metrics.show(module_paths(&engine.live()), &Arc::downgrade(engine));
    engine.set_ready(true);
    engine.ensure_worker();
    let source_map = program.map.clone();
    plans.program = Some(program);
    Ok(LoadReport {
        source_map,
        warnings,
        sha256,
        started: done.started,
        replaced: done.replaced,
        updated: done.updated,
        stopped: done.stopped,
        unchanged: done.unchanged,
        abandoned: done.abandoned,
        took: started.elapsed(),
    })
}

async fn walk_root(planner: &mut Planner<'_>, program: &Program, force: bool) -> Result<(), Diagnostics> {
    let root = Arc::clone(&program.root);
    let env = Env::new(Arc::clone(&root.lexical), None, false);
    let mut frame = Frame::new(root, env, "/".into(), None);
    planner.walk(&mut frame, force).await
}

/// Plans for what components publish and imports bring, until the engine has gone.
pub(crate) async fn follow_changes(engine: Weak<Inner>, changes: Arc<Changes>) {
    loop {
        changes.wait().await;
        let waited = Instant::now();
        let Some(engine) = engine.upgrade() else { return };
        let mut plans = engine.plans.lock().await;
        if plans.closed {
            return;
        }
        engine.metrics.waited(waited.elapsed());
        let _evaluating = Evaluating::new(&engine);
        let news = changes.take();
        if news.changed.is_empty() && !news.content {
            continue;
        }
        let Some(program) = plans.program.clone() else { continue };
        // A component's code runs in here; its panic must not be the last re-evaluation.
        let plan = AssertUnwindSafe(again(&engine, program, &news.changed, news.content)).catch_unwind();
        match plan.await {
            Ok(program) => plans.program = Some(program),
            Err(panic) => {
                engine.metrics.panics().count();
                tracing::error!(panic = %panic_text(&*panic), "re-evaluation panicked");
            }
        }
    }
}

/// Plans and commits what follows from changed exports or content.
async fn again(engine: &Arc<Inner>, program: Program, changed: &BTreeSet<NodeId>, content: bool) -> Program {
    let live = engine.live();
    let mode = match content {
        true => Mode::Content,
        false => Mode::Exports { dirty: dependants(engine, changed) },
    };
    if matches!(&mode, Mode::Exports { dirty } if dirty.is_empty()) {
        return program;
    }
    let mut refusals = Refusals::new();
    loop {
        let mut planner = Planner::new(engine, Arc::clone(&live), mode.clone(), engine.changes.current());
        planner.refusals = refusals.clone();
        let mut next = program.clone();
        if content {
            // Everything is read again, so that the map holds no text that is not in use.
            match planner.program(program.origin.clone(), Arc::clone(&program.texts)) {
                Ok(parsed) => next = parsed,
                Err(_) => return program,
            }
        } else {
            planner.resume(&program);
        }
        if let Err(why) = walk_root(&mut planner, &next, content).await {
            planner.roll_back(0);
            tracing::error!(error = %crate::error::summary(&planner.map, &why), "re-evaluation failed");
            return program;
        }
        match prepare(&mut planner.entries, &live, engine.settings.build_deadline).await {
            Ok(prepared) => {
                (next.map, next.structures) = (planner.map, planner.structures);
                commit(engine, &live, planner.entries, prepared).await;
                engine.metrics.show(module_paths(&engine.live()), &Arc::downgrade(engine));
                return next;
            }
            Err(refused) => {
                // Each round takes at least one node out, so this ends.
                let before = refusals.len();
                planner.roll_back(0);
                refusals.extend(refused.into_iter().map(|refused| (refused.id, refused.diagnostic.message)));
                if refusals.len() == before {
                    return program;
                }
            }
        }
    }
}

/// The nodes that refer to changed ones directly; the walk finds those behind them.
fn dependants(engine: &Inner, changed: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let graph = engine.live();
    let mut dirty = BTreeSet::new();
    for id in changed {
        for node in graph.module(id.path()) {
            if node.references.iter().any(|name| **name == *id.local()) {
                dirty.insert(node.id.clone());
            }
        }
    }
    dirty
}
