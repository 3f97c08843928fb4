//! Properties as numbers and text.

use std::collections::HashMap;

use zbus::zvariant::{OwnedValue, Value};

/// The properties of an interface.
pub(super) type Properties = HashMap<String, OwnedValue>;

/// A number; `None` also for the largest, by which systemd says that there is none.
pub(super) fn number(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::U64(u64::MAX) => None,
        Value::U64(number) => Some(*number),
        Value::U32(number) => Some((*number).into()),
        Value::Value(inner) => self::number(inner),
        _ => None,
    }
}

/// A property that is a number.
pub(super) fn number_of(properties: &Properties, name: &str) -> Option<u64> {
    properties.get(name).and_then(|value| number(value))
}

/// A property that is text.
pub(super) fn text_of<'a>(properties: &'a Properties, name: &str) -> Option<&'a str> {
    properties.get(name).and_then(|value| value.downcast_ref::<&str>().ok())
}

/// Microseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
pub(super) fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
