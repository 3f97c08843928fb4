//! Log records.

use corten_proto::otlp::collector::ExportLogsServiceRequest;
use corten_proto::otlp::logs::{LogRecord, SeverityNumber};

use super::page::Page;
use super::value::{Escaped, Hex, Inline, Plain, Time, Typed, attributes, resource, scope};

pub(super) fn write(page: &mut Page, request: &ExportLogsServiceRequest) {
    for (number, logs) in request.resource_logs.iter().enumerate() {
        resource(page, "ResourceLogs", number, logs.resource.as_ref(), &logs.schema_url);
        for (number, logs) in logs.scope_logs.iter().enumerate() {
            scope(page, "ScopeLogs", number, logs.scope.as_ref(), &logs.schema_url);
            page.end_part();
            for (number, record) in logs.log_records.iter().enumerate() {
                match page.detailed {
                    true => detailed(page, number, record),
                    false => page.line(format_args!("{}{}", Plain(record.body.as_ref()), Inline(&record.attributes))),
                }
                page.end_part();
            }
        }
    }
}

fn detailed(page: &mut Page, number: usize, record: &LogRecord) {
    page.line(format_args!("LogRecord #{number}"));
    page.inside(|page| {
        page.line(format_args!("Time: {}", Time(record.time_unix_nano)));
        page.line(format_args!("Observed time: {}", Time(record.observed_time_unix_nano)));
        match SeverityNumber::try_from(record.severity_number) {
            Ok(severity) => page.line(format_args!("Severity: {severity:?} {}", Escaped(&record.severity_text))),
            Err(_) => {
                page.line(format_args!("Severity: {} {}", record.severity_number, Escaped(&record.severity_text)));
            }
        }
        if !record.event_name.is_empty() {
            page.line(format_args!("Event name: {}", Escaped(&record.event_name)));
        }
        page.line(format_args!("Body: {}", Typed(record.body.as_ref())));
        attributes(page, "Attributes", &record.attributes, record.dropped_attributes_count);
        page.line(format_args!("Trace ID: {}", Hex(&record.trace_id)));
        page.line(format_args!("Span ID: {}", Hex(&record.span_id)));
        page.line(format_args!("Flags: {}", record.flags));
    });
}
