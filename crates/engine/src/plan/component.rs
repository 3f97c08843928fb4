//! Evaluating a component, and building an instance where one is needed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use corten_component::{Body, BuildContext, BuildError, Built, Registration};
use corten_syntax::{Diagnostic, quote};
use futures_util::FutureExt;
use tracing::Instrument;

use super::walk::{At, Failure, Outcome};
use super::{Building, Entry, Planner, wrapped};
use crate::engine::Inner;
use crate::live::{Erased, What, evaluated};
use crate::run::panic_text;
use crate::trace;

impl Planner<'_> {
    /// The evaluated statements of a node.
    pub(super) fn body(&self, at: &At<'_, '_>) -> Result<Arc<Body>, Failure> {
        let node = &at.frame.structure.nodes[at.index];
        let scope = at.frame.scope(&node.references).ok_or_else(Vec::new)?;
        Body::evaluate(&node.block, &scope).map(Arc::new)
    }

    pub(super) async fn component(&mut self, at: At<'_, '_>, registration: &Registration) -> Result<Outcome, Failure> {
        let body = self.body(&at)?;
        let misfits = self.check_kinds(&body, &[]);
        self.warnings.extend(misfits);
        let live = self.live.get(&at.id).cloned();
        let before = live.as_ref().and_then(|live| match &live.what {
            // Hiding or showing a node's metrics makes it another one.
            What::Component(component) if component.shown == self.metrics => Some((live, component)),
            _ => None,
        });
        let references = self.reference_ids(at.frame, at.index);
        // Whoever has ended is started again by the next load, and only by a load.
        let usable = before.filter(|(_, component)| !(self.is_load() && component.runner.has_exited()));
        if let Some((live, _)) = usable
            && live.body.same(&body)
        {
            let exports = self.exports_of(live);
            let mut live = (**live).clone();
            (live.body, live.references, live.evaluation) = (body, references, evaluated());
            self.entries.push(Entry::Keep(live));
            return Ok(Outcome { exports });
        }
        let args = registration.decode(&body)?;
        if let Some((live, component)) = usable
            && registration.absorbs(&component.args, &args)
        {
            let exports = self.exports_of(live);
            let mut live = (**live).clone();
            (live.body, live.references, live.evaluation) = (body, references, evaluated());
            self.entries.push(Entry::Update { live, args });
            return Ok(Outcome { exports });
        }
        let node = match before {
            Some((_, component)) => Arc::clone(&component.node),
            None => self.fresh_node(&at.id),
        };
        let replaces = before.is_some();
        // What was true of the arguments before is no news.
        let known = before.map(|(_, component)| registration.notes(&*component.args)).unwrap_or_default();
        let mut notes = registration.notes(&*args);
        notes.retain(|note| !known.contains(note));
        let said = node.health().report();
        let block = Arc::clone(&at.frame.structure.nodes[at.index].block);
        let mut context = BuildContext::new(&node);
        let built = build(self.engine, registration, Arc::clone(&args), &mut context).await;
        let pending = context.into_pending();
        let built = built.map_err(|error| {
            if !replaces {
                self.engine.settings.metrics.remove_node(&at.id);
            }
            let message = format!("Failed to build component: building component: {error}");
            let span = error.field.as_deref().map_or(block.header_span(), |field| body.locate(field));
            let mut diagnostic = Diagnostic::error(span, message);
            diagnostic.help = error.help;
            vec![diagnostic]
        })?;
        let exports = Arc::new(built.exports);
        let structure = &at.frame.structure.nodes[at.index];
        self.entries.push(Entry::Build(Box::new(Building {
            id: at.id,
            name: Arc::clone(&structure.name),
            label: structure.label().map(Arc::from),
            references,
            exports: Arc::clone(&exports),
            body,
            node,
            registration: *registration,
            args,
            instance: built.instance,
            pending,
            block,
            replaces,
            shown: self.metrics,
            said,
            notes,
        })));
        Ok(Outcome { exports })
    }

    pub(super) fn host(&mut self, at: At<'_, '_>, index: usize) -> Result<Outcome, Failure> {
        let body = self.body(&at)?;
        let host = &self.engine.settings.host_blocks[index];
        let prefix = match host.kind {
            crate::HostKind::Config => "Failed to evaluate node for config block: ",
            crate::HostKind::Service => "Failed to evaluate service: ",
        };
        let node = &at.frame.structure.nodes[at.index];
        let misfits = self.check_kinds(&body, &host.outputs);
        self.warnings.extend(misfits);
        let args = host.decode(&body)?;
        host.check(&args).map_err(|error| {
            let mut diagnostic = wrapped(&node.block, prefix, &error);
            if let Some(field) = &error.field {
                diagnostic.span = Some(body.locate(field));
            }
            diagnostic.help = error.help;
            vec![diagnostic]
        })?;
        let references = self.reference_ids(at.frame, at.index);
        self.push_plain(&at, references, Arc::default(), body, What::Host { index, args });
        Ok(Outcome { exports: Arc::default() })
    }

    /// Adds a node without an instance.
    pub(super) fn push_plain(
        &mut self,
        at: &At<'_, '_>,
        references: Vec<Arc<str>>,
        exports: Arc<corten_syntax::Object>,
        body: Arc<Body>,
        what: What,
    ) {
        let node = &at.frame.structure.nodes[at.index];
        self.entries.push(Entry::Keep(crate::live::LiveNode {
            id: at.id.clone(),
            name: Arc::clone(&node.name),
            label: node.label().map(Arc::from),
            references,
            exports,
            evaluation: evaluated(),
            body,
            what,
        }));
    }
}

/// Builds an instance under the deadline; a panic is an error like others.
async fn build(
    engine: &Inner,
    registration: &Registration,
    args: Erased,
    context: &mut BuildContext<'_>,
) -> Result<Built, BuildError> {
    let deadline = engine.settings.build_deadline;
    let span = trace::build(context.id());
    let build = AssertUnwindSafe(async { registration.build(args, context).await }).catch_unwind();
    match tokio::time::timeout(deadline, build.instrument(span)).await {
        Ok(Ok(built)) => built,
        Ok(Err(panic)) => {
            engine.metrics.panics().count();
            Err(BuildError::new(format!("it panicked: {}", panic_text(&*panic)))
                .with_help("this is a bug in the component; please report it"))
        }
        Err(_) => Err(BuildError::new(format!("it did not finish within {} s", deadline.as_secs_f64()))),
    }
}

/// `unrecognized block name` for bodies that take attributes only.
pub(crate) fn no_blocks(name: &str, span: corten_syntax::Span) -> Diagnostic {
    Diagnostic::error(span, format!("unrecognized block name {}", quote(name)))
        .with_help("a custom component takes attributes only")
}
