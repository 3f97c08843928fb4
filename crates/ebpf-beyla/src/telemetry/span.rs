//! Spans of exchanges.

use std::time::Duration;

use corten_proto::otlp::trace::{Span, Status, span::SpanKind, status::StatusCode};

use super::view::{View, grpc_status};
use super::{Select, number, redact, text};
use crate::interpret::exchange::Ending;
use crate::record::Family;

/// What spans say.
#[derive(Debug, Clone, Default)]
pub struct SpanOptions {
    /// `url.query`, redacted.
    pub query: bool,
    /// What is left out.
    pub select: Select,
}

impl SpanOptions {
    /// As the file selects it.
    pub fn new(select: Select) -> Self {
        Self { query: !select.shown("traces", &[("url.query", true)]).is_empty(), select }
    }
}

/// When the machine was booted, as the wall clock has it now: what turns its clock into times of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot(Duration);

impl Boot {
    /// From a time since 1970 and the same moment since boot.
    pub fn new(wall: Duration, since_boot: Duration) -> Self {
        Self(wall.saturating_sub(since_boot))
    }

    /// Nanoseconds since 1970 of a moment since boot.
    pub fn wall(self, nanoseconds: u64) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or_default().saturating_add(nanoseconds)
    }
}

/// The span of an exchange.
pub fn span(view: &View<'_>, boot: Boot, options: &SpanOptions) -> Span {
    let exchange = view.exchange;
    let context = exchange.context;
    let kind = if view.is_server() { SpanKind::Server } else { SpanKind::Client };
    let status = match &view.error {
        None => Status::default(),
        Some(_) => Status { code: StatusCode::Error.into(), message: String::new() },
    };
    Span {
        trace_id: context.trace.to_be_bytes().to_vec(),
        span_id: context.span.to_be_bytes().to_vec(),
        parent_span_id: if context.parent == 0 { Vec::new() } else { context.parent.to_be_bytes().to_vec() },
        trace_state: exchange.tracestate.clone(),
        flags: 1,
        name: name(view),
        kind: kind.into(),
        start_time_unix_nano: boot.wall(exchange.start),
        end_time_unix_nano: boot.wall(exchange.end.max(exchange.start)),
        attributes: attributes(view, options),
        status: Some(status),
        ..Span::default()
    }
}

/// The name: method and route; of a call its full method.
fn name(view: &View<'_>) -> String {
    if view.exchange.is_grpc() {
        return view.rpc_method().to_owned();
    }
    // By the conventions a method that is not known is not part of a name.
    let method = if view.method == "_OTHER" { "HTTP" } else { view.method };
    match view.route.as_str() {
        "" => method.to_owned(),
        route => format!("{method} {route}"),
    }
}

fn attributes(view: &View<'_>, options: &SpanOptions) -> Vec<corten_proto::otlp::common::KeyValue> {
    let exchange = view.exchange;
    let mut all = Vec::with_capacity(18);
    if exchange.is_grpc() {
        all.push(text("rpc.system.name", "grpc"));
        all.push(text("rpc.method", view.rpc_method()));
        if let Some(code) = exchange.grpc_status {
            all.push(text("rpc.response.status_code", grpc_status(code)));
        }
    } else {
        all.push(text("http.request.method", view.method));
        if view.method == "_OTHER" {
            all.push(text("http.request.method_original", exchange.method.as_str()));
        }
        if let Some(status) = exchange.status {
            all.push(number("http.response.status_code", status));
        }
        match view.is_server() {
            true => {
                all.push(text("url.path", view.path));
                all.push(text("url.scheme", view.scheme));
                if options.query && !view.query.is_empty() {
                    all.push(text("url.query", redact::query(view.query)));
                }
                if !view.route.is_empty() {
                    all.push(text("http.route", view.route.as_str()));
                }
            }
            false => {
                all.push(text("url.full", full_url(view, options)));
                if !view.route.is_empty() {
                    all.push(text("url.template", view.route.as_str()));
                }
            }
        }
        all.push(number("http.request.body.size", exchange.request_body));
        all.push(number("http.response.body.size", exchange.response_body));
    }
    if !exchange.user_agent.is_empty() {
        all.push(text("user_agent.original", exchange.user_agent.as_str()));
    }
    if !view.server.is_empty() {
        all.push(text("server.address", view.server.as_str()));
    }
    if view.server_port != 0 {
        all.push(number("server.port", view.server_port));
    }
    if let Some(ends) = &exchange.ends {
        match ends.family {
            Family::Unix => all.push(text("network.transport", "unix")),
            _ => {
                if view.is_server() {
                    all.push(text("client.address", view.peer.as_str()));
                    all.push(number("client.port", ends.remote_port));
                }
                all.push(text("network.peer.address", view.peer.as_str()));
                all.push(number("network.peer.port", ends.remote_port));
            }
        }
    }
    all.push(text("network.protocol.name", "http"));
    all.push(text("network.protocol.version", exchange.protocol.version()));
    all.push(number("thread.id", exchange.tid));
    if let Some(error) = &view.error {
        all.push(text("error.type", error.as_str()));
    }
    if exchange.ending == Ending::Assumed {
        // The end is the last byte that was seen, not one that was known to be the last.
        all.push(text("corten.end", "assumed"));
    }
    if !options.select.is_plain() {
        all.retain(|attribute| options.select.has_span(&attribute.key));
    }
    all
}

/// `url.full`: the query is left out unless it is wanted.
fn full_url(view: &View<'_>, options: &SpanOptions) -> String {
    let default = matches!((view.scheme, view.server_port), ("http", 80) | ("https", 443) | (_, 0));
    let server = if view.server.contains(':') { format!("[{}]", view.server) } else { view.server.clone() };
    let port = if default { String::new() } else { format!(":{}", view.server_port) };
    let query = match options.query && !view.query.is_empty() {
        true => format!("?{}", view.query),
        false => String::new(),
    };
    redact::url(&format!("{}://{server}{port}{}{query}", view.scheme, view.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::context::Context;
    use crate::interpret::exchange::{Ends, Exchange, Protocol};
    use crate::record::Role;
    use crate::telemetry::route::{RouteRules, Routes};

    fn made(exchange: &Exchange, query: bool) -> (Span, Vec<(String, String)>) {
        let view = View::new(exchange, "s", &mut Routes::new(RouteRules::default()));
        let boot = Boot::new(Duration::from_secs(1000), Duration::from_secs(10));
        let span = span(&view, boot, &SpanOptions { query, ..SpanOptions::default() });
        let show = |value: &Option<corten_proto::otlp::common::AnyValue>| {
            use corten_proto::otlp::common::any_value::Value;
            match value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::IntValue(number)) => number.to_string(),
                other => format!("{other:?}"),
            }
        };
        let attributes = span.attributes.iter().map(|a| (a.key.clone(), show(&a.value))).collect();
        (span, attributes)
    }

    fn exchange() -> Exchange {
        let ends = Ends {
            local_port: 8080,
            remote_port: 50_000,
            remote: [127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ..Ends::default()
        };
        Exchange {
            role: Role::Server,
            method: "GET".to_owned(),
            target: "/users/17?token=abc&page=2".to_owned(),
            host: "shop.example:8080".to_owned(),
            status: Some(200),
            response_body: 5,
            start: 1_000_000_000,
            end: 1_500_000_000,
            ends: Some(ends),
            context: Context { trace: 7, span: 8, parent: 9, sampled: None },
            ..Exchange::default()
        }
    }

    fn has(attributes: &[(String, String)], key: &str, value: &str) -> bool {
        attributes.iter().any(|(k, v)| k == key && v == value)
    }

    #[test]
    fn a_server_span_says_what_the_conventions_want() {
        let (span, attributes) = made(&exchange(), true);
        assert_eq!((span.name.as_str(), span.kind), ("GET /users/*", SpanKind::Server as i32));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (991_000_000_000, 991_500_000_000));
        assert_eq!((span.trace_id[15], span.span_id[7], span.parent_span_id[7]), (7, 8, 9));
        for (key, value) in [
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("url.path", "/users/17"),
            ("url.query", "token=REDACTED&page=2"),
            ("url.scheme", "http"),
            ("http.route", "/users/*"),
            ("server.address", "shop.example"),
            ("server.port", "8080"),
            ("client.address", "127.0.0.1"),
            ("http.response.body.size", "5"),
            ("network.protocol.version", "1.1"),
        ] {
            assert!(has(&attributes, key, value), "{key} in {attributes:?}");
        }
        let (_, attributes) = made(&exchange(), false);
        assert!(attributes.iter().all(|(key, value)| key != "url.query" && !value.contains("abc")));
    }

    #[test]
    fn a_client_span_has_the_whole_url_without_secrets() {
        let client = Exchange { role: Role::Client, status: Some(404), ..exchange() };
        let (span, attributes) = made(&client, true);
        assert!(has(&attributes, "url.full", "http://shop.example:8080/users/17?token=REDACTED&page=2"));
        assert!(has(&attributes, "error.type", "404"));
        assert_eq!(span.status.unwrap().code, StatusCode::Error as i32);
        let (_, attributes) = made(&client, false);
        assert!(has(&attributes, "url.full", "http://shop.example:8080/users/17"));
    }

    #[test]
    fn a_call_is_named_by_its_method() {
        let call = Exchange {
            protocol: Protocol::Http2,
            content_type: "application/grpc+proto".to_owned(),
            target: "/shop.Cart/Add".to_owned(),
            grpc_status: Some(0),
            ..exchange()
        };
        let (span, attributes) = made(&call, false);
        assert_eq!(span.name, "shop.Cart/Add");
        assert!(has(&attributes, "rpc.system.name", "grpc") && has(&attributes, "rpc.response.status_code", "OK"));
        assert!(attributes.iter().all(|(key, _)| !key.starts_with("http.")));
    }

    #[test]
    fn methods_of_strangers_do_not_name_spans() {
        let (span, attributes) = made(&Exchange { method: "PROPFIND".to_owned(), ..exchange() }, false);
        assert_eq!(span.name, "HTTP /users/*");
        assert!(has(&attributes, "http.request.method", "_OTHER"));
        assert!(has(&attributes, "http.request.method_original", "PROPFIND"));
    }
}
