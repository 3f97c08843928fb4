//! Who may ask: the `auth` block of `http`.

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::run::blocks::http::Http;

/// What the `http` block demands.
#[derive(Clone, Default)]
pub(crate) struct Access {
    /// Of `user:password`; only hashes are compared, so that time tells nothing of the content.
    expected: Option<[u8; 32]>,
    /// Beginnings of paths, and whether those are protected or the others.
    filter: Option<(Vec<String>, bool)>,
}

impl Access {
    pub(crate) fn new(http: &Http) -> Self {
        let Some(auth) = &http.auth else { return Self::default() };
        Self {
            expected: auth
                .basic
                .as_ref()
                .map(|basic| Sha256::digest(format!("{}:{}", basic.username, basic.password.expose())).into()),
            filter: auth.filter.as_ref().map(|filter| (filter.paths.clone(), filter.authenticate_matching_paths)),
        }
    }

    /// Whether the filter leaves every path open.
    pub(crate) fn protects_nothing(&self) -> bool {
        self.expected.is_some() && matches!(&self.filter, Some((paths, true)) if paths.is_empty())
    }

    pub(super) fn allows(&self, path: &str, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.expected else { return true };
        let demanded = self
            .filter
            .as_ref()
            .is_none_or(|(paths, matching)| paths.iter().any(|start| path.starts_with(start.as_str())) == *matching);
        !demanded || given(headers).is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given)) == *expected)
    }
}

/// The `user:password` of a request.
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::blocks::http::{Auth, Basic, Filter};
    use corten_syntax::Secret;

    fn access(filter: Option<Filter>) -> Access {
        let basic = Basic { username: "u".into(), password: Secret::new("p:w") };
        Access::new(&Http { auth: Some(Auth { basic: Some(basic), filter }), tls: None })
    }

    fn with(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, value.parse().expect("a value"))].into_iter().collect()
    }

    #[test]
    fn only_the_right_password_opens() {
        let access = access(None);
        assert!(access.allows("/metrics", &with("Basic dTpwOnc=")));
        assert!(access.allows("/metrics", &with("basic dTpwOnc=")));
        for wrong in ["Basic dTpw", "Bearer dTpwOnc=", "Basic", "Basic !!!", "dTpwOnc="] {
            assert!(!access.allows("/metrics", &with(wrong)), "{wrong}");
        }
        assert!(!access.allows("/-/ready", &HeaderMap::new()));
        assert!(Access::new(&Http::default()).allows("/metrics", &HeaderMap::new()));
    }

    #[test]
    fn a_filter_chooses_paths() {
        let none = HeaderMap::new();
        let paths = vec!["/-/".to_owned(), "/metrics".to_owned()];
        let only = access(Some(Filter { paths: paths.clone(), authenticate_matching_paths: true }));
        assert!(!only.allows("/-/reload", &none) && !only.allows("/metrics", &none) && only.allows("/", &none));
        let except = access(Some(Filter { paths, authenticate_matching_paths: false }));
        assert!(except.allows("/-/ready", &none) && !except.allows("/", &none));
        let empty = access(Some(Filter::default()));
        assert!(empty.allows("/", &none) && empty.protects_nothing());
    }
}
