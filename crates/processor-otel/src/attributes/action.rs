//! What is done to a list of attributes.

use corten_component::Invalid;
use corten_proto::otlp::common::{AnyValue, KeyValue, any_value::Value};
use corten_signal::otlp::{Meta, MetaValue};
use regex::Regex;

use super::arguments::ActionArguments;
use super::value::{Target, convert, from_literal, hash};

/// Where values may come from besides the item: metadata of the request that brought it.
pub type Context<'a> = Option<&'a Meta>;

/// One action, ready to be applied.
#[derive(Debug, Clone)]
pub struct Action(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Set { key: String, from: Source, insert: bool, update: bool },
    Delete(Keys),
    Hash(Keys),
    Extract { key: String, pattern: Regex, names: Vec<String> },
    Convert { key: String, to: Target },
}

#[derive(Debug, Clone)]
enum Source {
    Value(Value),
    Attribute(String),
    Metadata(String),
    Auth(String),
    ClientAddress,
}

/// A key, a pattern of keys, or both.
#[derive(Debug, Clone)]
struct Keys {
    key: String,
    pattern: Option<Regex>,
}

impl Keys {
    fn contain(&self, key: &str) -> bool {
        (!self.key.is_empty() && self.key == key) || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

const ACTIONS: &str = "insert, update, upsert, delete, hash, extract, convert";

impl Action {
    /// Reads what the user wrote.
    ///
    /// # Errors
    /// What contradicts itself or is missing, at the argument at fault.
    pub fn compile(args: &ActionArguments) -> Result<Self, Invalid> {
        let name = args.action.to_lowercase();
        let action = name.as_str();
        if !ACTIONS.split(", ").any(|known| known == action) {
            let message = format!("unsupported action {:?}", args.action);
            return Err(Invalid::at("action", message).with_help(format!("expected one of {ACTIONS}")));
        }
        let by_pattern = matches!(action, "delete" | "hash");
        if args.key.is_empty() && (!by_pattern || args.pattern.is_empty()) {
            let message = match by_pattern {
                true => format!("at least one of key and pattern must be set for action {action:?}"),
                false => format!("key must be set for action {action:?}"),
            };
            return Err(Invalid::new(message));
        }
        let unused = |field: &str, used: bool| match used {
            true => Err(Invalid::at(field, format!("action {action:?} does not use {field}"))),
            false => Ok(()),
        };
        let sets = matches!(action, "insert" | "update" | "upsert");
        unused("pattern", !args.pattern.is_empty() && (sets || action == "convert"))?;
        unused("converted_type", !args.converted_type.is_empty() && action != "convert")?;
        unused("value", args.value.get().is_some() && !sets)?;
        unused("from_attribute", !args.from_attribute.is_empty() && !sets)?;
        unused("from_context", !args.from_context.is_empty() && !sets && !by_pattern)?;
        let key = args.key.clone();
        Ok(Self(match action {
            "delete" => Kind::Delete(Keys { key, pattern: pattern(args)? }),
            "hash" => Kind::Hash(Keys { key, pattern: pattern(args)? }),
            "extract" => extract(args)?,
            "convert" => Kind::Convert { key, to: target(args)? },
            _ => Kind::Set { key, from: source(args)?, insert: action != "update", update: action != "insert" },
        }))
    }

    /// Does it; says whether anything changed.
    pub fn apply(&self, attributes: &mut Vec<KeyValue>, context: Context<'_>) -> bool {
        match &self.0 {
            Kind::Set { key, from, insert, update } => {
                let at = position(attributes, key);
                if (at.is_some() && !update) || (at.is_none() && !insert) {
                    return false;
                }
                match from.get(attributes, context) {
                    Some(value) => set(attributes, key, value),
                    None => false,
                }
            }
            Kind::Delete(keys) => {
                let before = attributes.len();
                attributes.retain(|pair| !keys.contain(&pair.key));
                attributes.len() < before
            }
            Kind::Hash(keys) => {
                let mut changed = false;
                for pair in attributes.iter_mut().filter(|pair| keys.contain(&pair.key)) {
                    let hashed = hash(pair.value.as_ref().and_then(|value| value.value.as_ref()));
                    pair.value = Some(AnyValue { value: Some(hashed) });
                    changed = true;
                }
                changed
            }
            Kind::Extract { key, pattern, names } => {
                let Some(Value::StringValue(text)) = get(attributes, key) else { return false };
                let text = text.clone();
                let Some(found) = pattern.captures(&text) else { return false };
                // A group that took no part in the match is an empty text.
                let texts = names.iter().map(|name| found.name(name).map_or("", |group| group.as_str()));
                let texts: Vec<String> = texts.map(str::to_owned).collect();
                let mut changed = false;
                for (name, text) in names.iter().zip(texts) {
                    changed |= set(attributes, name, AnyValue { value: Some(Value::StringValue(text)) });
                }
                changed
            }
            Kind::Convert { key, to } => {
                let Some(converted) = get(attributes, key).and_then(|value| convert(value, *to)) else { return false };
                set(attributes, key, AnyValue { value: Some(converted) })
            }
        }
    }
}

impl Source {
    fn get(&self, attributes: &[KeyValue], context: Context<'_>) -> Option<AnyValue> {
        let joined = |texts: Vec<&str>| (!texts.is_empty()).then(|| texts.join(";"));
        let text = match self {
            Self::Value(value) => return Some(AnyValue { value: Some(value.clone()) }),
            Self::Attribute(key) => {
                let at = position(attributes, key)?;
                return Some(attributes.get(at)?.value.clone().unwrap_or_default());
            }
            Self::Metadata(name) => joined(context?.header(name).map(MetaValue::expose).collect())?,
            Self::Auth(name) => joined(context?.auth(name).map(MetaValue::expose).collect())?,
            Self::ClientAddress => context?.client()?.ip().to_string(),
        };
        Some(AnyValue { value: Some(Value::StringValue(text)) })
    }
}

fn position(attributes: &[KeyValue], key: &str) -> Option<usize> {
    attributes.iter().position(|pair| pair.key == key)
}

fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

fn set(attributes: &mut Vec<KeyValue>, key: &str, value: AnyValue) -> bool {
    let value = Some(value);
    match attributes.iter_mut().find(|pair| pair.key == key) {
        Some(pair) if pair.value == value => return false,
        Some(pair) => pair.value = value,
        None => attributes.push(KeyValue { key: key.to_owned(), value, key_strindex: 0 }),
    }
    true
}

fn pattern(args: &ActionArguments) -> Result<Option<Regex>, Invalid> {
    (!args.pattern.is_empty()).then(|| regex(&args.pattern)).transpose()
}

fn regex(text: &str) -> Result<Regex, Invalid> {
    Regex::new(text).map_err(|error| {
        // The first lines show the pattern again; the last says what is wrong.
        let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        Invalid::at("pattern", format!("pattern is not a valid regular expression: {reason}"))
    })
}

fn extract(args: &ActionArguments) -> Result<Kind, Invalid> {
    if args.pattern.is_empty() {
        return Err(Invalid::new("pattern must be set for action \"extract\""));
    }
    let pattern = regex(&args.pattern)?;
    let names: Vec<Option<&str>> = pattern.capture_names().skip(1).collect();
    let help = "name what should become an attribute: \"(?P<method>[A-Z]+) (?P<path>.*)\"";
    if names.is_empty() {
        return Err(Invalid::at("pattern", "pattern contains no named matcher groups").with_help(help));
    }
    if names.iter().any(Option::is_none) {
        return Err(Invalid::at("pattern", "pattern contains at least one unnamed matcher group")
            .with_help("write (?:...) for a group that should not become an attribute"));
    }
    let names = names.into_iter().flatten().map(str::to_owned).collect();
    Ok(Kind::Extract { key: args.key.clone(), pattern, names })
}

fn target(args: &ActionArguments) -> Result<Target, Invalid> {
    match args.converted_type.as_str() {
        "int" => Ok(Target::Int),
        "double" => Ok(Target::Double),
        "string" => Ok(Target::String),
        "" => Err(Invalid::new("converted_type must be set for action \"convert\"")
            .with_help("expected int, double or string")),
        other => Err(Invalid::at("converted_type", format!("unsupported converted_type {other:?}"))
            .with_help("expected int, double or string")),
    }
}

fn source(args: &ActionArguments) -> Result<Source, Invalid> {
    let sources = "exactly one of value, from_attribute and from_context must be set";
    let written = [args.value.get().is_some(), !args.from_attribute.is_empty(), !args.from_context.is_empty()];
    if written.iter().filter(|written| **written).count() != 1 {
        return Err(Invalid::new(format!("{sources} for action {:?}", args.action)));
    }
    if let Some(value) = args.value.get() {
        let value = from_literal(value);
        return value.map(Source::Value).map_err(|kind| Invalid::at("value", format!("value is {kind}")));
    }
    if !args.from_attribute.is_empty() {
        return Ok(Source::Attribute(args.from_attribute.clone()));
    }
    let context = args.from_context.as_str();
    Ok(match (context, context.strip_prefix("metadata."), context.strip_prefix("auth.")) {
        ("client.address", _, _) => Source::ClientAddress,
        (_, Some(name), _) => Source::Metadata(name.to_owned()),
        (_, _, Some(name)) => Source::Auth(name.to_owned()),
        // A bare name is metadata too, as in older configurations.
        _ => Source::Metadata(context.to_owned()),
    })
}
