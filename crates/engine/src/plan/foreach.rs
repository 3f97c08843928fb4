//! `foreach`: one module for each item of a collection.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use corten_component::Arguments;
use corten_component::arguments::decode;
use corten_syntax::{Number, Value};
use sha2::{Digest, Sha256};

use super::Planner;
use super::program::hex;
use super::walk::{At, Failure, Outcome};
use crate::graph::Structure;
use crate::live::{What, inner_path};
use crate::module::{Env, Frame};

/// Makes a module for each item of a collection.
#[derive(Arguments, Debug, Default, Clone)]
pub(crate) struct ForeachArguments {
    /// The items.
    #[arg(required)]
    collection: Vec<Value>,
    /// The name of the item inside the template.
    #[arg(required)]
    var: String,
    /// The field of an item that tells it apart; by default the whole item does.
    id: String,
    /// Whether text that tells an item apart is hashed.
    hash_string_id: bool,
    /// Whether the components inside have metrics.
    enable_metrics: bool,
}

impl Planner<'_> {
    pub(super) async fn foreach(&mut self, at: At<'_, '_>, template: &Arc<Structure>) -> Result<Outcome, Failure> {
        let body = self.body(&at)?;
        let args: ForeachArguments = decode(&body)?;
        let node = &at.frame.structure.nodes[at.index];
        let outside = self.is_dirty(&at.id) || node.needs.iter().any(|need| at.frame.changed[*need]);
        let known = self.live.get(&at.id).is_some_and(|live| live.body.same(&body));
        let force = at.force || outside || !known;
        let base = inner_path(at.id.path(), at.id.local());
        let metrics = self.metrics;
        self.metrics = metrics && args.enable_metrics;
        let (mut children, mut failed) = (Vec::new(), false);
        let mut counts: HashMap<String, usize> = HashMap::new();
        for item in &args.collection {
            let fingerprint = fingerprint(item, &args);
            let count = counts.entry(fingerprint.clone()).or_default();
            *count += 1;
            let path: Arc<str> = format!("{base}/foreach_{fingerprint}_{count}").into();
            children.push(Arc::clone(&path));
            let env = Env::new(Arc::clone(&template.lexical), Some(Arc::clone(&at.frame.env)), at.frame.env.fetched);
            let mut frame = Frame::new(Arc::clone(template), env, path, Some(&*at.frame));
            frame.item = Some(item.clone());
            if let Err(why) = self.walk(&mut frame, force).await {
                if !self.is_load() {
                    self.metrics = metrics;
                    return Err(why);
                }
                failed = true;
            }
        }
        self.metrics = metrics;
        if failed {
            return Err(Vec::new());
        }
        let references = self.reference_ids(at.frame, at.index);
        self.push_plain(&at, references, Arc::default(), body, What::Foreach { children });
        Ok(Outcome { exports: Arc::default() })
    }
}

/// What tells an item apart from others, as a part of an id.
fn fingerprint(item: &Value, args: &ForeachArguments) -> String {
    let field = match args.id.as_str() {
        "" => None,
        id => item.as_object().and_then(|fields| fields.get(id).cloned()),
    };
    match field.as_ref().unwrap_or(item) {
        Value::String(text) if args.hash_string_id => hash(text),
        Value::String(text) => text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect(),
        Value::Bool(value) => value.to_string(),
        Value::Number(Number::Int(n)) => n.to_string(),
        Value::Number(Number::Uint(n)) => n.to_string(),
        Value::Number(Number::Float(n)) => format!("{n:.6}").replace('.', "_"),
        other => {
            let mut text = String::new();
            identify(other, &mut text);
            hash(&text)
        }
    }
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A text that differs for different values. Secrets take part: only their hash leaves this function's caller.
fn identify(value: &Value, out: &mut String) {
    match value {
        Value::Secret(secret) => {
            let _ = write!(out, "secret:{:?}", secret.expose());
        }
        Value::OptionalSecret(text) => {
            let _ = write!(out, "secret:{:?}", text.secret().expose());
        }
        Value::Array(items) => {
            out.push('[');
            items.iter().for_each(|item| {
                identify(item, out);
                out.push(',');
            });
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (name, field) in fields.iter() {
                let _ = write!(out, "{name:?}=");
                identify(field, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Capsule(capsule) => match capsule.as_object() {
            Some(fields) => identify(&Value::Object(fields), out),
            None => out.push_str(&capsule.text().unwrap_or_else(|| value.to_source())),
        },
        other => out.push_str(&other.to_source()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_the_item_or_its_field() {
        let args = ForeachArguments::default();
        assert_eq!(fingerprint(&Value::string("a-b.c"), &args), "a_b_c");
        assert_eq!(fingerprint(&Value::int(-3), &args), "-3");
        assert_eq!(fingerprint(&Value::Bool(true), &args), "true");
        assert_eq!(fingerprint(&Value::Number(Number::Float(1.5)), &args), "1_500000");
        let object = Value::object([("name", Value::string("x y")), ("n", Value::int(1))]);
        assert_eq!(fingerprint(&object, &args).len(), 64);
        let by_name = ForeachArguments { id: "name".into(), ..args };
        assert_eq!(fingerprint(&object, &by_name), "x_y");
        let hashed = ForeachArguments { hash_string_id: true, ..by_name };
        assert_eq!(fingerprint(&object, &hashed), hash("x y"));
    }
}
