//! `otelcol.processor.attributes`: edits attributes of spans, log records and data points.

mod action;
mod arguments;
mod component;
mod matcher;
mod value;

pub use action::{Action, Context};
pub use arguments::{
    ActionArguments, AttributeArguments, AttributesArguments, LibraryArguments, LogSeverityArguments, MatchArguments,
    MatchType, RegexpArguments, Severity,
};
pub use component::Attributes;
pub use matcher::Matcher;
