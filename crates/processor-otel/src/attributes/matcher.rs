//! Which items are edited.

use corten_component::Invalid;
use corten_proto::otlp::common::{InstrumentationScope, KeyValue, any_value::Value};
use corten_proto::otlp::logs::LogRecord;
use corten_proto::otlp::resource::Resource;
use corten_proto::otlp::trace::Span;
use regex::Regex;

use super::arguments::{AttributeArguments, LogSeverityArguments, MatchArguments, MatchType, SPAN_KINDS};
use super::value::{as_text, from_literal, matchable};

/// What an item must be like, ready to be asked.
#[derive(Debug, Clone)]
pub struct Matcher {
    services: Option<Texts>,
    span_names: Option<Texts>,
    span_kinds: Option<Texts>,
    log_bodies: Option<Texts>,
    log_severity_texts: Option<Texts>,
    log_severity: Option<LogSeverityArguments>,
    metric_names: Option<Texts>,
    attributes: Vec<Attribute>,
    resources: Vec<Attribute>,
    libraries: Vec<(Texts, Option<Texts>)>,
}

/// One of these texts.
#[derive(Debug, Clone)]
enum Texts {
    Strict(Vec<String>),
    Regexp(Vec<Regex>),
}

#[derive(Debug, Clone)]
struct Attribute {
    key: String,
    value: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Any,
    Equal(Value),
    Regexp(Regex),
}

impl Matcher {
    /// Reads what the user wrote.
    ///
    /// # Errors
    /// A regular expression that is none, or a value that cannot be compared, at the argument at fault.
    pub fn compile(args: &MatchArguments) -> Result<Self, Invalid> {
        let list = |field: &str, texts: &[String]| match texts {
            [] => Ok(None),
            texts => Texts::compile(args.match_type, texts, field).map(Some),
        };
        let attributes = |field: &str, all: &[AttributeArguments]| {
            all.iter().map(|each| Attribute::compile(args.match_type, each, field)).collect::<Result<Vec<_>, _>>()
        };
        let library = |library: &super::LibraryArguments| {
            let text = |text: &String| Texts::compile(args.match_type, std::slice::from_ref(text), "library");
            Ok((text(&library.name)?, library.version.as_ref().map(text).transpose()?))
        };
        Ok(Self {
            services: list("services", &args.services)?,
            span_names: list("span_names", &args.span_names)?,
            span_kinds: list("span_kinds", &args.span_kinds)?,
            log_bodies: list("log_bodies", &args.log_bodies)?,
            log_severity_texts: list("log_severity_texts", &args.log_severity_texts)?,
            log_severity: args.log_severity,
            metric_names: list("metric_names", &args.metric_names)?,
            attributes: attributes("attribute", &args.attribute)?,
            resources: attributes("resource", &args.resource)?,
            libraries: args.library.iter().map(library).collect::<Result<_, Invalid>>()?,
        })
    }

    /// Whether a span matches.
    pub fn span(&self, span: &Span, resource: Option<&Resource>, scope: Option<&InstrumentationScope>) -> bool {
        let kind = SPAN_KINDS.get(span.kind as usize).copied().unwrap_or_default();
        holds(&self.services, || service_name(resource))
            && holds(&self.span_names, || span.name.as_str())
            && holds(&self.span_kinds, || kind)
            && self.common(&span.attributes, resource, scope)
    }

    /// Whether a log record matches.
    pub fn log(&self, log: &LogRecord, resource: Option<&Resource>, scope: Option<&InstrumentationScope>) -> bool {
        let severity = self.log_severity.is_none_or(|wanted| match log.severity_number {
            0 => wanted.match_undefined,
            number => number >= wanted.min.number(),
        });
        severity
            && holds(&self.log_bodies, || as_text(log.body.as_ref().and_then(|body| body.value.as_ref())))
            && holds(&self.log_severity_texts, || log.severity_text.as_str())
            && self.common(&log.attributes, resource, scope)
    }

    /// Whether a metric matches; `None` if nothing is said of metrics. Only names count, as in the OpenTelemetry
    /// Collector.
    pub fn metric(&self, name: &str) -> Option<bool> {
        self.metric_names.as_ref().map(|names| names.contain(name))
    }

    fn common(
        &self,
        attributes: &[KeyValue],
        resource: Option<&Resource>,
        scope: Option<&InstrumentationScope>,
    ) -> bool {
        let (name, version) = scope.map_or(("", ""), |scope| (scope.name.as_str(), scope.version.as_str()));
        let of_resource = resource.map_or(&[][..], |resource| &resource.attributes);
        let library = |(wanted_name, wanted_version): &(Texts, Option<Texts>)| {
            wanted_name.contain(name) && holds(wanted_version, || version)
        };
        self.libraries.iter().all(library)
            && self.resources.iter().all(|wanted| wanted.holds(of_resource))
            && self.attributes.iter().all(|wanted| wanted.holds(attributes))
    }
}

fn holds<T: AsRef<str>>(wanted: &Option<Texts>, text: impl FnOnce() -> T) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.contain(text().as_ref()))
}

/// What stands for the name of a service that has none.
const NO_SERVICE: &str = "<nil-service-name>";

fn service_name(resource: Option<&Resource>) -> String {
    let found = resource.and_then(|resource| resource.attributes.iter().find(|pair| pair.key == "service.name"));
    found.map_or_else(
        || NO_SERVICE.to_owned(),
        |pair| as_text(pair.value.as_ref().and_then(|value| value.value.as_ref())),
    )
}

impl Texts {
    fn compile(how: MatchType, texts: &[String], field: &str) -> Result<Self, Invalid> {
        Ok(match how {
            MatchType::Strict => Self::Strict(texts.to_vec()),
            MatchType::Regexp => Self::Regexp(texts.iter().map(|text| regex(text, field)).collect::<Result<_, _>>()?),
        })
    }

    fn contain(&self, text: &str) -> bool {
        match self {
            Self::Strict(texts) => texts.iter().any(|known| known == text),
            Self::Regexp(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

fn regex(text: &str, field: &str) -> Result<Regex, Invalid> {
    Regex::new(text).map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        Invalid::at(field, format!("{field} contains {text:?}, which is not a valid regular expression: {reason}"))
    })
}

impl Attribute {
    fn compile(how: MatchType, args: &AttributeArguments, field: &str) -> Result<Self, Invalid> {
        if args.key.is_empty() {
            return Err(Invalid::at(field, "key must not be empty"));
        }
        let value = match args.value.get().map(from_literal).transpose() {
            Err(kind) => return Err(Invalid::at(field, format!("value is {kind}"))),
            Ok(None) => Expected::Any,
            Ok(Some(Value::StringValue(text))) if how == MatchType::Regexp => Expected::Regexp(regex(&text, field)?),
            Ok(Some(_)) if how == MatchType::Regexp => {
                let message = format!("with match_type = \"regexp\" the value of {:?} must be a string", args.key);
                return Err(Invalid::at(field, message));
            }
            Ok(Some(value)) => Expected::Equal(value),
        };
        Ok(Self { key: args.key.clone(), value })
    }

    fn holds(&self, attributes: &[KeyValue]) -> bool {
        let Some(pair) = attributes.iter().find(|pair| pair.key == self.key) else { return false };
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        match &self.value {
            Expected::Any => true,
            Expected::Equal(wanted) => value == Some(wanted),
            Expected::Regexp(pattern) => value.and_then(matchable).is_some_and(|text| pattern.is_match(&text)),
        }
    }
}
