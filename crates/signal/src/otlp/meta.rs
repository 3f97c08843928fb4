//! Metadata of the request that brought a batch: headers, client address, what authentication found.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Header names whose values are credentials wherever they come from.
const SECRET_HEADERS: [&str; 7] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-auth-token"];

/// One value. A secret one is readable by code that forwards it and never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MetaValue {
    text: Box<str>,
    secret: bool,
}

impl MetaValue {
    /// The value itself. What is done with it must respect [`is_secret`](Self::is_secret).
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether the value must not be printed, logged or written to disk.
    pub fn is_secret(&self) -> bool {
        self.secret
    }
}

impl fmt::Debug for MetaValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret { f.write_str("(secret)") } else { self.text.fmt(f) }
    }
}

/// Metadata of one request, or what a stage chose to keep of the metadata of several.
///
/// Names are lower case; a name may have several values, in the order received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    headers: Vec<(Box<str>, MetaValue)>,
    auth: Vec<(Box<str>, MetaValue)>,
    client: Option<SocketAddr>,
}

impl Meta {
    /// Starts an empty one.
    pub fn builder() -> MetaBuilder {
        MetaBuilder(Self::default())
    }

    /// The values of a header, in order. The name is compared without regard to case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a MetaValue> {
        find(&self.headers, name)
    }

    /// All headers, in order.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&str, &MetaValue)> {
        self.headers.iter().map(|(name, value)| (&**name, value))
    }

    /// The values of an attribute that authentication set (`subject`, `membership`, ...).
    pub fn auth<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a MetaValue> {
        find(&self.auth, name)
    }

    /// All attributes that authentication set.
    pub fn auth_attributes(&self) -> impl ExactSizeIterator<Item = (&str, &MetaValue)> {
        self.auth.iter().map(|(name, value)| (&**name, value))
    }

    /// The peer's address, where the transport has one.
    pub fn client(&self) -> Option<SocketAddr> {
        self.client
    }

    /// The same without secret values: what may be written to disk.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let public =
            |entries: &[(Box<str>, MetaValue)]| entries.iter().filter(|(_, value)| !value.secret).cloned().collect();
        Self { headers: public(&self.headers), auth: public(&self.auth), client: self.client }
    }

    /// Bytes of memory that the metadata holds, about.
    pub fn size(&self) -> usize {
        let entries = |entries: &[(Box<str>, MetaValue)]| -> usize {
            entries.iter().map(|(name, value)| size_of::<(Box<str>, MetaValue)>() + name.len() + value.text.len()).sum()
        };
        size_of::<Self>() + entries(&self.headers) + entries(&self.auth)
    }
}

fn find<'a>(entries: &'a [(Box<str>, MetaValue)], name: &'a str) -> impl Iterator<Item = &'a MetaValue> {
    entries.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Collects a [`Meta`].
#[derive(Debug, Default)]
pub struct MetaBuilder(Meta);

impl MetaBuilder {
    /// Adds a header. Names that always carry credentials (`authorization`, `cookie`, ...) are marked secret.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let secret = SECRET_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name));
        self.header_marked(name, value, secret)
    }

    /// Adds a header whose value is a credential.
    #[must_use]
    pub fn secret_header(self, name: &str, value: &str) -> Self {
        self.header_marked(name, value, true)
    }

    fn header_marked(mut self, name: &str, value: &str, secret: bool) -> Self {
        self.0.headers.push((name.to_ascii_lowercase().into(), MetaValue { text: value.into(), secret }));
        self
    }

    /// Adds an attribute that authentication found.
    #[must_use]
    pub fn auth(mut self, name: &str, value: &str, secret: bool) -> Self {
        self.0.auth.push((name.to_ascii_lowercase().into(), MetaValue { text: value.into(), secret }));
        self
    }

    /// Sets the peer's address.
    #[must_use]
    pub fn client(mut self, address: SocketAddr) -> Self {
        self.0.client = Some(address);
        self
    }

    /// The metadata, shared.
    pub fn build(mut self) -> Arc<Meta> {
        self.0.headers.shrink_to_fit();
        self.0.auth.shrink_to_fit();
        Arc::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_case_and_secrets_are_not_printed() {
        let meta = Meta::builder()
            .header("X-Tenant", "a")
            .header("x-tenant", "b")
            .header("Authorization", "Bearer canary")
            .secret_header("x-own", "canary")
            .auth("Subject", "user", false)
            .build();
        let tenants: Vec<_> = meta.header("X-TENANT").map(MetaValue::expose).collect();
        assert_eq!(tenants, ["a", "b"]);
        assert_eq!(meta.auth("subject").next().map(MetaValue::expose), Some("user"));
        assert!(!format!("{meta:?} {meta:#?}").contains("canary"));
        assert_eq!(meta.without_secrets().headers().len(), 2);
    }
}
