//! A back end for OTLP, over HTTP and gRPC, and for remote write, all on one port: it answers as told, and remembers what
//! it got.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corten_proto::otlp::collector::{
    ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTracePartialSuccess, ExportTraceServiceRequest,
    ExportTraceServiceResponse,
};
use corten_signal::otlp::{SignalKind, check};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{Write, grpc};

/// How a sink answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200, or gRPC status 0.
    Ok,
    /// This status (over gRPC: this gRPC code) with this `Retry-After`.
    Status(u16, Option<String>),
    /// 200 with a partial success: so many rejected, and why.
    Partial(i64, String),
    /// This status, and the headers of remote write 2.0: so many samples, histograms and exemplars were written.
    Written(u16, [usize; 3]),
    /// 200, after this time.
    Late(Duration),
    /// Never.
    Hang,
}

/// One request that a sink got.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The headers; gRPC metadata likewise.
    pub headers: HeaderMap,
    /// The body as it came.
    pub wire: Bytes,
    /// The message, decompressed; `None` where that failed.
    pub message: Option<Vec<u8>>,
    /// Whether it came by gRPC.
    pub grpc: bool,
    /// What was answered.
    pub answer: Answer,
    /// When it had come whole.
    pub at: Instant,
}

impl Received {
    /// Its kind, from the path.
    pub fn kind(&self) -> Option<SignalKind> {
        let path = self.path.to_ascii_lowercase();
        [("trace", SignalKind::Traces), ("metric", SignalKind::Metrics), ("log", SignalKind::Logs)]
            .into_iter()
            .find(|(word, _)| path.contains(word))
            .map(|(_, kind)| kind)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How many items it holds, by the strict check; panics if it is not valid OTLP.
    pub fn items(&self) -> usize {
        let kind = self.kind().expect("a known path");
        check(kind, self.message.as_ref().expect("a readable body")).expect("valid OTLP").items
    }

    /// The remote write request; panics if it breaks the protocol.
    pub fn write(&self) -> Write {
        Write::read(&self.headers, self.message.as_ref().expect("a readable body"))
    }

    /// The traces request.
    pub fn traces(&self) -> ExportTraceServiceRequest {
        Message::decode(&**self.message.as_ref().expect("a readable body")).expect("traces")
    }

    /// Counts the names of its spans, if it holds some and was taken.
    fn name_spans(&self, names: &mut HashMap<String, usize>) {
        if self.kind() != Some(SignalKind::Traces) || self.answer != Answer::Ok {
            return;
        }
        let scopes = self.traces().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            *names.entry(span.name).or_default() += 1;
        }
    }

    /// The metrics request.
    pub fn metrics(&self) -> ExportMetricsServiceRequest {
        Message::decode(&**self.message.as_ref().expect("a readable body")).expect("metrics")
    }

    /// The logs request.
    pub fn logs(&self) -> ExportLogsServiceRequest {
        Message::decode(&**self.message.as_ref().expect("a readable body")).expect("logs")
    }
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    scripted: std::collections::VecDeque<Answer>,
    usual: Option<Answer>,
    /// Items taken, by kind: counted as they come, since tests ask often.
    items: HashMap<SignalKind, usize>,
    /// Requests are let go once they are counted.
    forget: bool,
    /// How often each span name was taken, and how many of `received` are in there: requests are read once however
    /// often tests ask.
    names: HashMap<String, usize>,
    named: usize,
}

impl State {
    fn read_names(&mut self) {
        for received in self.received.iter().skip(self.named) {
            received.name_spans(&mut self.names);
        }
        self.named = self.received.len();
    }

    fn take(&mut self, received: Received) {
        if self.forget {
            received.name_spans(&mut self.names);
        } else {
            self.received.push(received);
        }
    }
}

/// A running back end on a loopback port. Dropping it closes the port and all connections.
pub struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts on a free port; answers 200.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    /// Starts at an address, to come back where it was before.
    pub fn start_at(address: impl ToString) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let (shared, wanted) = (Arc::clone(&state), address.to_string());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind(&wanted).await.expect("a free port");
                tell.send(listener.local_addr().expect("an address")).expect("the starter waits");
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
            // Connections end with their runtime.
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        let address = told.recv().expect("the sink starts");
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on.
    pub fn answer(&self, answer: Answer) {
        self.lock().usual = Some(answer);
    }

    /// Answers the next requests so, in this order, before going on as usual.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.lock().scripted.extend(answers);
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// How many items it took (answered with success) of a kind.
    pub fn items(&self, kind: SignalKind) -> usize {
        self.lock().items.get(&kind).copied().unwrap_or(0)
    }

    /// Remembers counts and span names from now on, but not the requests: for runs that would fill the memory.
    pub fn forget_requests(&self) {
        let mut state = self.lock();
        state.read_names();
        state.forget = true;
        state.received.clear();
        state.named = 0;
    }

    /// How often each span name was taken, to find what was lost or doubled.
    pub fn span_names(&self) -> HashMap<String, usize> {
        self.with_span_names(HashMap::clone)
    }

    /// The same without a copy of all names.
    pub fn with_span_names<T>(&self, look: impl FnOnce(&HashMap<String, usize>) -> T) -> T {
        let mut state = self.lock();
        state.read_names();
        look(&state.names)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let handler = service_fn(move |request| answer(request, Arc::clone(&state)));
            // A client that goes away mid-request is its own affair.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), handler).await;
        });
    }
}

type Body = BoxBody<Bytes, std::convert::Infallible>;

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let wire = body.collect().await?.to_bytes();
    let at = Instant::now();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let grpc = text("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
    let message = match (grpc, text("content-encoding")) {
        (true, _) => grpc::message(&wire, text("grpc-encoding")),
        (false, Some("gzip")) => grpc::gunzip(&wire),
        (false, Some("snappy")) => snap::raw::Decoder::new().decompress_vec(&wire).ok(),
        (false, None | Some("" | "identity")) => Some(wire.to_vec()),
        (false, Some(_)) => None,
    };
    let json = text("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let version = text("x-prometheus-remote-write-version").map(str::to_owned);
    let (answer, written) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = state.scripted.pop_front().or_else(|| state.usual.clone()).unwrap_or(Answer::Ok);
        let path = head.uri.path().to_owned();
        let received = Received { path, headers: head.headers, wire, message, grpc, answer: answer.clone(), at };
        // JSON, and encodings that are not known here, are not counted.
        if let (Answer::Ok, Some(kind), Some(message)) = (&answer, received.kind(), &received.message)
            && let Ok(found) = check(kind, message)
        {
            *state.items.entry(kind).or_default() += found.items;
        }
        // What a server of 2.0 must say.
        let written = match answer {
            Answer::Written(_, counts) => Some(counts),
            Answer::Ok if version.as_deref() == Some("2.0.0") => Some(received.write().counts()),
            _ => None,
        };
        state.take(received);
        (answer, written)
    };
    match answer {
        Answer::Hang => std::future::pending().await,
        Answer::Late(time) => tokio::time::sleep(time).await,
        _ => {}
    }
    let mut response = if grpc { grpc_response(&answer) } else { http_response(&answer, json) };
    for (what, count) in ["samples", "histograms", "exemplars"].iter().zip(written.into_iter().flatten()) {
        let name = format!("x-prometheus-remote-write-{what}-written").parse::<HeaderName>().expect("a header's name");
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    Ok(response)
}

fn http_response(answer: &Answer, json: bool) -> Response<Body> {
    let (status, body) = match answer {
        Answer::Status(status, _) | Answer::Written(status, _) => (*status, Vec::new()),
        Answer::Partial(rejected, why) if json => (
            200,
            format!(r#"{{"partialSuccess":{{"rejectedSpans":"{rejected}","errorMessage":"{why}"}}}}"#).into_bytes(),
        ),
        Answer::Partial(rejected, why) => (200, partial(*rejected, why)),
        Answer::Ok if json => (200, br#"{"partialSuccess":{}}"#.to_vec()),
        Answer::Ok | Answer::Late(_) | Answer::Hang => (200, Vec::new()),
    };
    let mut response = Response::new(Full::from(body).boxed());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let kind = if json { "application/json" } else { "application/x-protobuf" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Answer::Status(_, Some(after)) = answer {
        response.headers_mut().insert("retry-after", after.parse().expect("a header value"));
    }
    response
}

fn grpc_response(answer: &Answer) -> Response<Body> {
    let (code, message) = match answer {
        Answer::Status(code, _) => (*code, None),
        Answer::Partial(rejected, why) => (0, Some(partial(*rejected, why))),
        Answer::Ok | Answer::Late(_) | Answer::Hang | Answer::Written(..) => (0, Some(Vec::new())),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    let frames = message
        .map(|message| Frame::data(Bytes::from(grpc::frame(&message))))
        .into_iter()
        .chain([Frame::trailers(trailers)])
        .map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>())).boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The three kinds share the shape of their partial success.
fn partial(rejected: i64, why: &str) -> Vec<u8> {
    ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess { rejected_spans: rejected, error_message: why.to_owned() }),
    }
    .encode_to_vec()
}
