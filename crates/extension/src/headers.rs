//! `otelcol.auth.headers`.

use std::sync::Arc;

use corten_component::{Arguments, BoxFuture, BuildContext, BuildError, Component, Enumeration, Invalid};
use corten_net::args::DebugMetrics;
use corten_net::auth::{AuthError, Authenticator};
use corten_signal::otlp::{Meta, MetaValue};
use corten_syntax::OptionalSecret;
use http::header::Entry;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::AuthExports;

/// The arguments of `otelcol.auth.headers`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct HeadersArguments {
    /// A header to set or remove, in the order written.
    #[arg(block, name = "header")]
    pub headers: Vec<HeaderBlock>,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

/// `header`: one header.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
#[arguments(validate)]
pub struct HeaderBlock {
    /// Its name.
    #[arg(required)]
    pub key: String,
    /// What to do with it.
    pub action: Action,
    /// Its value.
    pub value: Option<OptionalSecret>,
    /// The metadata of the received request whose value it takes; the receiver must have `include_metadata`.
    pub from_context: String,
    /// The attribute of the received request's authentication whose value it takes.
    pub from_attribute: String,
}

/// What is done with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Action {
    /// Set it unless it is there.
    Insert,
    /// Set it if it is there.
    Update,
    /// Set it.
    #[default]
    Upsert,
    /// Remove it.
    Delete,
}

impl HeaderBlock {
    fn validate(&self) -> Result<(), Invalid> {
        let sources = [self.value.is_some(), !self.from_context.is_empty(), !self.from_attribute.is_empty()];
        let count = sources.iter().filter(|written| **written).count();
        if count > 1 {
            return Err(Invalid::new("only one of value, from_context and from_attribute may be written"));
        }
        if count == 0 && self.action != Action::Delete {
            return Err(Invalid::new("one of value, from_context and from_attribute must be written"));
        }
        if HeaderName::from_bytes(self.key.as_bytes()).is_err() {
            return Err(Invalid::at("key", format!("{:?} is not a header's name", self.key)));
        }
        if let Some(value) = &self.value
            && HeaderValue::from_str(value.secret().expose()).is_err()
        {
            return Err(Invalid::at("value", "the value holds characters that a header cannot, such as a line break"));
        }
        Ok(())
    }
}

/// `otelcol.auth.headers`.
pub struct HeadersAuth;

impl Component for HeadersAuth {
    const NAME: &'static str = "otelcol.auth.headers";
    const DOC: &'static str = "Sets headers of a client's requests.\n\nValues are written in the file, or taken from the request \
        that brought the data; a header whose value is not there is left as it is. For clients only: a server that uses it lets \
        nobody in.";
    type Arguments = HeadersArguments;
    type Exports = AuthExports;
    type Carry = ();

    async fn build(args: Arc<HeadersArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, AuthExports), BuildError> {
        let behaviour: Arc<dyn Authenticator> = Arc::new(Headers(args));
        let handler = cx.handle("handler", behaviour);
        Ok((Self, AuthExports { handler }))
    }
}

struct Headers(Arc<HeadersArguments>);

impl Headers {
    fn apply_all(&self, headers: &mut HeaderMap, meta: Option<&Meta>) -> Result<(), AuthError> {
        for block in &self.0.headers {
            let name = HeaderName::from_bytes(block.key.as_bytes())
                .map_err(|_| AuthError::new(format!("{:?} is not a header's name", block.key)))?;
            if block.action == Action::Delete {
                headers.remove(name);
                continue;
            }
            let Some(value) = value(block, meta)? else { continue };
            match (block.action, headers.entry(name)) {
                (Action::Insert, Entry::Vacant(entry)) => {
                    entry.insert(value);
                }
                (Action::Update, Entry::Occupied(mut entry)) => {
                    entry.insert(value);
                }
                (Action::Upsert, Entry::Occupied(mut entry)) => {
                    entry.insert(value);
                }
                (Action::Upsert, Entry::Vacant(entry)) => {
                    entry.insert(value);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The value of a header; `None` if the request that brought the data has none.
fn value(block: &HeaderBlock, meta: Option<&Meta>) -> Result<Option<HeaderValue>, AuthError> {
    let make = |text: &str, secret: bool| {
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| AuthError::new(format!("the value of {} cannot stand in a header", block.key)))?;
        value.set_sensitive(secret);
        Ok(Some(value))
    };
    if let Some(value) = &block.value {
        return make(value.secret().expose(), value.is_secret);
    }
    let only = |mut values: Box<dyn Iterator<Item = &MetaValue> + '_>, name: &str| match (values.next(), values.next())
    {
        (None, _) => Ok(None),
        (Some(value), None) => make(value.expose(), value.is_secret()),
        (Some(_), Some(_)) => Err(AuthError::new(format!("{name} has several values where {} takes one", block.key))),
    };
    let Some(meta) = meta else { return Ok(None) };
    match block.from_context.as_str() {
        "" => only(Box::new(meta.auth(&block.from_attribute)), &block.from_attribute),
        name => only(Box::new(meta.header(name)), name),
    }
}

impl Authenticator for Headers {
    fn apply<'a>(&'a self, headers: &'a mut HeaderMap, meta: Option<&'a Meta>) -> BoxFuture<'a, Result<(), AuthError>> {
        Box::pin(async move { self.apply_all(headers, meta) })
    }

    fn serves(&self) -> Result<(), AuthError> {
        Err(AuthError::new("otelcol.auth.headers works for clients only"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(key: &str, action: Action) -> HeaderBlock {
        HeaderBlock { key: key.into(), action, ..HeaderBlock::default() }
    }

    #[test]
    fn actions_look_at_what_is_there() {
        let with =
            |key: &str, action| HeaderBlock { value: Some(OptionalSecret::new("new", true)), ..block(key, action) };
        let headers = vec![
            with("insert-there", Action::Insert),
            with("insert-new", Action::Insert),
            with("update-there", Action::Update),
            with("update-new", Action::Update),
            with("upsert-there", Action::Upsert),
            block("delete-there", Action::Delete),
        ];
        let mut map = HeaderMap::new();
        for name in ["insert-there", "update-there", "upsert-there", "delete-there"] {
            map.insert(name, HeaderValue::from_static("old"));
        }
        Headers(Arc::new(HeadersArguments { headers, ..HeadersArguments::default() }))
            .apply_all(&mut map, None)
            .unwrap();
        let mut found: Vec<_> = map.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        found.sort();
        assert_eq!(found, ["insert-new=new", "insert-there=old", "update-there=new", "upsert-there=new"]);
        assert!(map["upsert-there"].is_sensitive());
    }

    #[test]
    fn values_come_from_the_request_that_brought_the_data() {
        let headers = vec![
            HeaderBlock { from_context: "X-Tenant".into(), ..block("X-Scope-OrgID", Action::Upsert) },
            HeaderBlock { from_attribute: "subject".into(), ..block("X-User", Action::Upsert) },
            HeaderBlock { from_context: "absent".into(), ..block("X-Absent", Action::Upsert) },
        ];
        let auth = Headers(Arc::new(HeadersArguments { headers, ..HeadersArguments::default() }));
        let meta = Meta::builder().header("x-tenant", "a").auth("subject", "me", false).build();
        let mut map = HeaderMap::new();
        auth.apply_all(&mut map, Some(&meta)).unwrap();
        assert_eq!((map["x-scope-orgid"].as_bytes(), map["x-user"].as_bytes()), (&b"a"[..], &b"me"[..]));
        assert!(!map.contains_key("x-absent"));
        let several = Meta::builder().header("x-tenant", "a").header("x-tenant", "b").build();
        assert!(auth.apply_all(&mut HeaderMap::new(), Some(&several)).is_err());
    }

    #[test]
    fn a_block_has_one_source() {
        assert!(block("a", Action::Upsert).validate().is_err());
        assert!(block("a", Action::Delete).validate().is_ok());
        let both = HeaderBlock {
            value: Some(OptionalSecret::new("x", false)),
            from_context: "y".into(),
            ..block("a", Action::Upsert)
        };
        assert!(both.validate().is_err());
        assert!(block("a b", Action::Delete).validate().is_err());
    }
}
