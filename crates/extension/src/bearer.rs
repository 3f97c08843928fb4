//! `otelcol.auth.bearer`.

use std::sync::Arc;

use corten_component::{Arguments, BoxFuture, BuildContext, BuildError, Component};
use corten_net::args::DebugMetrics;
use corten_net::auth::{AuthData, AuthError, Authenticator, Peer, Unauthenticated, constant_time_eq};
use corten_signal::otlp::Meta;
use corten_syntax::Secret;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::AuthExports;

/// The arguments of `otelcol.auth.bearer`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct BearerArguments {
    /// The token.
    #[arg(required)]
    pub token: Secret,
    /// The header that carries it.
    pub header: String,
    /// What stands before the token; empty for the token alone.
    pub scheme: String,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl Default for BearerArguments {
    fn default() -> Self {
        Self {
            token: Secret::default(),
            header: "Authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            debug_metrics: DebugMetrics::default(),
        }
    }
}

/// `otelcol.auth.bearer`.
pub struct BearerAuth;

impl Component for BearerAuth {
    const NAME: &'static str = "otelcol.auth.bearer";
    const DOC: &'static str = "A token in a header.\n\nAttached to a client it sends the token; attached to a server it lets in whoever sends it.";
    type Arguments = BearerArguments;
    type Exports = AuthExports;
    type Carry = ();

    async fn build(args: Arc<BearerArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, AuthExports), BuildError> {
        let behaviour: Arc<dyn Authenticator> = Arc::new(Bearer::new(&args)?);
        let handler = cx.handle("handler", behaviour);
        Ok((Self, AuthExports { handler }))
    }
}

struct Bearer {
    header: HeaderName,
    value: HeaderValue,
}

impl Bearer {
    fn new(args: &BearerArguments) -> Result<Self, BuildError> {
        let header = HeaderName::from_bytes(args.header.as_bytes())
            .map_err(|_| BuildError::at("header", format!("{:?} is not a header's name", args.header)))?;
        // An empty token would let in everybody who sends an empty header.
        let token = args.token.expose();
        if token.is_empty() {
            return Err(BuildError::at("token", "the token is empty"));
        }
        let text = match args.scheme.as_str() {
            "" => token.to_owned(),
            scheme => format!("{scheme} {token}"),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            BuildError::at("token", "the token holds characters that a header cannot, such as a line break")
        })?;
        value.set_sensitive(true);
        Ok(Self { header, value })
    }
}

impl Authenticator for Bearer {
    fn check<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<AuthData, Unauthenticated>> {
        Box::pin(async move {
            let refuse = |message: String| Unauthenticated { message, challenge: Some("Bearer".to_owned()) };
            let mut values = headers.get_all(&self.header).iter();
            let Some(value) = values.next() else {
                return Err(refuse(format!("missing or empty authorization header: {}", self.header)));
            };
            if values.next().is_some() || !constant_time_eq(value.as_bytes(), self.value.as_bytes()) {
                return Err(refuse("scheme or token does not match".to_owned()));
            }
            let raw = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Ok(AuthData { attributes: vec![("raw".to_owned(), raw, true)] })
        })
    }

    fn apply<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        _meta: Option<&'a Meta>,
    ) -> BoxFuture<'a, Result<(), AuthError>> {
        Box::pin(async move {
            headers.insert(self.header.clone(), self.value.clone());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &str, scheme: &str, header: &str) -> Bearer {
        let args = BearerArguments {
            token: Secret::new(token),
            scheme: scheme.into(),
            header: header.into(),
            ..BearerArguments::default()
        };
        Bearer::new(&args).unwrap()
    }

    #[tokio::test]
    async fn the_same_token_is_let_in_and_no_other() {
        for (scheme, header, sent) in [("Bearer", "Authorization", "Bearer t"), ("", "X-Key", "t")] {
            let mut headers = HeaderMap::new();
            bearer("t", scheme, header).apply(&mut headers, None).await.unwrap();
            assert_eq!(headers[header], sent);
            assert!(bearer("t", scheme, header).check(&headers, &Peer::default()).await.is_ok());
            assert!(bearer("u", scheme, header).check(&headers, &Peer::default()).await.is_err());
            assert!(bearer("tt", scheme, header).check(&headers, &Peer::default()).await.is_err());
            headers.append(HeaderName::from_bytes(header.as_bytes()).unwrap(), HeaderValue::from_static("t"));
            assert!(bearer("t", scheme, header).check(&headers, &Peer::default()).await.is_err(), "two headers");
        }
        assert!(bearer("t", "", "a").check(&HeaderMap::new(), &Peer::default()).await.is_err());
    }

    #[test]
    fn a_token_must_fit_a_header_and_is_not_shown() {
        let args = |token: &str| BearerArguments { token: Secret::new(token), ..BearerArguments::default() };
        let Err(error) = Bearer::new(&args("canary\n")) else { panic!("a line break") };
        assert!(!error.to_string().contains("canary"));
        assert!(Bearer::new(&args("")).is_err());
    }
}
