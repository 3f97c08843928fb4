//! Calls, and what their status means for the data.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corten_component::metrics::Scope;
use corten_component::{BoxFuture, BuildError, TRACE_TARGET};
use corten_delivery::{Accepted, Budget, Destination, SendError};
use corten_net::auth::{self, AuthHandle};
use corten_net::client::{ClientMeters, Failure};
use corten_net::codec::{Encoding, Level, encode_aside};
use corten_net::grpc::{Code, Endpoint, GrpcClient, GrpcOptions, Reply, Status};
use corten_net::http::{HeaderMap, HeaderName, HeaderValue, header};
use corten_signal::otlp::{Batch, BodyFormat, Form, PartialSuccess, SignalKind};
use tracing::Instrument;

use crate::arguments::OtlpArguments;

/// `timeout = "0s"` means no limit to some; every wait has one here.
const LONGEST: Duration = Duration::from_secs(3600);

/// As much of an answer is read as a message needs.
const ANSWER_LIMIT: usize = 64 << 10;

/// As much of a back end's words goes into a log line.
const QUOTE: usize = 512;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Corten/", env!("CARGO_PKG_VERSION")));

/// A server that takes OTLP over gRPC.
pub(crate) struct Server {
    client: GrpcClient,
    headers: HeaderMap,
    auth: Option<AuthHandle>,
    encoding: Encoding,
    budget: Arc<Budget>,
    timeout: Duration,
    /// By signal.
    meters: [ClientMeters; 4],
}

/// How long an attempt may take.
pub(crate) fn timeout(args: &OtlpArguments) -> Duration {
    if args.timeout.is_zero() { LONGEST } else { args.timeout.min(LONGEST) }
}

impl Server {
    /// Reads certificates, opens nothing.
    pub(crate) fn new(args: &OtlpArguments, scope: &Scope, budget: Arc<Budget>) -> Result<Self, BuildError> {
        let block = &args.client;
        let endpoint = Endpoint::parse(&block.endpoint, block.tls.insecure)
            .map_err(|error| BuildError::at("client.endpoint", error.to_string()))?;
        let encoding = block.encoding().unwrap_or(Encoding::Identity);
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, USER_AGENT);
        for (name, value) in &block.headers {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
            // Both were checked with the arguments.
            if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(value.secret().expose())) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let defaults = GrpcOptions::default();
        let keepalive = block.keepalive.clone().unwrap_or_default();
        let some = |time: Duration| Some(time).filter(|time| !time.is_zero());
        let options = GrpcOptions {
            tls: block.tls.clone(),
            authority: Some(block.authority.clone()),
            encoding,
            connect_timeout: timeout(args).min(defaults.connect_timeout),
            ping_interval: some(keepalive.ping_wait),
            ping_timeout: some(keepalive.ping_response_timeout).unwrap_or(defaults.ping_timeout),
            ping_while_idle: keepalive.ping_without_stream,
            wait_for_ready: block.wait_for_ready,
            ..defaults
        };
        let meters = SignalKind::ALL.map(|kind| ClientMeters::rpc(scope, kind.grpc_service()));
        let client =
            GrpcClient::new(endpoint, options).map_err(|error| BuildError::at("client.tls", error.to_string()))?;
        Ok(Self { client, headers, auth: block.auth.clone(), encoding, budget, timeout: timeout(args), meters })
    }

    /// The encoding in which messages are sent on as they came.
    pub(crate) fn forwards(&self) -> Option<&'static str> {
        Some(self.encoding.http_name())
    }

    /// The message in parts, compressed.
    async fn message(&self, batch: &Batch) -> Result<Vec<Bytes>, SendError> {
        let parts = batch.rope().chunks().cloned();
        match batch.encoded() {
            Some(encoded) if Some(encoded.encoding) == self.forwards() => return Ok(vec![encoded.body.clone()]),
            _ if self.encoding == Encoding::Identity => return Ok(parts.collect()),
            _ => {}
        }
        let form = Form { format: BodyFormat::Protobuf, encoding: self.encoding.http_name(), level: None };
        let make = async {
            let message = encode_aside(self.encoding, Level::Default, parts.collect()).await;
            let message = message.map_err(|error| SendError::failed(error.to_string()))?;
            Ok(self.budget.hold(message.into_iter().next().unwrap_or_default()))
        };
        Ok(vec![batch.body_as(form, make).await?])
    }

    async fn call(&self, batch: Batch) -> Result<Accepted, SendError> {
        let kind = batch.kind();
        let message = self.message(&batch).await?;
        let mut headers = self.headers.clone();
        if let Some(auth) = &self.auth {
            let meta = batch.meta().map(|meta| &**meta);
            auth::apply(auth, &mut headers, meta).await.map_err(|error| {
                // Credentials may be there in a moment: a file not written yet, a component being replaced.
                SendError::Busy { after: None, why: format!("adding credentials: {error}").into() }
            })?;
        }
        let start = Instant::now();
        // Kept until the answer, so that other destinations find it meanwhile.
        let sent = message.clone();
        let answer = self.client.unary(kind.grpc_path(), headers, sent, true, self.timeout, ANSWER_LIMIT).await;
        drop(message);
        let (code, size) =
            answer.as_ref().map_or_else(|status| (status.code, 0), |reply| (Code::Ok, reply.message.len()));
        self.meters[kind as usize].exchange(Some(code as u16), start.elapsed(), batch.len(), size);
        match answer {
            Ok(reply) => Ok(accepted(kind, &reply)),
            Err(status) => Err(refused(&status)),
        }
    }
}

/// Data that was taken stays taken, whatever the rest of the answer looks like.
fn accepted(kind: SignalKind, reply: &Reply) -> Accepted {
    match PartialSuccess::decode(kind, BodyFormat::Protobuf, &reply.message) {
        Some(partial) => Accepted { rejected: partial.rejected, message: quote(&partial.message) },
        None => Accepted { rejected: 0, message: "the answer is not an OTLP response".to_owned() },
    }
}

fn refused(status: &Status) -> SendError {
    let why = format!("{}: {}", status.code.name(), quote(&status.message)).into();
    if status.is_retryable() {
        return match (status.code, status.failure) {
            (_, Some(Failure::Connect | Failure::Transport)) => SendError::Unreachable { why },
            // Nobody who can: everything else for this server would meet the same.
            (Code::Unavailable | Code::DeadlineExceeded, _) if status.retry_after.is_none() => {
                SendError::Silent { why }
            }
            _ => SendError::Busy { after: status.retry_after, why },
        };
    }
    match status.code {
        // What gRPC's libraries say of a message above the server's limit.
        Code::ResourceExhausted if status.message.contains("larger than max") => SendError::TooLarge { why },
        code => SendError::Rejected { divisible: code == Code::InvalidArgument, why },
    }
}

/// Printable, and no longer than a line should be.
fn quote(words: &str) -> String {
    let mut quoted: String = words.chars().take(QUOTE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if words.chars().nth(QUOTE).is_some() {
        quoted.push('…');
    }
    quoted
}

impl Destination<Batch> for Server {
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SendError>> {
        let span = tracing::info_span!(
            target: TRACE_TARGET, "SendRequest", span_kind = "client", signal = batch.kind().name(),
            items = batch.items(), bytes = batch.len(), failed = tracing::field::Empty,
        );
        let call = async move {
            let answer = self.call(batch).await;
            if answer.is_err() {
                tracing::Span::current().record("failed", true);
            }
            answer
        };
        Box::pin(call.instrument(span))
    }

    fn reach(&self, _data_type: usize) -> BoxFuture<'_, Option<bool>> {
        Box::pin(self.client.reach())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_six_codes_are_tried_again_and_one_more_with_a_time() {
        for number in 1..=16 {
            let code = Code::from_number(number);
            let error = refused(&Status::new(code, "x"));
            let expected = [1, 4, 10, 11, 14, 15].contains(&number);
            assert_eq!(error.is_retryable(), expected, "{code:?}");
        }
        let after = Some(Duration::from_secs(3));
        let error = refused(&Status::new(Code::ResourceExhausted, "x").with_retry_after(after));
        assert_eq!(error, SendError::Busy { after, why: "RESOURCE_EXHAUSTED: x".into() });
    }

    #[test]
    fn a_server_that_answers_is_not_one_that_is_away() {
        let away = |failure| Status { failure: Some(failure), ..Status::new(Code::Unavailable, "x") };
        assert!(matches!(refused(&away(Failure::Connect)), SendError::Unreachable { .. }));
        assert!(matches!(refused(&away(Failure::Transport)), SendError::Unreachable { .. }));
        assert!(matches!(refused(&Status::new(Code::Unavailable, "x")), SendError::Silent { .. }));
        let late = Status { failure: Some(Failure::Timeout), ..Status::new(Code::DeadlineExceeded, "x") };
        assert!(matches!(refused(&late), SendError::Silent { .. }));
    }

    #[test]
    fn what_can_be_divided_is_told_apart() {
        let error = |code, message| refused(&Status::new(code, message));
        assert!(matches!(error(Code::InvalidArgument, ""), SendError::Rejected { divisible: true, .. }));
        assert!(matches!(error(Code::Unimplemented, ""), SendError::Rejected { divisible: false, .. }));
        let message = "grpc: received message larger than max (5000000 vs. 4194304)";
        assert!(matches!(error(Code::ResourceExhausted, message), SendError::TooLarge { .. }));
        assert!(matches!(error(Code::ResourceExhausted, "quota"), SendError::Rejected { divisible: false, .. }));
    }
}
