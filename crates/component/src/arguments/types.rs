//! Rust types as attribute types.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_syntax::eval::{PathElem, nearest};
use corten_syntax::value;
use corten_syntax::{Number, OptionalSecret, Secret, Value};

/// A value does not fit its slot.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueError {
    /// The way into the value: fields and indices.
    pub path: Vec<PathElem>,
    /// What is wrong, as it reads after the value's text: `should be number, got string`.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ValueError {
    /// A message that reads after the value's text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), message: message.into(), help: None }
    }

    /// The wrong type.
    pub fn mismatch(expected: &str, got: &Value) -> Self {
        match expected.starts_with("capsule") {
            true => Self::new(format!("expected {expected}, got {}", got.describe())),
            false => Self::new(format!("should be {expected}, got {}", got.type_name())),
        }
    }

    /// Says what to write instead.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn inside(mut self, element: PathElem) -> Self {
        self.path.insert(0, element);
        self
    }
}

/// A type that an attribute may have. `null` gives the type's zero value.
pub trait Attribute: Sized {
    /// The type's name in diagnostics and docs.
    fn type_name() -> String;
    /// Converts, by the language's rules.
    fn from_value(value: &Value) -> Result<Self, ValueError>;
    /// The value that decodes to this one.
    fn to_value(&self) -> Value;
    /// The only texts allowed, for enumerations.
    fn choices() -> &'static [&'static str] {
        &[]
    }
}

/// A closed set of texts. Derive it on an enum without fields; `#[arg(name = "x")]` names a variant that is not its
/// snake_case self; `#[default]` marks what `null` means.
pub trait Enumeration: Sized + Copy + Default + PartialEq + 'static {
    /// The texts and what they mean.
    const VARIANTS: &'static [(&'static str, Self)];
    /// The texts alone.
    const NAMES: &'static [&'static str];

    /// The text.
    fn as_str(self) -> &'static str {
        Self::VARIANTS.iter().find(|(_, variant)| *variant == self).map_or("", |(name, _)| name)
    }

    /// What the derive's `Attribute` calls.
    fn parse(value: &Value) -> Result<Self, ValueError> {
        if matches!(value, Value::Null) {
            return Ok(Self::default());
        }
        let text = value::to_text(value).map_err(ValueError::new)?;
        if let Some((_, variant)) = Self::VARIANTS.iter().find(|(name, _)| *name == &*text) {
            return Ok(*variant);
        }
        let error = ValueError::new(format!("is not one of {}", Self::NAMES.join(", ")));
        Err(match nearest(&text, Self::NAMES.iter().copied()) {
            Some(near) => error.with_help(format!("did you mean {near:?}?")),
            None => error,
        })
    }
}

impl Attribute for bool {
    fn type_name() -> String {
        "bool".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value::to_bool(value).map_err(ValueError::new)
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Attribute for String {
    fn type_name() -> String {
        "string".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value::to_text(value).map(|text| text.to_string()).map_err(|message| {
            let error = ValueError::new(message);
            match value {
                Value::Secret(_) | Value::OptionalSecret(_) => error
                    .with_help("convert.nonsensitive(...) turns a secret into plain text, which will then be visible"),
                _ => error,
            }
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.as_str().into())
    }
}

impl Attribute for Secret {
    fn type_name() -> String {
        "secret".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value::to_secret(value).map_err(ValueError::new)
    }

    fn to_value(&self) -> Value {
        Value::Secret(self.clone())
    }
}

impl Attribute for OptionalSecret {
    fn type_name() -> String {
        "string or secret".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        value::to_optional_secret(value).map_err(ValueError::new)
    }

    fn to_value(&self) -> Value {
        Value::OptionalSecret(self.clone())
    }
}

impl Attribute for f64 {
    fn type_name() -> String {
        "number".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::Null => Ok(0.0),
            other => number(other).map(Number::as_f64),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::Float(*self))
    }
}

fn number(value: &Value) -> Result<Number, ValueError> {
    value::to_number(value).map_err(ValueError::new)
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Attribute for $type {
            fn type_name() -> String {
                "number".into()
            }

            fn from_value(value: &Value) -> Result<Self, ValueError> {
                if matches!(value, Value::Null) {
                    return Ok(0);
                }
                let wide: i128 = match number(value)? {
                    Number::Int(n) => n.into(),
                    Number::Uint(n) => n.into(),
                    // Truncates like the language's other conversions.
                    Number::Float(n) => n as i128,
                };
                <$type>::try_from(wide).map_err(|_| {
                    ValueError::new(format!("is out of range, expected {} to {}", <$type>::MIN, <$type>::MAX))
                })
            }

            fn to_value(&self) -> Value {
                match i64::try_from(*self) {
                    Ok(n) => Value::Number(Number::Int(n)),
                    Err(_) => Value::Number(Number::Uint(*self as u64)),
                }
            }
        }
    )*};
}

integer!(i64, i32, u64, u32, u16, u8, usize);

impl Attribute for Duration {
    fn type_name() -> String {
        "duration".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        if matches!(value, Value::Null) {
            return Ok(Self::ZERO);
        }
        let nanos = value::to_duration_nanos(value).map_err(|message| {
            ValueError::new(message).with_help("durations are text with a unit: \"200ms\", \"10s\", \"1m30s\"")
        })?;
        u64::try_from(nanos).map(Self::from_nanos).map_err(|_| ValueError::new("must not be negative"))
    }

    fn to_value(&self) -> Value {
        let nanos = i64::try_from(self.as_nanos()).unwrap_or(i64::MAX);
        Value::String(corten_syntax::value::format_duration(nanos).into())
    }
}

impl Attribute for Value {
    fn type_name() -> String {
        "any".into()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        Ok(value.clone())
    }

    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<T: Attribute> Attribute for Option<T> {
    fn type_name() -> String {
        T::type_name()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Attribute::to_value)
    }

    fn choices() -> &'static [&'static str] {
        T::choices()
    }
}

impl<T: Attribute> Attribute for Vec<T> {
    fn type_name() -> String {
        format!("list({})", T::type_name())
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        if matches!(value, Value::Null) {
            return Ok(Self::new());
        }
        let length = value.array_len().ok_or_else(|| ValueError::mismatch("array", value))?;
        (0..length)
            .map(|index| {
                let item = value.element(index).unwrap_or_default();
                T::from_value(&item).map_err(|error| error.inside(PathElem::Index(index)))
            })
            .collect()
    }

    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(Attribute::to_value).collect())
    }
}

impl<T: Attribute> Attribute for BTreeMap<String, T> {
    fn type_name() -> String {
        format!("map({})", T::type_name())
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let object = match value {
            Value::Null => return Ok(Self::new()),
            other => other.as_object().ok_or_else(|| ValueError::mismatch("object", other))?,
        };
        object
            .iter()
            .map(|(key, item)| match T::from_value(item) {
                Ok(item) => Ok((key.to_string(), item)),
                Err(error) => Err(error.inside(PathElem::Field(key.clone()))),
            })
            .collect()
    }

    fn to_value(&self) -> Value {
        let fields = self.iter().map(|(key, item)| (key.as_str().into(), item.to_value()));
        Value::object::<std::sync::Arc<str>>(fields)
    }
}
