//! The exporter under test.

use std::sync::Arc;

use corten_component::node::Services;
use corten_component::{Attribute, BoxFuture};
use corten_delivery::{Arena, Budget};
use corten_exporter_otlp::COMPONENTS;
use corten_net::auth::{AuthError, AuthHandle, Authenticator};
use corten_net::http::{HeaderMap, HeaderValue};
use corten_signal::otlp::Meta;
use corten_syntax::Object;
use corten_testkit::exporter::Exporter;

/// What the argument text may refer to as `credentials`.
struct Credentials;

impl Authenticator for Credentials {
    fn apply<'a>(&'a self, headers: &'a mut HeaderMap, _: Option<&'a Meta>) -> BoxFuture<'a, Result<(), AuthError>> {
        headers.insert("authorization", HeaderValue::from_static("Bearer canary"));
        Box::pin(async { Ok(()) })
    }
}

/// Starts with these arguments.
pub(crate) async fn start(text: &str) -> Exporter {
    try_to_start(text).await.unwrap()
}

/// Why the text is not accepted, all mistakes in one.
pub(crate) async fn refused(text: &str) -> String {
    match try_to_start(text).await {
        Ok(_) => panic!("accepted: {text}"),
        Err(why) => why,
    }
}

async fn try_to_start(text: &str) -> Result<Exporter, String> {
    let scope = Object::from([("credentials".into(), AuthHandle::to(Arc::new(Credentials)).to_value())]);
    let mut services = Services::default();
    services.insert(Arena::new(Budget::new(64 << 20)));
    Exporter::start(&COMPONENTS[0], text, &scope, services).await
}
