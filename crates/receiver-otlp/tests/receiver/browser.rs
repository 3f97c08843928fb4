//! Pages in browsers.

use corten_net::Body;
use corten_net::http::{Method, Request};
use corten_receiver_otlp::{Cors, Http};

use crate::support::{Harness, http, send, spans};

fn preflight(harness: &Harness) -> Request<Body> {
    Request::builder()
        .method(Method::OPTIONS)
        .uri(harness.url("/v1/traces"))
        .header("origin", "https://app.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn an_allowed_page_may_send() {
    let cors = Some(Cors { allowed_origins: vec!["https://app.test".into()], ..Cors::default() });
    let harness = Harness::start(http(Http { cors, ..Http::default() })).await;
    let answer = send(preflight(&harness)).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.test");
    let answer = harness.post("application/x-protobuf", &[("origin", "https://app.test")], spans(1)).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.test");
}

#[tokio::test]
async fn without_cors_a_preflight_grants_nothing() {
    let harness = Harness::start(http(Http::default())).await;
    let answer = send(preflight(&harness)).await;
    assert_eq!(answer.status.as_u16(), 405);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn forms_that_need_no_preflight_are_refused() {
    let harness = Harness::start(http(Http::default())).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = harness.post(kind, &[("origin", "https://evil.test")], spans(1)).await;
        assert_eq!(answer.status.as_u16(), 415, "{kind}");
    }
    assert!(harness.consumer.bodies().is_empty());
}
