//! Targets: what `discovery.*` and exporters offer and scrapers take.

use std::sync::Arc;

use corten_component::{Attribute, ValueError};
use corten_syntax::Value;

use crate::labels::Labels;

/// A list of targets, each a set of labels such as `__address__`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Arc<[Labels]>);

impl Targets {
    /// These targets, in this order.
    pub fn new(targets: impl IntoIterator<Item = Labels>) -> Self {
        Self(targets.into_iter().collect())
    }

    /// The targets.
    pub fn iter(&self) -> std::slice::Iter<'_, Labels> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl<'a> IntoIterator for &'a Targets {
    type Item = &'a Labels;
    type IntoIter = std::slice::Iter<'a, Labels>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Attribute for Targets {
    fn type_name() -> String {
        "list(map(string))".to_owned()
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let maps = Vec::<std::collections::BTreeMap<String, String>>::from_value(value)?;
        Ok(Self::new(maps.iter().map(Labels::from_pairs)))
    }

    fn to_value(&self) -> Value {
        Value::array(
            self.iter().map(|labels| Value::object(labels.iter().map(|(name, value)| (name, Value::string(value))))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travels_as_a_list_of_maps() {
        let targets = Targets::new([
            Labels::from_pairs([("__address__", "127.0.0.1:9100"), ("job", "node")]),
            Labels::from_pairs([("__address__", "127.0.0.1:9101")]),
        ]);
        assert_eq!(Targets::from_value(&targets.to_value()).unwrap(), targets);
        assert!(Targets::from_value(&Value::Bool(true)).is_err());
        assert!(Targets::default().is_empty());
    }
}
