//! Custom components: an instance of a `declare`, with a body of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use corten_component::arguments::Item;
use corten_syntax::eval::did_you_mean;
use corten_syntax::{Diagnostic, Object, Value};

use super::component::no_blocks;
use super::walk::{At, Failure, Outcome};
use super::{Planner, wrapped};
use crate::graph::{Definition, Kind};
use crate::live::{What, inner_path};
use crate::module::{Env, Frame};

const PREFIX: &str = "Failed to build component: loading custom component controller: ";

impl Planner<'_> {
    pub(super) async fn custom(&mut self, at: At<'_, '_>, definition: &Definition) -> Result<Outcome, Failure> {
        let body = self.body(&at)?;
        let block = Arc::clone(&at.frame.structure.nodes[at.index].block);
        let mut written: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        let mut diagnostics = Vec::new();
        for item in &body.items {
            match item {
                Item::Attribute(attribute) => {
                    let name = &attribute.name;
                    if written.insert(Arc::clone(&name.text), attribute.value.clone().unwrap_or_default()).is_some() {
                        let message = format!("attribute {:?} may only be provided once", &*name.text);
                        diagnostics.push(Diagnostic::error(name.span, message));
                    }
                }
                Item::Block(inner) => diagnostics.push(no_blocks(&inner.name, inner.name_span)),
            }
        }
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        let (declare, env) = at.frame.env.definition(definition).map_err(|message| {
            let mut diagnostic = wrapped(&block, PREFIX, message);
            if let Definition::Imported { namespace, name, .. } = definition {
                let offered = at.frame.env.offered(namespace);
                diagnostic.help = did_you_mean(name, offered.iter().map(|name| &**name));
            }
            vec![diagnostic]
        })?;
        let structure = self.declared(&declare, &env)?;
        let arguments = self.argument_values(&structure, &written).map_err(|wrong| {
            let spanned = wrong.into_iter().map(|message| wrapped(&block, PREFIX, message));
            spanned.collect::<Vec<_>>()
        })?;
        let path: Arc<str> = inner_path(at.id.path(), at.id.local()).into();
        let inner_env = Env::new(Arc::clone(&structure.lexical), Some(env), at.frame.env.fetched);
        let mut frame = Frame::new(structure, inner_env, path, None);
        frame.arguments = arguments;
        // What is inside sees the node's arguments only; equal ones concern nobody.
        let known = self.live.get(&at.id).is_some_and(|live| live.body.same(&body));
        let force = at.force || !known || self.live.get(&at.id).is_none();
        self.walk(&mut frame, force).await?;
        let mut exports = Object::new();
        for (index, node) in frame.structure.nodes.iter().enumerate() {
            if let (Kind::Export, Some(label), Some(values)) = (&node.kind, node.label(), &frame.values[index]) {
                exports.insert(label.into(), values.get("value").cloned().unwrap_or_default());
            }
        }
        let exports = Arc::new(exports);
        let references = self.reference_ids(at.frame, at.index);
        self.push_plain(&at, references, Arc::clone(&exports), body, What::Custom);
        Ok(Outcome { exports })
    }
}
