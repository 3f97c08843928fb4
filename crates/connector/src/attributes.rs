//! Attributes of series, from spans and back to messages.

use std::io::Write as _;

use corten_proto::otlp::common::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
use corten_signal::otlp::views::{AttributeView, ValueView};
use prost::Message as _;
use smallvec::SmallVec;

/// Attributes by name, found by comparing names: there are few.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names<'a>(SmallVec<[(&'a str, AttributeView<'a>); 16]>);

impl<'a> Names<'a> {
    pub(crate) fn of(attributes: impl Iterator<Item = AttributeView<'a>>) -> Self {
        Self(attributes.map(|attribute| (attribute.key(), attribute)).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<ValueView<'a>> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, attribute)| attribute.value())
    }

    /// The same sorted by name.
    pub(crate) fn sorted(&self) -> Vec<(&'a str, AttributeView<'a>)> {
        let mut pairs = self.0.to_vec();
        pairs.sort_by_key(|(key, _)| *key);
        pairs
    }

    /// Those of `other`, and of these what it does not have.
    pub(crate) fn under(&self, other: &Self) -> Self {
        let missing = self.0.iter().filter(|(key, _)| other.0.iter().all(|(known, _)| known != key));
        Self(other.0.iter().chain(missing).copied().collect())
    }
}

/// Attributes in the order in which they were set; of a repeated name the last counts.
#[derive(Debug, Default)]
pub(crate) struct Attributes(KeyValueList);

impl Attributes {
    pub(crate) fn put(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        match self.0.values.iter_mut().find(|pair| pair.key == key) {
            Some(pair) => pair.value = value,
            None => self.0.values.push(KeyValue { key: key.to_owned(), value, key_strindex: 0 }),
        }
    }

    pub(crate) fn put_text(&mut self, key: &str, value: &str) {
        self.put(key, Value::StringValue(value.to_owned()));
    }

    pub(crate) fn put_view(&mut self, key: &str, value: ValueView<'_>) {
        match any(value).value {
            Some(value) => self.put(key, value),
            None => self.put_text(key, ""),
        }
    }

    /// As they are kept in memory.
    pub(crate) fn pack(&self) -> Packed {
        Packed(self.0.encode_to_vec().into_boxed_slice())
    }
}

/// Attributes as bytes: a third of the memory that a list of them takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The attributes.
    pub(crate) fn list(&self) -> Vec<KeyValue> {
        // Only `pack` writes.
        KeyValueList::decode(&*self.0).unwrap_or_default().values
    }
}

fn any(view: ValueView<'_>) -> AnyValue {
    let list = |values: Vec<AnyValue>| Value::ArrayValue(ArrayValue { values });
    let pair = |entry: AttributeView<'_>| KeyValue {
        key: entry.key().to_owned(),
        value: Some(any(entry.value())),
        key_strindex: 0,
    };
    let value = match view {
        ValueView::Empty => None,
        ValueView::Str(text) => Some(Value::StringValue(text.to_owned())),
        ValueView::Bool(truth) => Some(Value::BoolValue(truth)),
        ValueView::Int(number) => Some(Value::IntValue(number)),
        ValueView::Double(number) => Some(Value::DoubleValue(number)),
        ValueView::Bytes(bytes) => Some(Value::BytesValue(bytes.to_vec())),
        ValueView::StrIndex(index) => Some(Value::StringValueStrindex(index)),
        ValueView::Array(_) => Some(list(view.items().map(any).collect())),
        ValueView::Map(_) => Some(Value::KvlistValue(KeyValueList { values: view.entries().map(pair).collect() })),
    };
    AnyValue { value }
}

/// Writes a text so that two texts after each other cannot be taken for two others.
pub(crate) fn put_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

/// Writes a value as text, in the same way.
pub(crate) fn put_value(key: &mut Vec<u8>, value: ValueView<'_>) {
    if let ValueView::Str(text) = value {
        return put_text(key, text);
    }
    let at = key.len();
    key.extend_from_slice(&[0; 4]);
    // Writing into memory does not fail.
    let _ = write!(key, "{value}");
    let len = u32::try_from(key.len() - at - 4).unwrap_or(u32::MAX);
    if let Some(place) = key.get_mut(at..at + 4) {
        place.copy_from_slice(&len.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once() {
        let mut attributes = Attributes::default();
        attributes.put_text("a", "1");
        attributes.put_text("b", "2");
        attributes.put_view("a", ValueView::Int(3));
        let list = attributes.pack().list();
        assert_eq!(list.iter().map(|pair| pair.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(list[0].value.as_ref().unwrap().value, Some(Value::IntValue(3)));
    }

    #[test]
    fn keys_do_not_run_into_each_other() {
        let key = |texts: [&str; 2]| {
            let mut key = Vec::new();
            texts.iter().for_each(|text| put_text(&mut key, text));
            key
        };
        assert_ne!(key(["ab", "c"]), key(["a", "bc"]));
        let (mut number, mut text) = (Vec::new(), Vec::new());
        put_value(&mut number, ValueView::Int(5));
        put_value(&mut text, ValueView::Str("5"));
        assert_eq!(number, text);
    }
}
