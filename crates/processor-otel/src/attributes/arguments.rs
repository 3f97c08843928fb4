//! What the user writes.

use corten_component::{Arguments, Enumeration, Invalid};
use corten_net::args::DebugMetrics;
use corten_syntax::Value;

use super::action::Action;
use super::matcher::Matcher;
use crate::OutputArguments;

/// The arguments of `otelcol.processor.attributes`.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct AttributesArguments {
    /// What is done to attributes, in order.
    #[arg(block)]
    pub action: Vec<ActionArguments>,
    /// Only what matches is edited.
    #[arg(block)]
    pub include: Option<MatchArguments>,
    /// What matches is not edited.
    #[arg(block)]
    pub exclude: Option<MatchArguments>,
    /// Where data goes.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl AttributesArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.action.is_empty() {
            let help = "an action block has an action, a key and what that action needs";
            return Err(Invalid::new("at least one action block must be specified").with_help(help));
        }
        for (name, properties) in [("include", &self.include), ("exclude", &self.exclude)] {
            if let Some(properties) = properties {
                properties.check_signals(&self.output).map_err(|message| Invalid::at(name, message))?;
            }
        }
        Ok(())
    }
}

/// One action.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct ActionArguments {
    /// The attribute that it acts on.
    pub key: String,
    /// insert, update, upsert, delete, hash, extract or convert.
    #[arg(required)]
    pub action: String,
    /// The value to set; numbers keep their type.
    pub value: ValueArgument,
    /// delete, hash: acts on all attributes whose key matches. extract: its named groups become attributes.
    pub pattern: String,
    /// The attribute whose value is set.
    pub from_attribute: String,
    /// The request metadata that is set: metadata.NAME, auth.NAME or client.address.
    pub from_context: String,
    /// convert: int, double or string.
    pub converted_type: String,
}

impl ActionArguments {
    fn validate(&self) -> Result<(), Invalid> {
        Action::compile(self).map(|_| ())
    }
}

/// A value of the language; compared by meaning.
#[derive(Debug, Clone, Default)]
pub struct ValueArgument(pub Value);

impl PartialEq for ValueArgument {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }
}

impl ValueArgument {
    /// The value, if one was written.
    pub fn get(&self) -> Option<&Value> {
        (!matches!(self.0, Value::Null)).then_some(&self.0)
    }
}

impl corten_component::Attribute for ValueArgument {
    fn type_name() -> String {
        "any".into()
    }

    fn from_value(value: &Value) -> Result<Self, corten_component::ValueError> {
        Ok(Self(value.clone()))
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

/// What an item must be like. All that is written must hold; of a list of texts, one.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct MatchArguments {
    /// strict: texts are equal. regexp: texts contain a match.
    #[arg(required)]
    pub match_type: MatchType,
    /// Values of the resource's service.name. Spans only.
    pub services: Vec<String>,
    /// Names. Spans only.
    pub span_names: Vec<String>,
    /// Kinds (SPAN_KIND_SERVER, ...). Spans only.
    pub span_kinds: Vec<String>,
    /// Bodies as text. Log records only.
    pub log_bodies: Vec<String>,
    /// Severity texts. Log records only.
    pub log_severity_texts: Vec<String>,
    /// Names. Metrics only.
    pub metric_names: Vec<String>,
    /// The severity. Log records only.
    #[arg(block)]
    pub log_severity: Option<LogSeverityArguments>,
    /// An attribute of the span or log record.
    #[arg(block)]
    pub attribute: Vec<AttributeArguments>,
    /// An attribute of the resource.
    #[arg(block)]
    pub resource: Vec<AttributeArguments>,
    /// The instrumentation scope.
    #[arg(block)]
    pub library: Vec<LibraryArguments>,
    /// Accepted and without effect: matches are fast without a cache.
    #[arg(block)]
    pub regexp: Option<RegexpArguments>,
}

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum MatchType {
    /// Equal.
    #[default]
    Strict,
    /// Contains a match of the regular expression.
    Regexp,
}

/// An attribute to match.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct AttributeArguments {
    /// Its name.
    #[arg(required)]
    pub key: String,
    /// Its value; any when not written.
    pub value: ValueArgument,
}

/// An instrumentation scope to match.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct LibraryArguments {
    /// Its name.
    #[arg(required)]
    pub name: String,
    /// Its version; any when not written.
    pub version: Option<String>,
}

/// The severity of log records to match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Arguments)]
pub struct LogSeverityArguments {
    /// The lowest that matches: TRACE, TRACE2, ... FATAL4.
    #[arg(required)]
    pub min: Severity,
    /// Whether records without a severity match.
    #[arg(required)]
    pub match_undefined: bool,
}

/// Settings of a cache that Corten does not need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Arguments)]
pub struct RegexpArguments {
    /// Without effect.
    pub cache_enabled: bool,
    /// Without effect.
    pub cache_max_num_entries: u64,
}

macro_rules! severities {
    ($($name:ident = $text:literal),*) => {
        /// Severities by their short names; the number is OTLP's, less one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
        #[allow(missing_docs, reason = "the names say it")]
        #[repr(u8)]
        pub enum Severity {
            #[default]
            $(#[arg(name = $text)] $name),*
        }
    };
}

severities!(
    Trace = "TRACE",
    Trace2 = "TRACE2",
    Trace3 = "TRACE3",
    Trace4 = "TRACE4",
    Debug = "DEBUG",
    Debug2 = "DEBUG2",
    Debug3 = "DEBUG3",
    Debug4 = "DEBUG4",
    Info = "INFO",
    Info2 = "INFO2",
    Info3 = "INFO3",
    Info4 = "INFO4",
    Warn = "WARN",
    Warn2 = "WARN2",
    Warn3 = "WARN3",
    Warn4 = "WARN4",
    Error = "ERROR",
    Error2 = "ERROR2",
    Error3 = "ERROR3",
    Error4 = "ERROR4",
    Fatal = "FATAL",
    Fatal2 = "FATAL2",
    Fatal3 = "FATAL3",
    Fatal4 = "FATAL4"
);

impl Severity {
    /// The number that OTLP uses.
    pub fn number(self) -> i32 {
        self as i32 + 1
    }
}

pub(super) const SPAN_KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

impl MatchArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.match_type == MatchType::Strict
            && let Some(kind) = self.span_kinds.iter().find(|kind| !SPAN_KINDS[1..].contains(&kind.as_str()))
        {
            let message = format!("span_kinds contains {kind:?}, which is no span kind");
            let help = format!("with match_type = \"strict\", write one of {}", SPAN_KINDS[1..].join(", "));
            return Err(Invalid::at("span_kinds", message).with_help(help));
        }
        Matcher::compile(self).map(|_| ())
    }

    /// What is written must make sense for every signal that has an output, as senders of the others would wonder.
    fn check_signals(&self, output: &OutputArguments) -> Result<(), String> {
        let common = self.attribute.len() + self.resource.len() + self.library.len();
        let of_spans = self.services.len() + self.span_names.len() + self.span_kinds.len();
        let of_logs = self.log_bodies.len() + self.log_severity_texts.len() + usize::from(self.log_severity.is_some());
        if !output.traces.is_empty() {
            if of_logs > 0 {
                return Err("log_bodies, log_severity_texts and log_severity must not be specified while output has \
                            traces"
                    .into());
            }
            if common + of_spans == 0 {
                return Err(
                    "at least one of services, span_names, span_kinds, attribute, library or resource must be \
                            specified for traces"
                        .into(),
                );
            }
        }
        if !output.logs.is_empty() {
            if of_spans > 0 {
                return Err("services, span_names and span_kinds must not be specified while output has logs".into());
            }
            if common + of_logs == 0 {
                return Err("at least one of log_bodies, log_severity_texts, log_severity, attribute, library or \
                            resource must be specified for logs"
                    .into());
            }
        }
        Ok(())
    }
}
