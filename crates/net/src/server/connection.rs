//! One connection from its handshake to its end.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::activity::{Activity, Busy, at};
use super::http2::Watched;
use super::io::speaks_http2;
use super::listener::{Shared, enter_now};
use super::refusals::{Cause, OfPeer};
use super::slot::{Inside, Slot};
use super::{Limits, Refusals, Serving};
use crate::stream::{Stream, Tapped};
use crate::{Body, BodyError, Peer};

/// How long a connection that has been asked to go may take if the listener closes.
const CLOSING_GRACE: Duration = Duration::from_secs(10);

/// How long a connection whose header does not end may take to go.
const LATE_GRACE: Duration = Duration::from_secs(1);

/// Counts a connection as long as it lives.
pub(super) struct Counted(Arc<Shared>, Option<OfPeer>);

impl Counted {
    pub(super) fn new(shared: Arc<Shared>, of_peer: Option<OfPeer>) -> Self {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        Self(shared, of_peer)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1 = None;
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
        self.0.gone.notify_waiters();
    }
}

/// Serves a connection to its end.
pub(super) async fn run(connection: Counted, stream: Stream, mut peer: Peer) {
    let mut slots = connection.0.slot.subscribe();
    let (Serving { limits, tls, refusals, .. }, epoch) = match enter_now(&mut slots).await {
        Some(Inside(ref active)) => (active.serving.clone(), active.epoch),
        None => return,
    };
    let life = Life { limits, refusals, epoch, slots };
    let Some(tls) = tls else { return life.detect(stream, peer).await };
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.config());
    match timeout(life.limits.handshake_timeout, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let session = stream.get_ref().1;
            peer.tls = true;
            peer.certificate =
                session.peer_certificates().and_then(<[_]>::first).map(|found| Arc::from(found.as_ref()));
            match session.alpn_protocol() {
                Some(b"h2") => life.http2(Box::new(stream), peer, Instant::now()).await,
                Some(b"http/1.1") => life.http1(Box::new(stream), peer, Instant::now()).await,
                _ => life.detect(Box::new(stream), peer).await,
            }
        }
        failed => {
            life.refusals.count(Cause::Handshake);
            let error = failed.ok().and_then(Result::err).map_or("too late".to_owned(), |error| error.to_string());
            tracing::debug!(peer = ?peer.address, error, "TLS handshake failed");
        }
    }
}

/// An answer being made.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

/// What rules a connection's life.
struct Life {
    limits: Limits,
    refusals: Refusals,
    epoch: u64,
    slots: watch::Receiver<Slot>,
}

impl Life {
    async fn detect(self, stream: Stream, peer: Peer) {
        let start = Instant::now();
        let mut slots = self.slots.clone();
        let detected = tokio::select! {
            detected = timeout_at(start + self.limits.header_timeout, speaks_http2(stream)) => detected,
            () = must_go(&mut slots, self.epoch) => return,
        };
        match detected {
            Ok(Ok((true, stream))) => self.http2(stream, peer, start).await,
            Ok(Ok((false, stream))) => self.http1(stream, peer, start).await,
            // The client has gone.
            Ok(Err(_)) => {}
            Err(_) => self.refusals.count(Cause::Header),
        }
    }

    async fn http1(self, stream: Stream, peer: Peer, start: Instant) {
        if !self.limits.http1 {
            return;
        }
        let activity = Arc::new(Activity::new(start));
        let service = self.service(&activity, peer);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // A header that has begun, and a connection that does nothing, have timers of ours, which are not set anew for
            // each request.
            .header_read_timeout(None)
            .max_header_size(self.limits.max_header_bytes)
            .max_buf_size(self.limits.max_header_bytes.max(64 << 10))
            .keep_alive(self.limits.keep_alive)
            .half_close(false);
        let stream = Tapped { stream, tap: Arc::clone(&activity) };
        let connection = builder.serve_connection(TokioIo::new(stream), service_fn(service));
        self.watch(connection, &activity).await;
    }

    async fn http2(self, stream: Stream, peer: Peer, start: Instant) {
        if !self.limits.http2 {
            return;
        }
        let activity = Arc::new(Activity::new(start));
        let service = self.service(&activity, peer);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.max_concurrent_streams)
            .max_header_list_size(u32::try_from(self.limits.max_header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(self.limits.stream_window)
            .initial_connection_window_size(self.limits.stream_window.saturating_mul(2))
            .keep_alive_interval(self.limits.ping_interval)
            .keep_alive_timeout(self.limits.ping_timeout);
        let stream = Watched::new(stream, &activity, self.limits.pings);
        let connection = builder.serve_connection(TokioIo::new(stream), service_fn(service));
        self.watch(connection, &activity).await;
    }

    fn service(
        &self,
        activity: &Arc<Activity>,
        peer: Peer,
    ) -> impl Fn(Request<hyper::body::Incoming>) -> Answering + use<> {
        let slots = self.slots.clone();
        let activity = Arc::clone(activity);
        move |request| {
            let busy = Activity::begin(&activity);
            Box::pin(answer(slots.clone(), busy, request, peer.clone())) as Answering
        }
    }

    /// Polls a connection, and asks it to go when its time has come.
    async fn watch<C: Graceful>(mut self, connection: C, activity: &Activity) {
        let mut connection = pin!(connection);
        let end = self.limits.max_age.map(|age| Instant::now() + age);
        let grace = {
            let idle = activity.idle(self.limits.idle_timeout);
            let mut idle = pin!(idle);
            tokio::select! {
                _ = connection.as_mut() => {
                    if activity.asked_too_often() {
                        self.refusals.count(Cause::Pings);
                    }
                    return;
                }
                () = must_go(&mut self.slots, self.epoch) => CLOSING_GRACE.min(self.limits.grace),
                () = &mut idle => self.limits.grace,
                () = at(end) => self.limits.grace,
                () = activity.header_late(self.limits.header_timeout) => {
                    self.refusals.count(Cause::Header);
                    LATE_GRACE
                }
            }
        };
        connection.as_mut().go();
        // A peer that never finishes is cut off.
        let _ = timeout(grace, connection).await;
    }
}

/// Resolves when the listener closes or speaks another encryption.
async fn must_go(slots: &mut watch::Receiver<Slot>, epoch: u64) {
    let gone = |slot: &Slot| match slot {
        Slot::Closed => true,
        Slot::Active(active) => active.epoch != epoch,
        Slot::Empty => false,
    };
    // An error means that the listener is no more.
    let _ = slots.wait_for(gone).await;
}

/// Connections that can be asked to finish.
trait Graceful: Future {
    fn go(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn go(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S> Graceful for http2::Connection<I, S, TokioExecutor>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn go(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn answer(
    mut slots: watch::Receiver<Slot>,
    busy: Busy,
    request: Request<hyper::body::Incoming>,
    peer: Peer,
) -> Result<Response<Answer>, Infallible> {
    let Some(inside) = enter_now(&mut slots).await else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "the server is being replaced or stopped\n", busy));
    };
    let mut request = request.map(Body::from);
    request.extensions_mut().insert(peer);
    let handler = Arc::clone(&inside.0.serving.handler);
    match AssertUnwindSafe(async move { handler.call(request).await }).catch_unwind().await {
        Ok(response) => Ok(response.map(|body| Answer { body, _inside: Some(inside), _busy: busy })),
        Err(_) => Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n", busy)),
    }
}

fn plain(status: StatusCode, text: &'static str, busy: Busy) -> Response<Answer> {
    let mut response = Response::new(Answer { body: text.into(), _inside: None, _busy: busy });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response
}

/// A response's body, which keeps its request counted until it has been sent.
struct Answer {
    body: Body,
    _inside: Option<Inside>,
    _busy: Busy,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
