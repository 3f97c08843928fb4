//! Whether consumers take the kinds that they are wired to.

use corten_component::Body;
use corten_component::arguments::{AttributeItem, Item};
use corten_syntax::ast::{Expr, ExprKind};
use corten_syntax::{Capsule, Diagnostic, Diagnostics, Value};

use super::{Entry, Planner};

impl Planner<'_> {
    /// Warns of references to ports whose instance, as it is planned now, does not take what the argument sends. Such
    /// a file loads, as it does in Alloy: only what is sent that way is refused.
    /// `outputs` gives arguments the name of the output that they are.
    pub(super) fn check_kinds(&self, body: &Body, outputs: &[(&str, &str)]) -> Diagnostics {
        let mut diagnostics = Diagnostics::new();
        self.check_body(body, outputs, &mut diagnostics);
        diagnostics
    }

    fn check_body(&self, body: &Body, outputs: &[(&str, &str)], diagnostics: &mut Diagnostics) {
        for item in &body.items {
            match item {
                Item::Attribute(attribute) => {
                    let name: &str = &attribute.name.text;
                    let output = outputs.iter().find(|(argument, _)| *argument == name).map(|(_, output)| *output);
                    self.check_attribute(attribute, output.unwrap_or(name), diagnostics);
                }
                Item::Block(block) => self.check_body(&block.body, outputs, diagnostics),
            }
        }
    }

    fn check_attribute(&self, attribute: &AttributeItem, field: &str, diagnostics: &mut Diagnostics) {
        let mut check = |value: &Value, at: &Expr| {
            if let Value::Capsule(capsule) = value
                && let Some(owner) = self.misfit(capsule, field)
            {
                let message = format!("{owner} does not take {field}");
                let help = format!("take it out of this list, or give {owner} a consumer of {field}");
                diagnostics.push(Diagnostic::warning(at.span, message).with_help(help));
            }
        };
        match (&attribute.value, &attribute.expr.kind) {
            (Some(Value::Array(values)), ExprKind::Array(written)) if values.len() == written.len() => {
                values.iter().zip(written.iter()).for_each(|(value, at)| check(value, at));
            }
            (Some(Value::Array(values)), _) => values.iter().for_each(|value| check(value, &attribute.expr)),
            (Some(value), _) => check(value, &attribute.expr),
            (None, _) => {}
        }
    }

    /// The export behind a capsule, if it is a port that does not take what an output of this name sends.
    fn misfit(&self, capsule: &Capsule, field: &str) -> Option<String> {
        // What is planned holds over what runs.
        for entry in &self.entries {
            match entry {
                Entry::Build(building) => {
                    if let Some((gate, kinds)) = building.pending.ports.iter().find(|(gate, _)| gate.is(capsule)) {
                        let wanted = gate.output(field)?;
                        return (!kinds.contains(wanted)).then(|| format!("{}.{}", building.id, gate.export()));
                    }
                }
                Entry::Keep(live) | Entry::Update { live, .. } => {
                    let Some(component) = live.component() else { continue };
                    if let Some(gate) = component.node.gates().iter().find(|gate| gate.is(capsule)) {
                        let wanted = gate.output(field)?;
                        return (!gate.kinds().contains(wanted)).then(|| format!("{}.{}", live.id, gate.export()));
                    }
                }
            }
        }
        None
    }
}
