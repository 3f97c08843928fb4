//! Spans.

use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_proto::otlp::trace::span::{Event, Link, SpanKind};
use corten_proto::otlp::trace::status::StatusCode;
use corten_proto::otlp::trace::{Span, Status};

use super::page::Page;
use super::value::{Escaped, Hex, Inline, Time, attributes, resource, scope};

pub(super) fn write(page: &mut Page, request: &ExportTraceServiceRequest) {
    for (number, spans) in request.resource_spans.iter().enumerate() {
        resource(page, "ResourceSpans", number, spans.resource.as_ref(), &spans.schema_url);
        for (number, spans) in spans.scope_spans.iter().enumerate() {
            scope(page, "ScopeSpans", number, spans.scope.as_ref(), &spans.schema_url);
            page.end_part();
            for (number, span) in spans.spans.iter().enumerate() {
                match page.detailed {
                    true => detailed(page, number, span),
                    false => page.line(format_args!(
                        "{} {} {}{}",
                        Escaped(&span.name),
                        Hex(&span.trace_id),
                        Hex(&span.span_id),
                        Inline(&span.attributes)
                    )),
                }
                page.end_part();
            }
        }
    }
}

fn detailed(page: &mut Page, number: usize, span: &Span) {
    page.line(format_args!("Span #{number}"));
    page.inside(|page| {
        page.line(format_args!("Name: {}", Escaped(&span.name)));
        page.line(format_args!("Trace ID: {}", Hex(&span.trace_id)));
        page.line(format_args!("ID: {}", Hex(&span.span_id)));
        page.line(format_args!("Parent ID: {}", Hex(&span.parent_span_id)));
        if !span.trace_state.is_empty() {
            page.line(format_args!("Trace state: {}", Escaped(&span.trace_state)));
        }
        if span.flags != 0 {
            page.line(format_args!("Flags: {:#x}", span.flags));
        }
        match SpanKind::try_from(span.kind) {
            Ok(kind) => page.line(format_args!("Kind: {kind:?}")),
            Err(_) => page.line(format_args!("Kind: {}", span.kind)),
        }
        page.line(format_args!("Start time: {}", Time(span.start_time_unix_nano)));
        page.line(format_args!("End time: {}", Time(span.end_time_unix_nano)));
        status(page, span.status.as_ref());
        attributes(page, "Attributes", &span.attributes, span.dropped_attributes_count);
        span.events.iter().enumerate().for_each(|(number, each)| event(page, number, each));
        if span.dropped_events_count > 0 {
            page.line(format_args!("Dropped events: {}", span.dropped_events_count));
        }
        span.links.iter().enumerate().for_each(|(number, each)| link(page, number, each));
        if span.dropped_links_count > 0 {
            page.line(format_args!("Dropped links: {}", span.dropped_links_count));
        }
    });
}

fn status(page: &mut Page, status: Option<&Status>) {
    let Some(status) = status else { return page.line(format_args!("Status: Unset")) };
    match StatusCode::try_from(status.code) {
        Ok(code) => page.line(format_args!("Status: {code:?} {}", Escaped(&status.message))),
        Err(_) => page.line(format_args!("Status: {} {}", status.code, Escaped(&status.message))),
    }
}

fn event(page: &mut Page, number: usize, event: &Event) {
    page.line(format_args!("Event #{number}"));
    page.inside(|page| {
        page.line(format_args!("Name: {}", Escaped(&event.name)));
        page.line(format_args!("Time: {}", Time(event.time_unix_nano)));
        attributes(page, "Attributes", &event.attributes, event.dropped_attributes_count);
    });
}

fn link(page: &mut Page, number: usize, link: &Link) {
    page.line(format_args!("Link #{number}"));
    page.inside(|page| {
        page.line(format_args!("Trace ID: {}", Hex(&link.trace_id)));
        page.line(format_args!("ID: {}", Hex(&link.span_id)));
        if !link.trace_state.is_empty() {
            page.line(format_args!("Trace state: {}", Escaped(&link.trace_state)));
        }
        attributes(page, "Attributes", &link.attributes, link.dropped_attributes_count);
    });
}
