//! Loads and re-evaluations, one after the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Instant;

use std::panic::AssertUnwindSafe;

use corten_component::NodeId;
use corten_syntax::{Diagnostic, Diagnostics, SourceMap};
use futures_util::FutureExt;
use tracing::Instrument;

use crate::changes::Changes;
use crate::commit::commit;
use crate::engine::{Inner, Refusals};
use crate::live::Graph;
use crate::module::{Env, Frame};
use crate::plan::{Entry, Mode, Planner, Program, sha256};
use crate::prepare::{Prepared, prepare};
use crate::run::panic_text;
use crate::secrets::secret_files;
use crate::shape::shape;
use crate::source::Texts;
use crate::trace;
use crate::validate::deprecated;
use crate::{LoadError, LoadReport, LoadStage, Source};

/// What plans go on from. Whoever holds it is the only one who plans.
#[derive(Default)]
pub(crate) struct Plans {
    pub(crate) program: Option<Program>,
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
    let span = trace::load(&source.name());
    load_source(engine, source).instrument(span).await
}

async fn load_source(engine: &Arc<Inner>, source: Source) -> Result<LoadReport, LoadError> {
    let started = Instant::now();
    let origin = source.name();
    let mut plans = engine.plans.lock().await;
    let _evaluating = Evaluating::new(engine);
    let error = |stage, message: String| {
        let diagnostics = vec![Diagnostic::error(None, message)];
        LoadError { stage, origin: origin.clone(), source_map: SourceMap::default(), diagnostics }
    };
    let texts = source.read().map_err(|why| error(LoadStage::Read, why))?;
    // Dependants of what has changed meanwhile are evaluated by this load, or by the next plan if it fails.
    let news = engine.changes.take();
    tracing::info!(controller_path = "/", controller_id = "", "starting complete graph evaluation");
    // A plan can be given up at any point, a commit cannot.
    let planned = tokio::select! {
        biased;
        () = engine.closing() => Err(error(LoadStage::Graph, "the engine is shutting down".to_owned())),
        planned = plan(engine, &origin, texts) => planned,
    };
    let mut planned = match planned {
        Ok(planned) => planned,
        Err(error) => {
            engine.changes.give_back(news);
            return Err(error);
        }
    };
    let took = started.elapsed();
    tracing::info!(controller_path = "/", controller_id = "", duration = ?took, "finished complete graph evaluation");
    for node in &planned.program.root.nodes {
        deprecated(&planned.program.root, node, &mut planned.warnings);
    }
    let Planned { program, warnings, live, entries, prepared } = planned;
    let secret_files = secret_files(&program, &engine.settings);
    let done = commit(engine, &live, entries, prepared).instrument(trace::commit()).await;
    engine.metrics.show(shape(&engine.live()), &Arc::downgrade(engine));
    engine.set_ready(true);
    engine.ensure_worker();
    let (source_map, sha256) = (program.map.clone(), sha256(&program.texts));
    plans.program = Some(program);
    Ok(LoadReport {
        source_map,
        warnings,
        sha256,
        secret_files,
        started: done.started,
        replaced: done.replaced,
        updated: done.updated,
        stopped: done.stopped,
        unchanged: done.unchanged,
        abandoned: done.abandoned,
        took: started.elapsed(),
    })
}

/// A plan that only needs to be committed.
struct Planned {
    program: Program,
    warnings: Diagnostics,
    live: Arc<Graph>,
    entries: Vec<Entry>,
    prepared: Prepared,
}

async fn plan(engine: &Arc<Inner>, origin: &str, texts: Texts) -> Result<Planned, LoadError> {
    let error =
        |stage, source_map, diagnostics| LoadError { stage, origin: origin.to_owned(), source_map, diagnostics };
    let live = engine.live();
    let mut planner = Planner::new(engine, Arc::clone(&live), Mode::Load, engine.changes.current());
    let mut program = match planner.program(origin.to_owned(), Arc::new(texts)) {
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
    match prepare(&mut planner.entries, &live, engine.settings.build_deadline).await {
        Ok(prepared) => {
            let Planner { map, structures, warnings, entries, .. } = planner;
            (program.map, program.structures) = (map, structures);
            Ok(Planned { program, warnings, live, entries, prepared })
        }
        Err(refused) => {
            planner.roll_back(0);
            let diagnostics = refused.into_iter().map(|refused| refused.diagnostic).collect();
            Err(error(LoadStage::Graph, planner.map, diagnostics))
        }
    }
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
        engine.metrics.waited(waited.elapsed());
        let _evaluating = Evaluating::new(&engine);
        let news = changes.take();
        if news.changed.is_empty() && !news.content {
            continue;
        }
        let Some(program) = plans.program.clone() else { continue };
        // A component's code runs in here; its panic must not be the last re-evaluation.
        let plan = plan_again(&engine, program, &news.changed, news.content).instrument(trace::replan());
        let plan = AssertUnwindSafe(plan).catch_unwind();
        let planned = tokio::select! {
            biased;
            () = engine.closing() => return,
            planned = plan => planned,
        };
        match planned {
            Ok(Some(Planned { program, live, entries, prepared, .. })) => {
                commit(&engine, &live, entries, prepared).instrument(trace::commit()).await;
                engine.metrics.show(shape(&engine.live()), &Arc::downgrade(&engine));
                plans.program = Some(program);
            }
            Ok(None) => {}
            Err(panic) => {
                engine.metrics.panics().count();
                tracing::error!(panic = %panic_text(&*panic), "re-evaluation panicked");
            }
        }
    }
}

/// Plans what follows from changed exports or content; `None` if nothing does.
async fn plan_again(
    engine: &Arc<Inner>,
    program: Program,
    changed: &BTreeSet<NodeId>,
    content: bool,
) -> Option<Planned> {
    let live = engine.live();
    let mode = match content {
        true => Mode::Content,
        false => Mode::Exports { dirty: dependants(&live, changed) },
    };
    if matches!(&mode, Mode::Exports { dirty } if dirty.is_empty()) {
        return None;
    }
    let mut refusals = Refusals::new();
    loop {
        let mut planner = Planner::new(engine, Arc::clone(&live), mode.clone(), engine.changes.current());
        planner.refusals = refusals.clone();
        let mut program = program.clone();
        if content {
            // Everything is read again, so that the map holds no text that is not in use.
            program = planner.program(program.origin.clone(), Arc::clone(&program.texts)).ok()?;
        } else {
            planner.resume(&program);
        }
        if let Err(why) = walk_root(&mut planner, &program, content).await {
            planner.roll_back(0);
            tracing::error!(error = %crate::error::summary(&planner.map, &why), "re-evaluation failed");
            return None;
        }
        match prepare(&mut planner.entries, &live, engine.settings.build_deadline).await {
            Ok(prepared) => {
                let Planner { map, structures, warnings, entries, .. } = planner;
                (program.map, program.structures) = (map, structures);
                return Some(Planned { program, warnings, live, entries, prepared });
            }
            Err(refused) => {
                // Each round takes at least one node out, so this ends.
                let before = refusals.len();
                planner.roll_back(0);
                refusals.extend(refused.into_iter().map(|refused| (refused.id, refused.diagnostic.message)));
                if refusals.len() == before {
                    return None;
                }
            }
        }
    }
}

/// The nodes that refer to changed ones directly; the walk finds those behind them.
fn dependants(graph: &Graph, changed: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
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
