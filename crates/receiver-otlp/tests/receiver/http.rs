//! OTLP/HTTP as the specification has it.

use std::time::Duration;

use corten_component::Refusal;
use corten_net::Body;
use corten_net::codec::{Encoding, Level, encode};
use corten_net::http::{Method, Request};
use corten_proto::google::Status;
use corten_receiver_otlp::Http;
use prost::Message;

use crate::support::{Harness, http, send, spans};

const PROTO: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const ONE_SPAN: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","name":"span 0"}]}]}]}"#;

#[tokio::test]
async fn what_is_taken_is_answered_in_its_own_format() {
    let harness = Harness::start(http(Http::default())).await;
    let accepted = ["otelcol_receiver_accepted_spans_total", "otelcol_receiver_refused_spans_total"];
    let labels = ["receiver=\"otlp/otelcol.receiver.otlp.default\"", "transport=\"http\""];
    assert_eq!(accepted.map(|name| harness.metric(name, &labels)), [Some(0.0), Some(0.0)], "there from the start");
    let answer = harness.post(PROTO, &[], spans(2)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-type"], PROTO);
    let answer = harness.post("Application/JSON; charset=utf-8", &[], ONE_SPAN).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &br#"{"partialSuccess":{}}"#[..]));
    assert_eq!(harness.consumer.bodies(), [spans(2), spans(1)]);
    assert_eq!(accepted.map(|name| harness.metric(name, &labels)), [Some(3.0), Some(0.0)]);
    assert_eq!(harness.metric("http_server_duration_milliseconds_count", &["http_status_code=\"200\""]), Some(2.0));
}

#[tokio::test]
async fn every_encoding_is_decoded() {
    let harness = Harness::start(http(Http::default())).await;
    let body = spans(500);
    for encoding in Encoding::ALL {
        let encoded = encode(encoding, Level::Default, [&body[..]]).unwrap();
        let answer = harness.post(PROTO, &[("content-encoding", encoding.http_name())], encoded).await;
        assert_eq!(answer.status.as_u16(), 200, "{encoding:?}");
    }
    // What Go's older collectors call snappy is framed.
    let framed = encode(Encoding::SnappyFramed, Level::Default, [&body[..]]).unwrap();
    assert_eq!(harness.post(PROTO, &[("content-encoding", "snappy")], framed).await.status.as_u16(), 200);
    let bodies = harness.consumer.bodies();
    assert_eq!(bodies.len(), Encoding::ALL.len() + 1);
    assert!(bodies.iter().all(|found| *found == body));
}

#[tokio::test]
async fn an_empty_request_is_success_and_goes_nowhere() {
    let harness = Harness::start(http(Http::default())).await;
    assert_eq!(harness.post(PROTO, &[], "").await.status.as_u16(), 200);
    assert_eq!(harness.post(JSON, &[], "{}").await.body, r#"{"partialSuccess":{}}"#);
    assert_eq!(harness.post(PROTO, &[("content-encoding", "gzip")], "").await.status.as_u16(), 200);
    assert!(harness.consumer.bodies().is_empty());
}

#[tokio::test]
async fn what_is_not_otlp_is_told_what_would_be() {
    let harness = Harness::start(http(Http::default())).await;
    let request = |method: Method, path: &str, kind: &str| {
        let request = Request::builder().method(method).uri(harness.url(path)).header("content-type", kind);
        request.body(Body::from(spans(1))).unwrap()
    };
    let answer = send(request(Method::GET, "/v1/traces", PROTO)).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"POST".parse().unwrap()));
    let answer = send(request(Method::POST, "/v1/traces", "text/plain")).await;
    assert_eq!(answer.status.as_u16(), 415);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("application/json") && text.contains("application/x-protobuf"), "{text}");
    // Logs have no consumer here.
    for path in ["/", "/v1/logs", "/v1/traces/"] {
        assert_eq!(send(request(Method::POST, path, PROTO)).await.status.as_u16(), 404, "{path}");
    }
    assert!(harness.consumer.bodies().is_empty());
    assert_eq!(harness.metric("corten_receiver_rejected_requests_total", &["unsupported"]), Some(5.0));
}

#[tokio::test]
async fn a_broken_body_is_400_with_a_status() {
    let harness = Harness::start(http(Http::default())).await;
    let mut wrong_id = spans(1).to_vec();
    let at = wrong_id.windows(2).position(|pair| pair == [18, 8]).unwrap();
    wrong_id[at + 1] = 7;
    let gzip = encode(Encoding::Gzip, Level::Default, [&spans(100)[..]]).unwrap();
    let cut = gzip.slice(..gzip.len() - 9);
    for (body, encoding) in [
        (spans(1).slice(..20), ""),
        (wrong_id.into(), ""),
        (cut, "gzip"),
        (spans(1), "gzip"),
        (spans(1), "br"),
        (spans(1), "gzip, gzip"),
    ] {
        let headers: &[(&str, &str)] = if encoding.is_empty() { &[] } else { &[("content-encoding", encoding)] };
        let answer = harness.post(PROTO, headers, body).await;
        assert_eq!(answer.status.as_u16(), 400, "{encoding}");
        let status = Status::decode(answer.body).unwrap();
        assert!(!status.message.is_empty() && status.code != 0);
    }
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "1".to_owned() + &"}".repeat(100_000));
    for body in ["{", "[]", r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}"#, &deep] {
        let answer = harness.post(JSON, &[], body.to_owned()).await;
        assert_eq!(answer.status.as_u16(), 400, "{}", &body[..body.len().min(80)]);
        assert!(answer.body.starts_with(br#"{"code":3,"message":""#), "{:?}", answer.body);
    }
    assert!(harness.consumer.bodies().is_empty());
}

#[tokio::test]
async fn a_refusal_says_whether_to_try_again() {
    let harness = Harness::start(http(Http::default())).await;
    let retry = Refusal::Retry { after: Some(Duration::from_millis(2500)), why: "full".into() };
    for (refusal, code, after, grpc) in [
        (retry, 503, Some("3"), 14),
        (Refusal::retry("full"), 503, None, 14),
        (Refusal::reject("full"), 500, None, 13),
        (Refusal::Closed, 503, None, 14),
    ] {
        harness.consumer.refuse(refusal.clone());
        let answer = harness.post(PROTO, &[], spans(1)).await;
        assert_eq!(answer.status.as_u16(), code, "{refusal:?}");
        assert_eq!(answer.headers.get("retry-after").map(|value| value.to_str().unwrap()), after);
        let status = Status::decode(answer.body).unwrap();
        assert_eq!((status.code, status.details.len()), (grpc, usize::from(after.is_some())));
    }
    assert_eq!(harness.metric("otelcol_receiver_refused_spans_total", &["http"]), Some(4.0));
    assert_eq!(harness.metric("otelcol_receiver_accepted_spans_total", &["http"]), Some(0.0));
}

#[tokio::test]
async fn headers_travel_with_the_data_if_wanted() {
    for include_metadata in [false, true] {
        let harness = Harness::start(http(Http { include_metadata, ..Http::default() })).await;
        harness.post(PROTO, &[("x-tenant", "a")], spans(1)).await;
        let taken = harness.consumer.taken.lock().unwrap();
        let meta = taken[0].meta();
        assert_eq!(meta.is_some(), include_metadata);
        if let Some(meta) = meta {
            assert_eq!(meta.header("X-Tenant").next().unwrap().expose(), "a");
            assert!(meta.client().is_some());
        }
    }
}

#[tokio::test]
async fn paths_are_those_of_the_file() {
    let args = http(Http { traces_url_path: "/mine".into(), ..Http::default() });
    let harness = Harness::start(args).await;
    let to = |path: &str| {
        let request = Request::post(harness.url(path)).header("content-type", PROTO);
        send(request.body(Body::from(spans(1))).unwrap())
    };
    assert_eq!(to("/mine").await.status.as_u16(), 200);
    assert_eq!(to("/v1/traces").await.status.as_u16(), 404);
}
