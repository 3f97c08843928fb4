//! Requests: addresses, headers, bodies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corten_component::metrics::Scope;
use corten_component::{BoxFuture, BuildError, Invalid, TRACE_TARGET};
use corten_delivery::{Accepted, Budget, Destination, SendError};
use corten_net::auth::{self, AuthHandle};
use corten_net::client::{ClientMeters, ClientOptions, HttpClient, Proxy, Versions};
use corten_net::codec::{self, Level, encode_aside};
use corten_net::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use corten_net::{Body, http};
use corten_signal::otlp::{Batch, BodyFormat, Form, SignalKind, json};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::answer::{self, ANSWER_LIMIT};
use crate::arguments::{Encoding, OtlpHttpArguments};
use crate::cookies::Jar;

/// `timeout = "0s"` means no limit to some; every wait has one here.
const LONGEST: Duration = Duration::from_secs(3600);

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Corten/", env!("CARGO_PKG_VERSION")));

/// A server that takes OTLP over HTTP.
pub(crate) struct Server {
    client: HttpClient,
    addresses: [Uri; 4],
    headers: HeaderMap,
    auth: Option<AuthHandle>,
    format: BodyFormat,
    encoding: codec::Encoding,
    level: Level,
    budget: Arc<Budget>,
    timeout: Duration,
    connections: Option<Semaphore>,
    cookies: Option<Jar>,
    /// By signal: each may have a server of its own.
    meters: [ClientMeters; 4],
}

fn at(invalid: Invalid) -> BuildError {
    BuildError { message: invalid.message, field: invalid.field, help: invalid.help }
}

/// How long an attempt may take.
pub(crate) fn timeout(args: &OtlpHttpArguments) -> Duration {
    if args.client.timeout.is_zero() { LONGEST } else { args.client.timeout.min(LONGEST) }
}

impl Server {
    /// Reads certificates, opens nothing.
    pub(crate) fn new(args: &OtlpHttpArguments, scope: &Scope, budget: Arc<Budget>) -> Result<Self, BuildError> {
        let block = &args.client;
        let format = match args.encoding {
            Encoding::Proto => BodyFormat::Protobuf,
            Encoding::Json => BodyFormat::Json,
        };
        let encoding = block.encoding().unwrap_or(codec::Encoding::Identity);
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, USER_AGENT);
        for (name, value) in &block.headers {
            let (name, value) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.secret().expose()));
            // Both were checked with the arguments.
            if let (Ok(name), Ok(mut value)) = (name, value) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        if encoding != codec::Encoding::Identity {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.http_name()));
        }
        if block.disable_keep_alives {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let [traces, metrics, logs, profiles] = SignalKind::ALL.map(|kind| args.address(kind).map_err(at));
        let level = block.compression_params.as_ref().and_then(|params| i32::try_from(params.level).ok());
        let addresses = [traces?, metrics?, logs?, profiles?];
        Ok(Self {
            client: client(args)?,
            meters: addresses.each_ref().map(|address| ClientMeters::http(scope, address.host().unwrap_or_default())),
            addresses,
            headers,
            auth: block.auth.clone(),
            format,
            encoding,
            level: level.map_or(Level::Default, Level::Exact),
            budget,
            timeout: timeout(args),
            connections: match usize::try_from(block.max_conns_per_host) {
                Ok(count) if count > 0 => Some(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
                _ => None,
            },
            cookies: block.cookies.enabled.then(Jar::default),
        })
    }

    /// The encoding in which bodies are sent on as they came: only where it is what would be made here.
    pub(crate) fn forwards(&self) -> Option<&'static str> {
        (self.format == BodyFormat::Protobuf && self.level == Level::Default).then(|| self.encoding.http_name())
    }

    /// The body in parts, compressed.
    async fn body(&self, batch: &Batch) -> Result<Vec<Bytes>, SendError> {
        if let Some(encoded) = batch.encoded()
            && Some(encoded.encoding) == self.forwards()
        {
            return Ok(vec![encoded.body.clone()]);
        }
        if self.format == BodyFormat::Protobuf && self.encoding == codec::Encoding::Identity {
            return Ok(batch.rope().chunks().cloned().collect());
        }
        let level = match self.level {
            Level::Default => None,
            Level::Exact(level) => Some(level),
        };
        let form = Form { format: self.format, encoding: self.encoding.http_name(), level };
        Ok(vec![batch.body_as(form, self.make(batch)).await?])
    }

    async fn make(&self, batch: &Batch) -> Result<Bytes, SendError> {
        let parts = match self.format {
            BodyFormat::Protobuf => batch.rope().chunks().cloned().collect(),
            BodyFormat::Json => {
                let (kind, rope) = (batch.kind(), batch.rope().clone());
                let text = tokio::task::spawn_blocking(move || json::encode(kind, &rope));
                let text = text.await.map_err(|_| SendError::failed("writing JSON was given up"))?;
                vec![Bytes::from(text)]
            }
        };
        let body = encode_aside(self.encoding, self.level, parts).await;
        let body = body.map_err(|error| SendError::failed(error.to_string()))?;
        Ok(self.budget.hold(body.into_iter().next().unwrap_or_default()))
    }

    async fn exchange(&self, batch: Batch) -> Result<Accepted, SendError> {
        let kind = batch.kind();
        let address = &self.addresses[kind as usize];
        let body = self.body(&batch).await?;
        let size = body.iter().map(Bytes::len).sum();
        let mut headers = self.headers.clone();
        if let Some(auth) = &self.auth {
            let meta = batch.meta().map(|meta| &**meta);
            auth::apply(auth, &mut headers, meta).await.map_err(|error| {
                // Credentials may be there in a moment: a file not written yet, a component being replaced.
                SendError::Busy { after: None, why: format!("adding credentials: {error}").into() }
            })?;
        }
        if let Some(cookies) = &self.cookies {
            cookies.add(address, &mut headers);
        }
        // Kept until the answer, so that other destinations find it meanwhile.
        let mut request = Request::new(Body::parts(body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = address.clone();
        *request.headers_mut() = headers;
        let _permit = match &self.connections {
            Some(connections) => connections.acquire().await.ok(),
            None => None,
        };
        let start = Instant::now();
        let answer = self.client.send(request, self.timeout, ANSWER_LIMIT).await;
        let (status, read) =
            answer.as_ref().map_or((None, 0), |answer| (Some(answer.status.as_u16()), answer.body.len()));
        self.meters[kind as usize].exchange(status, start.elapsed(), size, read);
        if let (Some(cookies), Ok(answer)) = (&self.cookies, &answer) {
            cookies.keep(address, &answer.headers);
        }
        drop(body);
        answer::read(kind, answer)
    }
}

fn client(args: &OtlpHttpArguments) -> Result<HttpClient, BuildError> {
    let block = &args.client;
    let proxy = match block.proxy_url.as_str() {
        "" => Proxy::None,
        url => Proxy::fixed(url).map_err(|error| BuildError::at("client.proxy_url", error.to_string()))?,
    };
    let count = |number: i64| usize::try_from(number).ok().filter(|number| *number > 0);
    let options = ClientOptions {
        tls: block.tls.clone(),
        versions: if block.force_attempt_http2 { Versions::Negotiated } else { Versions::Http1 },
        proxy,
        connect_timeout: timeout(args).min(ClientOptions::default().connect_timeout),
        idle_timeout: Some(block.idle_conn_timeout).filter(|timeout| !timeout.is_zero()),
        max_idle_per_host: if block.disable_keep_alives {
            0
        } else {
            count(block.max_idle_conns_per_host).or(count(block.max_idle_conns)).unwrap_or(usize::MAX)
        },
        ping_interval: Some(block.http2_read_idle_timeout).filter(|interval| !interval.is_zero()),
        ping_timeout: block.http2_ping_timeout,
        ..ClientOptions::default()
    };
    HttpClient::new(options).map_err(|error| BuildError::at("client.tls", error.to_string()))
}

impl Destination<Batch> for Server {
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SendError>> {
        let span = tracing::info_span!(
            target: TRACE_TARGET, "SendRequest", span_kind = "client", signal = batch.kind().name(),
            items = batch.items(), bytes = batch.len(), failed = tracing::field::Empty,
        );
        let call = async move {
            let answer = self.exchange(batch).await;
            if answer.is_err() {
                tracing::Span::current().record("failed", true);
            }
            answer
        };
        Box::pin(call.instrument(span))
    }

    fn reach(&self, data_type: usize) -> BoxFuture<'_, Option<bool>> {
        Box::pin(async move { self.client.reach(self.addresses.get(data_type)?).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(budget: &Arc<Budget>, level: Option<i64>) -> Server {
        let mut args = OtlpHttpArguments::default();
        args.client.endpoint = "http://127.0.0.1:1".to_owned();
        args.client.compression_params = level.map(|level| crate::arguments::CompressionParams { level });
        Server::new(&args, &Scope::default(), Arc::clone(budget)).unwrap()
    }

    #[tokio::test]
    async fn two_destinations_compress_once_and_what_they_share_is_counted_until_both_are_done() {
        let budget = Budget::new(10);
        let (one, two, other) = (server(&budget, None), server(&budget, None), server(&budget, Some(9)));
        // Large enough to be compressed aside.
        let batch = Batch::new(SignalKind::Logs, Bytes::from(vec![7; 100_000]), 1);
        let clone = batch.clone();
        let (first, second) = tokio::join!(one.body(&batch), two.body(&clone));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!((first[0].as_ptr(), &first), (second[0].as_ptr(), &second));
        assert_eq!(budget.used(), first[0].len(), "beyond the limit, and once");
        let third = other.body(&batch).await.unwrap();
        assert_ne!(third[0].as_ptr(), first[0].as_ptr());
        drop((first, third));
        assert_eq!(budget.used(), second[0].len());
        drop(second);
        assert_eq!(budget.used(), 0);
    }
}
