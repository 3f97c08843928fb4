//! From `tracing` spans to OTLP spans.

use std::fmt;
use std::time::{Instant, SystemTime};

use corten_component::TRACE_TARGET;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::record::{Fields, Recording, cut};
use super::{OWN, Traces};

/// The run of an instance: a span of its own, and no part of any trace; what happens inside begins traces.
const RUN: &str = "ComponentRun";
const BUILD: &str = "ComponentBuild";

/// Records the spans that are sampled.
pub(crate) struct Spans(pub(crate) Traces);

/// What is known of an open span.
struct Mark {
    /// `None`: not sampled.
    recording: Option<Recording>,
    /// Path and id, if it is the run or the build of a component.
    component: Option<(String, String)>,
    is_run: bool,
}

/// What a new span learns from those around it.
#[derive(Default)]
struct Around {
    /// `Some(None)`: it belongs to a trace that is not sampled.
    trace: Option<Option<([u8; 16], [u8; 8])>>,
    component: Option<(String, String)>,
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TRACE_TARGET || matches!(metadata.name(), RUN | BUILD)
}

impl Spans {
    fn around<'a, S: LookupSpan<'a>>(parent: Option<SpanRef<'a, S>>) -> Around {
        let mut around = Around::default();
        for span in parent.into_iter().flat_map(|parent| parent.scope()) {
            let extensions = span.extensions();
            let Some(mark) = extensions.get::<Mark>() else { continue };
            if around.trace.is_none() && !mark.is_run {
                around.trace = Some(mark.recording.as_ref().map(|recording| (recording.trace, recording.id)));
            }
            if mark.component.is_some() {
                around.component.clone_from(&mark.component);
                break;
            }
        }
        around
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        let is_run = metadata.name() == RUN;
        let lifecycle = is_run || metadata.name() == BUILD;
        // Runs are marked even now: what happens inside later must know whose it is.
        if !is_exported(metadata) || !(lifecycle || self.0.is_on()) {
            return;
        }
        let parent = match attributes.parent() {
            Some(parent) => context.span(parent),
            None if attributes.is_contextual() => context.lookup_current(),
            None => None,
        };
        let around = Self::around(parent);
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let own = match (fields.text("component_path"), fields.text("component_id")) {
            (Some(path), Some(id)) => Some((path.to_owned(), id.to_owned())),
            _ => None,
        };
        let component = own.clone().or(around.component);
        let quiet = metadata.name() == OWN
            || (!lifecycle && component.as_ref().is_some_and(|(path, id)| self.0.carries(path, id)));
        let sampled = match around.trace {
            // The die for a run falls at its end: it may last for longer than any block.
            _ if is_run => true,
            _ if quiet || !self.0.is_on() => false,
            Some(trace) => trace.is_some(),
            None => self.0.samples(),
        };
        if let (None, Some((path, id))) = (&own, &component) {
            fields.add("component_path", path);
            fields.add("component_id", id);
        }
        let recording = sampled.then(|| {
            let (trace, parent) = match around.trace.flatten() {
                Some((trace, parent)) => (trace, Some(parent)),
                None => (self.0.0.ids.trace(), None),
            };
            let (wall, start) = (SystemTime::now(), Instant::now());
            let id = self.0.0.ids.span();
            Recording { trace, id, parent, name: metadata.name(), wall, start, fields, error: None }
        });
        if let Some(span) = context.span(id) {
            let component = if lifecycle { own } else { None };
            span.extensions_mut().insert(Mark { recording, component, is_run });
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(mark) = span.extensions_mut().get_mut::<Mark>()
            && let Some(recording) = &mut mark.recording
        {
            values.record(&mut recording.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // An error inside is what became of the span.
        if *event.metadata().level() != Level::ERROR || !self.0.is_on() {
            return;
        }
        if let Some(span) = context.event_span(event)
            && let Some(mark) = span.extensions_mut().get_mut::<Mark>()
            && let Some(recording) = &mut mark.recording
        {
            let mut message = Message(String::new());
            event.record(&mut message);
            recording.error = Some(cut(message.0));
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Mark { recording: Some(recording), is_run, .. }) = span.extensions_mut().remove::<Mark>() else {
            return;
        };
        if self.0.is_on() && (!is_run || self.0.samples()) {
            self.0.push(recording.close());
        }
    }
}

/// The message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
