//! What the shop does: an order is priced, paid and sometimes refused.

use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};

use crate::telemetry::Telemetry;

/// One order: three spans, two log records, one measurement per instrument.
pub(crate) fn place(shop: &Telemetry, number: u64) {
    let payment = if number.is_multiple_of(2) { "card" } else { "invoice" };
    let refused = number.is_multiple_of(5);
    let tracer = &shop.tracer;
    let builder = tracer.span_builder("POST /orders").with_kind(SpanKind::Server).with_attributes([
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("order.number", i64::try_from(number).unwrap_or(i64::MAX)),
    ]);
    let order = opentelemetry::Context::current_with_span(builder.start(tracer));
    let _entered = order.clone().attach();
    say(shop, Severity::Info, "order received", number);
    tracer.in_span("price", |cx| cx.span().set_attribute(KeyValue::new("order.items", 3)));
    tracer.in_span("pay", |cx| {
        cx.span().set_attribute(KeyValue::new("payment.method", payment));
        if refused {
            cx.span().set_status(Status::error("card refused"));
        }
    });
    match refused {
        true => say(shop, Severity::Error, "payment refused", number),
        false => say(shop, Severity::Info, "order paid", number),
    }
    let labels = [KeyValue::new("payment.method", payment)];
    shop.orders.add(1, &labels);
    shop.duration.record(12.5 + (number % 7) as f64, &labels);
    order.span().end();
}

fn say(shop: &Telemetry, severity: Severity, text: &'static str, number: u64) {
    let mut record = shop.logger.create_log_record();
    record.set_severity_number(severity);
    record.set_severity_text(severity.name());
    record.set_body(AnyValue::from(text));
    record.add_attribute("order.number", i64::try_from(number).unwrap_or(i64::MAX));
    shop.logger.emit(record);
}
