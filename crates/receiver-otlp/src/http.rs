//! OTLP/HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corten_component::BoxFuture;
use corten_delivery::Arena;
use corten_net::auth::{self, AuthData};
use corten_net::codec::Encoding;
use corten_net::server::Handler;
use corten_net::{Address, Body, BodyError, Peer};
use corten_signal::otlp::{BodyFormat, ErrorStatus, PartialSuccess, SignalKind};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;

use crate::arguments::{Cors, Http};
use crate::ingest::{Ingest, Raw, Room, pace};
use crate::refused::{Cause, Refused};

/// As much of a refused body is read and forgotten: many clients look for the answer only when they have sent all,
/// and a connection closed before would tell them nothing.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Bodies that announce more than this are read into a buffer of their size, which [`Room`] has for them.
const WHOLE_FROM: usize = 64 << 10;

/// An instance's HTTP server.
pub(crate) struct HttpServer {
    pub(crate) args: Http,
    pub(crate) cors: Cors,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) routes: Vec<(SignalKind, String)>,
    pub(crate) listening: Address,
}

impl Handler for HttpServer {
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            if let Some(answer) = self.cors.preflight(&request) {
                return answer;
            }
            let origin = request.headers().get(header::ORIGIN).cloned();
            let mut response = self.answer(request).await;
            if let Some(origin) = origin {
                let asked = HeaderMap::from_iter([(header::ORIGIN, origin)]);
                self.cors.decorate(&asked, response.headers_mut());
            }
            response
        })
    }
}

/// What is known of a request while it is answered.
struct Exchange {
    kind: Option<SignalKind>,
    format: BodyFormat,
    start: Instant,
    /// Bytes of the body as received.
    read: usize,
}

impl HttpServer {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let mut exchange = Exchange {
            kind: None,
            format: format(request.headers()).unwrap_or_default(),
            start: Instant::now(),
            read: 0,
        };
        let response = match self.take(request, &mut exchange).await {
            Ok(kind) => success(kind, exchange.format),
            Err(Answer::Plain(response) | Answer::Counted(response)) => response,
            Err(Answer::Refused(refused)) => {
                if let Some(cause) = refused.cause {
                    self.ingest.meters.rejected(cause);
                }
                error(&refused, exchange.format)
            }
        };
        if let Some(meters) = exchange.kind.and_then(|kind| self.ingest.meters.signal(kind)) {
            let size = response.body().len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
            meters.exchange(response.status().as_str(), exchange.start.elapsed(), exchange.read, size);
        }
        response
    }

    async fn take(&self, request: Request<Body>, exchange: &mut Exchange) -> Result<SignalKind, Answer> {
        let (head, body) = request.into_parts();
        let body = body.paced(pace(self.args.read_timeout));
        match self.admit(&head, exchange).await {
            Ok((kind, auth)) => self.ingest(kind, head, auth, body, exchange).await,
            Err(answer) => {
                body.discard(DISCARD_BYTES, DISCARD_TIME).await;
                if let Answer::Plain(_) = answer {
                    self.ingest.meters.rejected(Cause::Unsupported);
                }
                Err(answer)
            }
        }
    }

    /// All that can be told from the header.
    async fn admit(&self, request: &Parts, exchange: &mut Exchange) -> Result<(SignalKind, AuthData), Answer> {
        if crate::origin::is_rebound(request, &self.listening)
            && !request.headers.get(header::ORIGIN).is_some_and(|origin| self.cors.allows(origin))
        {
            let text = "403 forbidden: pages of this origin may not send; cors.allowed_origins would allow it\n";
            return Err(Answer::Plain(plain(StatusCode::FORBIDDEN, text)));
        }
        let peer = request.extensions.get::<Peer>().cloned().unwrap_or_default();
        let auth = match &self.args.auth {
            None => AuthData::default(),
            Some(handle) => auth::check(handle, &request.headers, &peer).await.map_err(|refused| {
                let mut response = error(&Refused::new(Cause::Unauthenticated, refused.message), exchange.format);
                if let Some(challenge) = refused.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                }
                self.ingest.meters.rejected(Cause::Unauthenticated);
                Answer::Counted(response)
            })?,
        };
        let path = request.uri.path();
        let Some((kind, _)) = self.routes.iter().find(|(_, route)| route == path) else {
            return Err(Answer::Plain(plain(StatusCode::NOT_FOUND, "404 page not found\n")));
        };
        exchange.kind = Some(*kind);
        if request.method != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return Err(Answer::Plain(response));
        }
        if format(&request.headers).is_none() {
            let text = "415 unsupported media type, supported: [application/json, application/x-protobuf]\n";
            return Err(Answer::Plain(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)));
        }
        Ok((*kind, auth))
    }

    async fn ingest(
        &self,
        kind: SignalKind,
        request: Parts,
        auth: AuthData,
        body: Body,
        exchange: &mut Exchange,
    ) -> Result<SignalKind, Answer> {
        let Some(mut room) = self.ingest.room(kind) else { return Err(Refused::broken().into()) };
        let limit = self.args.max_request_body_size.as_usize();
        let (encoding, body) = match self.announced(&request.headers, &body, limit, &mut room) {
            Ok(Some(encoding)) => (encoding, body),
            refused => {
                body.discard(DISCARD_BYTES, DISCARD_TIME).await;
                return Err(refused.err().unwrap_or_else(|| room.refusal()).into());
            }
        };
        let parts = read(body, limit, &mut room, &self.ingest.arena, &mut exchange.read).await?;
        let Some(parts) = parts else { return Err(room.refusal().into()) };
        let raw = Raw { format: exchange.format, encoding, parts, limit, room };
        let Some(batch) = self.ingest.batch(kind, raw, &mut 0).await? else { return Ok(kind) };
        let peer = request.extensions.get::<Peer>().cloned().unwrap_or_default();
        let batch = batch.with_meta(self.ingest.meta(&request.headers, &peer, &auth));
        self.ingest.deliver(kind, batch, self.ingest.deadline).await?;
        Ok(kind)
    }

    /// Encoding and announced length. `None`: there is no room.
    fn announced(
        &self,
        headers: &HeaderMap,
        body: &Body,
        limit: usize,
        room: &mut Room,
    ) -> Result<Option<Encoding>, Refused> {
        let mut names = headers.get_all(header::CONTENT_ENCODING).iter();
        let name = names.next().map_or(Ok(""), HeaderValue::to_str).unwrap_or("?");
        let encoding = Encoding::from_http(name).filter(|known| names.next().is_none() && self.args.accepts(*known));
        let Some(encoding) = encoding else {
            let message = format!("unsupported Content-Encoding: {}", name.escape_debug());
            return Err(Refused::new(Cause::Unsupported, message).with_http(StatusCode::BAD_REQUEST));
        };
        let announced = body.len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        if announced > limit {
            return Err(too_large(limit));
        }
        Ok(room.admit(announced).then_some(encoding))
    }
}

/// An answer that is not success.
enum Answer {
    /// In OTLP's form.
    Refused(Refused),
    /// Plain text, not yet counted.
    Plain(Response<Body>),
    /// Ready and counted.
    Counted(Response<Body>),
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn too_large(limit: usize) -> Refused {
    Refused::new(Cause::TooLarge, format!("the request body is larger than {limit} bytes (max_request_body_size)"))
}

/// Reads a body: a large one whose size is known into one buffer, so that what it came in can be used again, any other in its
/// parts. `None`: there is no room.
async fn read(
    mut body: Body,
    limit: usize,
    room: &mut Room,
    arena: &Arena,
    total: &mut usize,
) -> Result<Option<Vec<Bytes>>, Refused> {
    let mut parts = Vec::new();
    let announced = body.len().and_then(|len| usize::try_from(len).ok()).filter(|len| *len > WHOLE_FROM);
    let mut whole = announced.map(|len| arena.buffer(len));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            BodyError::TooSlow => Refused::new(Cause::Incomplete, error.to_string()),
            _ => Refused::new(Cause::Incomplete, error.to_string()).with_http(StatusCode::BAD_REQUEST),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        *total += data.len();
        if *total > limit {
            body.discard(DISCARD_BYTES, DISCARD_TIME).await;
            return Err(too_large(limit));
        }
        if !room.admit(*total) {
            body.discard(DISCARD_BYTES, DISCARD_TIME).await;
            return Ok(None);
        }
        match &mut whole {
            Some(whole) => whole.extend_from_slice(&data),
            None if data.is_empty() => {}
            None => parts.push(data),
        }
    }
    parts.extend(whole.map(Bytes::from));
    Ok(Some(parts))
}

/// The format that `Content-Type` names, parameters aside.
fn format(headers: &HeaderMap) -> Option<BodyFormat> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let base = value.split(';').next().unwrap_or_default().trim();
    if base.eq_ignore_ascii_case("application/x-protobuf") {
        Some(BodyFormat::Protobuf)
    } else if base.eq_ignore_ascii_case("application/json") {
        Some(BodyFormat::Json)
    } else {
        None
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn success(kind: SignalKind, format: BodyFormat) -> Response<Body> {
    let mut response = Response::new(Body::from(PartialSuccess::default().encode(kind, format)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response
}

fn error(refused: &Refused, format: BodyFormat) -> Response<Body> {
    let status = ErrorStatus {
        code: i32::from(refused.status.code as u8),
        message: refused.status.message.clone(),
        retry_after: refused.status.retry_after,
    };
    let mut response = Response::new(Body::from(status.encode(format)));
    *response.status_mut() = refused.http;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if let Some(after) = refused.status.retry_after {
        // Whole seconds, never too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
