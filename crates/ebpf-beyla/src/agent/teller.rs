//! Exchanges of observed processes to spans and metrics.

use std::sync::{Arc, Mutex, PoisonError};

use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_proto::otlp::common::{InstrumentationScope, KeyValue, any_value::Value};
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};

use crate::arguments::{EbpfArguments, FilterArguments, IgnoreMode, SamplerArguments, TracePrinter};
use crate::discover::Pattern;
use crate::interpret::exchange::Exchange;
use crate::telemetry::measure::Other;
use crate::telemetry::span::{Boot, SpanOptions, span};
use crate::telemetry::{Exclusions, Measures, Routes, Service, View};

/// The scope of our spans and metrics.
pub const SCOPE: &str = "corten/beyla.ebpf";

/// A process that is observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The service that it is.
    pub service: Arc<Service>,
    /// Whether its spans go out.
    pub traces: bool,
    /// Whether it is measured.
    pub metrics: bool,
    /// Which of its traces are kept.
    pub sampler: SamplerArguments,
}

/// What has become of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A span and metrics, as far as they are wanted.
    Yes,
    /// It is telemetry itself.
    Telemetry,
    /// The file leaves it out.
    LeftOut,
}

#[derive(Debug)]
struct Filter {
    what: FilterArguments,
    matches: Option<Pattern>,
    not_match: Option<Pattern>,
}

/// Tells of exchanges.
#[derive(Debug)]
pub struct Teller {
    routes: Routes,
    ignore: IgnoreMode,
    exclusions: Exclusions,
    filters: Vec<Filter>,
    options: SpanOptions,
    printer: TracePrinter,
    protocols: [Protocols; 2],
    measures: Arc<Mutex<Measures>>,
    spans: Vec<(Arc<Service>, Vec<Span>)>,
    count: usize,
}

/// Which protocols are told.
#[derive(Debug, Clone, Copy)]
struct Protocols {
    http: bool,
    grpc: bool,
}

impl Protocols {
    fn of(names: &[String]) -> Self {
        let has = |wanted: &str| names.iter().any(|name| name == "*" || name == wanted);
        Self { http: has("http"), grpc: has("grpc") }
    }

    fn has(self, exchange: &Exchange) -> bool {
        if exchange.is_grpc() { self.grpc } else { self.http }
    }
}

impl Teller {
    /// By the arguments; `own` is the number of our own process.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn new(args: &EbpfArguments, own: u32, measures: Arc<Mutex<Measures>>) -> Result<Self, String> {
        let filter = |what: &FilterArguments| {
            let glob = |text: &str| (!text.is_empty()).then(|| Pattern::glob(text)).transpose();
            Ok(Filter { what: what.clone(), matches: glob(&what.matches)?, not_match: glob(&what.not_match)? })
        };
        Ok(Self {
            routes: Routes::new(args.routes.rules()),
            ignore: args.routes.ignore_mode,
            exclusions: Exclusions::new(
                own,
                args.discovery.exclude_otel_instrumented_services,
                args.discovery.exclude_otel_instrumented_services_span_metrics,
            ),
            filters: args.filters.application.iter().map(filter).collect::<Result<_, String>>()?,
            options: SpanOptions::new(args.attributes.selection()?),
            printer: args.trace_printer,
            protocols: [Protocols::of(&args.traces.instrumentations), Protocols::of(&args.metrics.instrumentations)],
            measures,
            spans: Vec::new(),
            count: 0,
        })
    }

    /// Tells of an exchange; `other` is who is at its other end, `now` in nanoseconds since 1970.
    pub fn tell(&mut self, exchange: &Exchange, observed: &Observed, other: Other<'_>, boot: Boot, now: u64) -> Told {
        if self.exclusions.is_telemetry(exchange) {
            return Told::Telemetry;
        }
        let view = View::new(exchange, &observed.service.name, &mut self.routes);
        let ignored = self.routes.is_ignored(view.path);
        if ignored && self.ignore == IgnoreMode::All {
            return Told::LeftOut;
        }
        let span = span(&view, boot, &self.options);
        if !self.filters.iter().all(|filter| filter.lets(&span.attributes)) {
            return Told::LeftOut;
        }
        let [traces, metrics] = self.protocols;
        if observed.metrics && !(ignored && self.ignore == IgnoreMode::Metrics) {
            let mut measures = self.measures.lock().unwrap_or_else(PoisonError::into_inner);
            if metrics.has(exchange) && !self.exclusions.has_own_metrics(exchange.pid) {
                measures.observe(&observed.service, &view, now);
            }
            if !self.exclusions.has_own_span_metrics(exchange.pid) {
                measures.observe_span(&observed.service, &view, &span.name, other, now);
            }
        }
        if observed.traces
            && traces.has(exchange)
            && !(ignored && self.ignore == IgnoreMode::Traces)
            && !self.exclusions.has_own_traces(exchange.pid)
            && observed.sampler.keeps(exchange.context.sampled, exchange.context.trace)
        {
            self.print(&span, &observed.service);
            self.keep(span, &observed.service);
        }
        Told::Yes
    }

    /// A process has ended, or runs another program.
    pub fn forget(&mut self, pid: u32) {
        self.exclusions.forget(pid);
    }

    /// How many spans wait.
    pub fn waiting(&self) -> usize {
        self.count
    }

    /// What waits, as one request.
    pub fn take(&mut self) -> Option<(ExportTraceServiceRequest, usize)> {
        let count = std::mem::take(&mut self.count);
        let resources = std::mem::take(&mut self.spans).into_iter().map(|(service, spans)| ResourceSpans {
            resource: Some(service.resource(&self.options.select)),
            scope_spans: vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        });
        (count > 0).then(|| (ExportTraceServiceRequest { resource_spans: resources.collect() }, count))
    }

    fn keep(&mut self, span: Span, service: &Arc<Service>) {
        self.count += 1;
        match self.spans.iter_mut().find(|(known, _)| Arc::ptr_eq(known, service)) {
            Some((_, spans)) => spans.push(span),
            None => self.spans.push((Arc::clone(service), vec![span])),
        }
    }

    fn print(&self, span: &Span, service: &Service) {
        match self.printer {
            TracePrinter::Disabled | TracePrinter::Counter => {}
            TracePrinter::Text | TracePrinter::Json | TracePrinter::JsonIndent => {
                let took = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
                let attributes: Vec<String> = span.attributes.iter().map(shown).collect();
                tracing::info!(
                    service = service.name,
                    span = span.name,
                    took = ?std::time::Duration::from_nanos(took),
                    attributes = attributes.join(" "),
                    "span"
                );
            }
        }
    }
}

/// The scope of our spans and metrics.
pub fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn shown(attribute: &KeyValue) -> String {
    format!("{}={}", attribute.key, value(attribute))
}

fn value(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

impl Filter {
    /// Whether attributes are as the filter wants them; one that is missing counts as empty.
    fn lets(&self, attributes: &[KeyValue]) -> bool {
        let plain = |name: &str| name.replace('_', ".");
        let wanted = plain(&self.what.attr);
        let text = attributes.iter().find(|known| plain(&known.key) == wanted).map(value).unwrap_or_default();
        let number = text.parse::<i64>();
        let compares = |bound: Option<i64>, holds: fn(i64, i64) -> bool| {
            bound.is_none_or(|bound| number.as_ref().is_ok_and(|number| holds(*number, bound)))
        };
        self.matches.as_ref().is_none_or(|glob| glob.matches(&text))
            && !self.not_match.as_ref().is_some_and(|glob| glob.matches(&text))
            && compares(self.what.greater_than, |a, b| a > b)
            && compares(self.what.greater_equals, |a, b| a >= b)
            && compares(self.what.equals, |a, b| a == b)
            && compares(self.what.not_equals, |a, b| a != b)
            && compares(self.what.less_equals, |a, b| a <= b)
            && compares(self.what.less_than, |a, b| a < b)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::arguments::{MetricsArguments, SamplerName};
    use crate::interpret::context::Context;
    use crate::record::Role;
    use crate::telemetry::MeasureSettings;
    use crate::telemetry::measure::Features;

    fn teller(change: impl FnOnce(&mut EbpfArguments)) -> Teller {
        let mut args = EbpfArguments::default();
        change(&mut args);
        let features = Features { application: true, ..Features::default() };
        let measures = Measures::new(MeasureSettings { features, ..MeasureSettings::default() });
        Teller::new(&args, 1, Arc::new(Mutex::new(measures))).unwrap()
    }

    fn observed() -> Observed {
        let service = Arc::new(Service { name: "shop".into(), ..Service::default() });
        Observed { service, traces: true, metrics: true, sampler: SamplerArguments::default() }
    }

    fn exchange(target: &str, status: u16) -> Exchange {
        Exchange {
            pid: 7,
            role: Role::Server,
            method: "GET".into(),
            target: target.into(),
            status: Some(status),
            context: Context { trace: 1, span: 2, parent: 0, sampled: None },
            ..Exchange::default()
        }
    }

    fn tell(teller: &mut Teller, exchange: &Exchange) -> (Told, usize, usize) {
        let boot = Boot::new(Duration::from_secs(10), Duration::ZERO);
        let told = teller.tell(exchange, &observed(), None, boot, 1);
        let series = teller.measures.lock().unwrap().len();
        (told, teller.waiting(), series)
    }

    #[test]
    fn spans_are_gathered_by_service() {
        let mut teller = teller(|_| {});
        let observed = observed();
        let boot = Boot::new(Duration::from_secs(10), Duration::ZERO);
        for _ in 0..3 {
            teller.tell(&exchange("/a", 200), &observed, None, boot, 1);
        }
        let (request, count) = teller.take().unwrap();
        assert_eq!((count, request.resource_spans.len()), (3, 1));
        assert_eq!(request.resource_spans[0].scope_spans[0].spans.len(), 3);
        assert!(teller.take().is_none());
    }

    #[test]
    fn what_is_left_out_is_left_out_of_what_the_file_says() {
        for (mode, expected) in [
            (IgnoreMode::All, (Told::LeftOut, 0, 0)),
            (IgnoreMode::Traces, (Told::Yes, 0, 3)),
            (IgnoreMode::Metrics, (Told::Yes, 1, 0)),
        ] {
            let mut teller = teller(|args| {
                args.routes.ignored_patterns = vec!["/health".into()];
                args.routes.ignore_mode = mode;
            });
            assert_eq!(tell(&mut teller, &exchange("/health", 200)), expected);
        }
        let mut teller = teller(|args| {
            args.metrics = MetricsArguments { instrumentations: vec!["grpc".into()], ..MetricsArguments::default() };
        });
        assert_eq!(tell(&mut teller, &exchange("/a", 200)), (Told::Yes, 1, 0));
    }

    #[test]
    fn filters_look_at_attributes() {
        let filter = |change: fn(&mut FilterArguments)| {
            let mut filter = FilterArguments::default();
            change(&mut filter);
            teller(|args| args.filters.application = vec![filter])
        };
        let status = |filter: &mut FilterArguments| {
            (filter.attr, filter.greater_equals) = ("http_response_status_code".into(), Some(400));
        };
        assert_eq!(tell(&mut filter(status), &exchange("/a", 200)).0, Told::LeftOut);
        assert_eq!(tell(&mut filter(status), &exchange("/a", 404)).0, Told::Yes);
        let path = |filter: &mut FilterArguments| {
            (filter.attr, filter.not_match) = ("url.path".into(), "/internal/*".into());
        };
        assert_eq!(tell(&mut filter(path), &exchange("/internal/x", 200)).0, Told::LeftOut);
        assert_eq!(tell(&mut filter(path), &exchange("/x", 200)).0, Told::Yes);
    }

    #[test]
    fn telemetry_is_never_told_and_samplers_hold() {
        let mut teller = teller(|_| {});
        let export = Exchange {
            method: "POST".into(),
            target: "/v1/traces".into(),
            content_type: "application/x-protobuf".into(),
            ..exchange("", 200)
        };
        assert_eq!(tell(&mut teller, &export), (Told::Telemetry, 0, 0));
        let none = SamplerArguments { name: SamplerName::None, arg: String::new() };
        let boot = Boot::new(Duration::ZERO, Duration::ZERO);
        teller.tell(&exchange("/", 200), &Observed { sampler: none, ..observed() }, None, boot, 1);
        assert_eq!(teller.waiting(), 0);
    }
}
