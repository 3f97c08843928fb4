//! The detector `env`: resource attributes from an environment variable.

use corten_proto::otlp::common::{AnyValue, KeyValue, any_value::Value};
use percent_encoding::percent_decode_str;

/// What the specification names, and what it named before.
const VARIABLES: [&str; 2] = ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_RESOURCE"];

/// The attributes in the process's environment; none if the variable is not set.
pub(super) fn detect() -> Result<Vec<KeyValue>, String> {
    let text = VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).find(|text| !text.trim().is_empty());
    text.map_or(Ok(Vec::new()), |text| parse(&text))
}

/// Reads `key=value,key=value`, values percent-encoded. A later pair of the same key wins.
///
/// # Errors
/// The first pair that is none, or whose value is not UTF-8.
pub fn parse(text: &str) -> Result<Vec<KeyValue>, String> {
    let mut attributes: Vec<KeyValue> = Vec::new();
    let text = text.trim();
    // A comma at the end ends the list.
    for pair in text.strip_suffix(',').unwrap_or(text).split(',') {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
            return Err(format!("OTEL_RESOURCE_ATTRIBUTES: expected key=value, found {:?}", pair.trim()));
        };
        let (key, value) = (key.trim(), value.trim());
        let Ok(value) = percent_decode_str(value).decode_utf8() else {
            return Err(format!("OTEL_RESOURCE_ATTRIBUTES: the value of {key:?} is not UTF-8 once decoded"));
        };
        let value = Some(AnyValue { value: Some(Value::StringValue(value.into_owned())) });
        match attributes.iter_mut().find(|known| known.key == key) {
            Some(known) => known.value = value,
            None => attributes.push(KeyValue { key: key.to_owned(), value, key_strindex: 0 }),
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{pair, text};

    #[test]
    fn pairs_are_trimmed_and_decoded() {
        let got = parse(" service.name = shop%20floor , a=,service.name=b%2Cc,").unwrap();
        assert_eq!(got, [pair("service.name", text("b,c")), pair("a", text(""))]);
    }

    #[test]
    fn what_is_no_pair_is_shown() {
        assert!(parse("a=1,b").unwrap_err().contains("\"b\""));
        assert!(parse("=1").unwrap_err().contains("\"=1\""));
        assert!(parse("a=%ff").unwrap_err().contains("\"a\""));
    }
}
