//! `argument` and `export`.

use std::collections::BTreeMap;
use std::sync::Arc;

use corten_component::arguments::decode;
use corten_component::{Arguments, Body};
use corten_syntax::{Diagnostics, Value};

use super::Planner;
use super::walk::{At, Failure, Outcome};
use crate::graph::{Kind, Structure};
use crate::live::What;

/// A value that a custom component is given.
#[derive(Arguments, Debug, Default, Clone)]
pub(crate) struct ArgumentArguments {
    /// Whether it may be left out.
    optional: bool,
    /// Its value if it is left out.
    default: Value,
    /// What it is for; only people read it.
    comment: String,
}

/// A value that a custom component gives.
#[derive(Arguments, Debug, Default, Clone)]
pub(crate) struct ExportArguments {
    /// The value.
    #[arg(required)]
    value: Value,
}

/// The declared arguments of a module with their values; everything that is missing or unknown.
pub(super) fn argument_values(
    structure: &Structure,
    written: &BTreeMap<Arc<str>, Value>,
) -> Result<BTreeMap<Arc<str>, Value>, Vec<String>> {
    let (mut values, mut wrong) = (BTreeMap::new(), Vec::new());
    let declared = structure.nodes.iter().filter(|node| matches!(node.kind, Kind::Argument));
    for node in declared {
        let Some(name) = node.block.label.as_ref().map(|label| Arc::clone(&label.text)) else { continue };
        // What is wrong with the block itself is reported where it is evaluated.
        let settings: ArgumentArguments = own_arguments(node).unwrap_or_default();
        match written.get(&name) {
            Some(value) => values.insert(name, value.clone()),
            None if settings.optional => values.insert(name, settings.default),
            None => {
                wrong.push(format!("missing required argument {:?} to module", &*name));
                None
            }
        };
    }
    for name in written.keys() {
        if !structure.index.contains_key(&*format!("argument.{name}")) {
            wrong.push(format!("Provided argument {:?} is not defined in the module", &**name));
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

fn own_arguments(node: &crate::graph::NodeDef) -> Result<ArgumentArguments, Diagnostics> {
    decode(&Body::evaluate(&node.block, &())?)
}

impl Planner<'_> {
    pub(super) fn argument(&mut self, at: At<'_, '_>) -> Result<Outcome, Failure> {
        let node = &at.frame.structure.nodes[at.index];
        own_arguments(node)?;
        let name = node.label().unwrap_or_default();
        let value = at.frame.arguments.get(name).cloned().unwrap_or_default();
        self.value(at, value)
    }

    pub(super) fn export(&mut self, at: At<'_, '_>) -> Result<Outcome, Failure> {
        let body = self.body(&at)?;
        let export: ExportArguments = decode(&body)?;
        self.value(at, export.value)
    }

    fn value(&mut self, at: At<'_, '_>, value: Value) -> Result<Outcome, Failure> {
        let exports = Arc::new([(Arc::from("value"), value)].into_iter().collect());
        let span = at.frame.structure.nodes[at.index].block.header_span();
        let body = Arc::new(Body { span, items: Vec::new() });
        let references = self.reference_ids(at.frame, at.index);
        self.push_plain(&at, references, Arc::clone(&exports), body, What::Value);
        Ok(Outcome { exports })
    }
}
