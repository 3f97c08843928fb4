//! Who may send.

use std::sync::Arc;

use corten_component::{BoxFuture, Handle};
use corten_net::auth::{AuthData, AuthHandle, Authenticator, Unauthenticated};
use corten_net::grpc::{Code, GrpcOptions};
use corten_net::http::{HeaderMap, Request};
use corten_net::{Body, Peer};
use corten_receiver_otlp::{Grpc, Http};

use crate::support::{Harness, LONG, TRACES, grpc, http, send, spans};

struct Token;

impl Authenticator for Token {
    fn check<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _peer: &'a Peer,
    ) -> BoxFuture<'a, Result<AuthData, Unauthenticated>> {
        Box::pin(async move {
            match headers.get("authorization") {
                Some(value) if value == "Bearer right" => {
                    Ok(AuthData { attributes: vec![("subject".into(), "me".into(), false)] })
                }
                _ => Err(Unauthenticated { message: "no".into(), challenge: Some("Bearer".into()) }),
            }
        })
    }
}

fn handle() -> Option<AuthHandle> {
    Some(Handle::to(Arc::new(Token) as Arc<dyn Authenticator>))
}

#[tokio::test]
async fn http_lets_in_who_is_known_and_nobody_else_anywhere() {
    let harness = Harness::start(http(Http { auth: handle(), ..Http::default() })).await;
    for path in ["/v1/traces", "/v1/logs", "/", "/v1/traces?a=b"] {
        for token in [None, Some("Bearer wrong"), Some("right")] {
            let mut request = Request::post(harness.url(path)).header("content-type", "application/json");
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = send(request.body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.status.as_u16(), 401, "{path} {token:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    assert!(harness.consumer.bodies().is_empty());
    let answer = harness.post("application/x-protobuf", &[("authorization", "Bearer right")], spans(1)).await;
    assert_eq!(answer.status.as_u16(), 200);
    let taken = harness.consumer.taken.lock().unwrap();
    assert_eq!(taken[0].meta().unwrap().auth("subject").next().unwrap().expose(), "me");
    assert_eq!(harness.metric("corten_receiver_rejected_requests_total", &["unauthenticated"]), Some(12.0));
}

#[tokio::test]
async fn grpc_lets_in_who_is_known_and_nobody_else_anywhere() {
    let harness = Harness::start(grpc(Grpc { auth: handle(), ..Grpc::default() })).await;
    let client = harness.grpc(GrpcOptions::default());
    let call = async |path, token: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert("authorization", token.parse().unwrap());
        }
        client.unary(path, headers, vec![spans(1)], false, LONG, 1000).await
    };
    for path in [TRACES, "/a.B/C"] {
        for token in [None, Some("Bearer wrong")] {
            assert_eq!(call(path, token).await.unwrap_err().code, Code::Unauthenticated, "{path} {token:?}");
        }
    }
    assert!(call(TRACES, Some("Bearer right")).await.is_ok());
    assert_eq!(harness.consumer.items(), 1);
}

#[tokio::test]
async fn a_handler_that_is_not_there_lets_nobody_in() {
    let auth = Some(Handle::new(corten_component::NodeId::root("otelcol.auth.basic.x")));
    let harness = Harness::start(http(Http { auth, ..Http::default() })).await;
    assert_eq!(harness.post("application/x-protobuf", &[], spans(1)).await.status.as_u16(), 401);
}

struct ClientOnly;

impl Authenticator for ClientOnly {
    fn serves(&self) -> Result<(), corten_net::AuthError> {
        Err(corten_net::AuthError::new("for clients only"))
    }
}

#[tokio::test]
async fn a_handler_for_clients_is_told_at_the_start() {
    let auth: Option<AuthHandle> = Some(Handle::to(Arc::new(ClientOnly) as Arc<dyn Authenticator>));
    let mut harness = Harness::idle();
    harness.replace(http(Http { auth, ..Http::default() })).await.unwrap();
    let error = harness.ended().await.unwrap_err();
    assert!(error.message.contains("http.auth") && error.message.contains("for clients only"), "{error}");
}
