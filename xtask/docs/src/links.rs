//! Which components fit together, by the capsules that one exports and another takes.

use std::collections::BTreeMap;

use corten_component::arguments::{FieldKind, Schema};
use corten_component::{Registration, Registry};

/// Who exports and who takes each capsule type.
#[derive(Default)]
pub(crate) struct Links {
    exporters: BTreeMap<String, Vec<&'static str>>,
    takers: BTreeMap<String, Vec<&'static str>>,
}

impl Links {
    pub(crate) fn new(registry: &Registry) -> Self {
        let mut links = Self::default();
        for registration in registry.iter() {
            for capsule in exported(registration) {
                links.exporters.entry(capsule).or_default().push(registration.name);
            }
            for capsule in taken(registration) {
                links.takers.entry(capsule).or_default().push(registration.name);
            }
        }
        links
    }

    /// For each capsule that the component takes: who exports it.
    pub(crate) fn sources(&self, registration: &Registration) -> Vec<(String, &[&'static str])> {
        of(&self.exporters, taken(registration))
    }

    /// For each capsule that the component exports: who takes it.
    pub(crate) fn users(&self, registration: &Registration) -> Vec<(String, &[&'static str])> {
        of(&self.takers, exported(registration))
    }
}

fn of<'a>(table: &'a BTreeMap<String, Vec<&'static str>>, capsules: Vec<String>) -> Vec<(String, &'a [&'static str])> {
    let found = capsules.into_iter().filter_map(|capsule| Some((table.get(&capsule)?.as_slice(), capsule)));
    found.map(|(names, capsule)| (capsule, names)).collect()
}

fn exported(registration: &Registration) -> Vec<String> {
    let types = (registration.exports)().iter().map(|field| (field.type_name)());
    sorted(types.filter_map(|name| capsule(&name)).collect())
}

fn taken(registration: &Registration) -> Vec<String> {
    let mut found = Vec::new();
    collect((registration.schema)(), &mut found);
    sorted(found)
}

fn collect(schema: &'static Schema, found: &mut Vec<String>) {
    for field in schema.all_fields() {
        match &field.kind {
            FieldKind::Attribute(attribute) => found.extend(capsule(&(attribute.type_name)())),
            FieldKind::Block(block) => collect((block.schema)(), found),
            FieldKind::Flatten(_) => {}
        }
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

/// `x` of `capsule("x")` or `list(capsule("x"))`.
fn capsule(type_name: &str) -> Option<String> {
    let rest = type_name.split_once("capsule(\"")?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capsules_are_found_in_type_names() {
        assert_eq!(capsule("list(capsule(\"otelcol.Consumer\"))").as_deref(), Some("otelcol.Consumer"));
        assert_eq!(capsule("string"), None);
    }

    #[test]
    fn the_receiver_feeds_the_batch_processor() {
        let registry = corten_pipeline::registry().expect("a registry");
        let links = Links::new(&registry);
        let receiver = registry.get("otelcol.receiver.otlp").expect("registered");
        let sources = links.sources(receiver);
        let consumers = sources.iter().find(|(capsule, _)| capsule == "otelcol.Consumer").expect("its output");
        assert!(consumers.1.contains(&"otelcol.processor.batch"), "{consumers:?}");
    }
}
