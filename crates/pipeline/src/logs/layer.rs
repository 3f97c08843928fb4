//! From `tracing` events to records.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use corten_component::TRACE_TARGET;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Logs;
use super::format::{Attribute, Attributes, Record};
use crate::traces::Traces;

/// Hands events to the log, with the fields of the spans around them. It also decides which spans exist at all.
pub(super) struct Recorder {
    pub(super) logs: Logs,
    /// Spans that only exist to be exported exist where this says so.
    pub(super) traces: Option<Traces>,
}

impl Recorder {
    fn is_traced(&self) -> bool {
        self.traces.as_ref().is_some_and(Traces::is_on)
    }
}

/// Whether a span is there to be exported, and says nothing in log lines.
fn is_trace(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TRACE_TARGET
}

/// The fields of a span, kept with it.
struct SpanAttributes(Attributes);

#[derive(Default)]
struct Fields {
    message: String,
    attributes: Attributes,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Attribute) {
        match (field.name(), value) {
            ("message", Attribute::Text(text) | Attribute::Bare(text)) => self.message = text,
            (name, value) => self.attributes.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Attribute::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Attribute::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Attribute::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Attribute::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Attribute::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        // JSON has no word for infinity.
        self.put(field, if value.is_finite() { Attribute::Bare(text) } else { Attribute::Text(text) });
    }
}

/// Libraries speak only of what is wrong, whatever the level: their details are theirs.
fn wanted(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("corten") || *metadata.level() <= Level::WARN
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_trace(metadata) && !self.is_traced() {
            return Interest::never();
        }
        if wanted(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        if is_trace(metadata) {
            return self.is_traced();
        }
        // Spans carry the component's name to the events inside, so they exist at every level.
        wanted(metadata) && (metadata.is_span() || self.logs.enabled(*metadata.level()))
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if is_trace(attributes.metadata()) {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanAttributes(fields.attributes));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(kept) = span.extensions_mut().get_mut::<SpanAttributes>()
        {
            kept.0.extend(fields.attributes);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut attributes = Attributes::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(kept) = span.extensions().get::<SpanAttributes>() {
                attributes.extend(kept.0.iter().cloned());
            }
        }
        let mut kind = DefaultHasher::new();
        event.metadata().callsite().hash(&mut kind);
        for (name, value) in &attributes {
            if let ("component_id" | "component_path", Attribute::Text(text)) = (*name, value) {
                text.hash(&mut kind);
            }
        }
        // What the event says itself holds over the spans around it.
        attributes.retain(|(name, _)| fields.attributes.iter().all(|(own, _)| own != name));
        attributes.append(&mut fields.attributes);
        self.logs.write(Record {
            time: SystemTime::now(),
            level: *event.metadata().level(),
            message: fields.message,
            attributes,
            kind: kind.finish(),
        });
    }
}
