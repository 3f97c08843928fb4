//! Spans, log records and profiles.

use corten_proto::otlp::logs::SeverityNumber;
use corten_proto::otlp::trace::{span::SpanKind, status::StatusCode};

use super::{Body, Hex, ValueView, fields, text};
use crate::otlp::wire::{Fields, Value};

/// A span.
#[derive(Debug, Clone, Copy)]
pub struct SpanView<'a>(pub(super) Body<'a>);

impl<'a> SpanView<'a> {
    fields! {
        /// The trace it belongs to.
        trace_id: id 1,
        /// Its id.
        span_id: id 2,
        /// W3C tracestate.
        trace_state: text 3,
        /// The span that it is part of; empty for a root.
        parent_span_id: id 4,
        /// What the operation is called.
        name: text 5,
        /// Start, nanoseconds since 1970.
        start_time_unix_nano: u64 7,
        /// End, nanoseconds since 1970.
        end_time_unix_nano: u64 8,
        /// Its attributes.
        attributes: attributes 9,
        /// How many attributes the sender left out.
        dropped_attributes_count: u32 10,
        /// How many events the sender left out.
        dropped_events_count: u32 12,
        /// How many links the sender left out.
        dropped_links_count: u32 14,
        /// W3C trace flags in bits 0-7; bits 8 and 9 about a remote parent.
        flags: u32 16,
    }

    /// One attribute.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.0.attribute(9, key)
    }

    /// What stages that count spans read, found in one walk.
    pub fn head(&self) -> SpanHead<'a> {
        let mut head = SpanHead::default();
        for field in Fields::new(self.0.0) {
            match (field.number, field.value) {
                (1, Value::Len(id)) => head.trace_id = id,
                (2, Value::Len(id)) => head.span_id = id,
                (3, Value::Len(state)) => head.trace_state = text(state),
                (4, Value::Len(id)) => head.parent_span_id = id,
                (5, Value::Len(name)) => head.name = text(name),
                (6, kind) => head.kind = kind.number() as i32,
                (7, time) => head.start = time.number(),
                (8, time) => head.end = time.number(),
                (15, Value::Len(status)) => head.status = StatusView(Body(status)).0.number(3) as i32,
                _ => {}
            }
        }
        head
    }

    /// Its role. Unknown numbers count as unspecified.
    pub fn kind(&self) -> SpanKind {
        SpanKind::try_from(self.0.number(6) as i32).unwrap_or(SpanKind::Unspecified)
    }

    /// How it ended.
    pub fn status(&self) -> StatusView<'a> {
        StatusView(self.0.message(15).unwrap_or(Body(&[])))
    }

    /// What happened meanwhile.
    pub fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        self.0.each(11).map(EventView)
    }

    /// Spans that it relates to.
    pub fn links(&self) -> impl Iterator<Item = LinkView<'a>> + use<'a> {
        self.0.each(13).map(LinkView)
    }
}

/// What stages that count spans read.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanHead<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    /// W3C tracestate.
    pub trace_state: &'a str,
    /// What the operation is called.
    pub name: &'a str,
    kind: i32,
    /// Start, nanoseconds since 1970.
    pub start: u64,
    /// End, nanoseconds since 1970.
    pub end: u64,
    status: i32,
}

impl<'a> SpanHead<'a> {
    /// The trace it belongs to.
    pub fn trace_id(&self) -> Hex<'a> {
        Hex(self.trace_id)
    }

    /// Its id.
    pub fn span_id(&self) -> Hex<'a> {
        Hex(self.span_id)
    }

    /// The span that it is part of; empty for a root.
    pub fn parent_span_id(&self) -> Hex<'a> {
        Hex(self.parent_span_id)
    }

    /// Its role. Unknown numbers count as unspecified.
    pub fn kind(&self) -> SpanKind {
        SpanKind::try_from(self.kind).unwrap_or(SpanKind::Unspecified)
    }

    /// How it ended. Unknown numbers count as unset.
    pub fn status(&self) -> StatusCode {
        StatusCode::try_from(self.status).unwrap_or(StatusCode::Unset)
    }

    /// How long it took, in nanoseconds; 0 if it ends before it starts.
    pub fn nanoseconds(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy)]
pub struct StatusView<'a>(Body<'a>);

impl<'a> StatusView<'a> {
    fields! {
        /// For people.
        message: text 2,
    }

    /// The code. Unknown numbers count as unset.
    pub fn code(&self) -> StatusCode {
        StatusCode::try_from(self.0.number(3) as i32).unwrap_or(StatusCode::Unset)
    }
}

/// Something that happened during a span.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a>(Body<'a>);

impl<'a> EventView<'a> {
    fields! {
        /// When, nanoseconds since 1970.
        time_unix_nano: u64 1,
        /// What.
        name: text 2,
        /// Its attributes.
        attributes: attributes 3,
        /// How many attributes the sender left out.
        dropped_attributes_count: u32 4,
    }
}

/// A reference to another span.
#[derive(Debug, Clone, Copy)]
pub struct LinkView<'a>(Body<'a>);

impl<'a> LinkView<'a> {
    fields! {
        /// The other span's trace.
        trace_id: id 1,
        /// The other span.
        span_id: id 2,
        /// W3C tracestate.
        trace_state: text 3,
        /// Its attributes.
        attributes: attributes 4,
        /// How many attributes the sender left out.
        dropped_attributes_count: u32 5,
        /// W3C trace flags in bits 0-7.
        flags: u32 6,
    }
}

/// A log record.
#[derive(Debug, Clone, Copy)]
pub struct LogView<'a>(pub(super) Body<'a>);

impl<'a> LogView<'a> {
    fields! {
        /// When it happened, nanoseconds since 1970; 0 is unknown.
        time_unix_nano: u64 1,
        /// When a collector saw it, nanoseconds since 1970.
        observed_time_unix_nano: u64 11,
        /// The severity as the source wrote it.
        severity_text: text 3,
        /// Its attributes.
        attributes: attributes 6,
        /// How many attributes the sender left out.
        dropped_attributes_count: u32 7,
        /// W3C trace flags in bits 0-7.
        flags: u32 8,
        /// The trace in which it was written.
        trace_id: id 9,
        /// The span in which it was written.
        span_id: id 10,
        /// The class of event it is, if it is one.
        event_name: text 12,
    }

    /// One attribute.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.0.attribute(6, key)
    }

    /// The severity. Unknown numbers count as unspecified.
    pub fn severity(&self) -> SeverityNumber {
        SeverityNumber::try_from(self.0.number(2) as i32).unwrap_or(SeverityNumber::Unspecified)
    }

    /// The message.
    pub fn body(&self) -> ValueView<'a> {
        self.0.message(5).map_or(ValueView::Empty, ValueView::new)
    }
}

/// A profile.
#[derive(Debug, Clone, Copy)]
pub struct ProfileView<'a>(pub(super) Body<'a>);

impl<'a> ProfileView<'a> {
    fields! {
        /// Start, nanoseconds since 1970.
        time_unix_nano: u64 3,
        /// Length of the interval, nanoseconds.
        duration_nano: u64 4,
        /// Its id.
        profile_id: id 7,
        /// How many attributes the sender left out.
        dropped_attributes_count: u32 8,
        /// The format of the original that it holds, such as `pprof`; empty if it holds none.
        original_payload_format: text 9,
    }

    /// How many samples it has.
    pub fn sample_count(&self) -> usize {
        self.0.each(2).count()
    }
}
