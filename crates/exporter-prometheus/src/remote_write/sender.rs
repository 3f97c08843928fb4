//! Sends requests, again and again if need be, and says what became of their samples.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use corten_component::{BuildError, TRACE_TARGET};
use corten_delivery::log::Log;
use corten_net::client::{ConfiguredClient, Outgoing};
use corten_net::codec::{Encoding, Level, encode_aside};
use corten_net::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

use super::answer::{self, ANSWER_LIMIT, Verdict};
use super::arguments::{Endpoint, Protocol};
use super::batch::{Batch, Counts};
use super::faults::Faults;
use super::ledger::{Ledger, Reason};
use super::metrics::{DroppedMetrics, EndpointMetrics};
use super::scaling::Scaling;
use super::sigv4::Signer;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Corten/", env!("CARGO_PKG_VERSION")));

/// The kind of the records in an endpoint's log; the same number as other logs give to metrics.
pub(super) const KIND: u8 = 1;

/// After the process has ended without a chance to finish, some requests are made a second time, and a server may
/// refuse all of one for the few samples that it has already. So many times such a request is divided.
const DIVISIONS: u32 = 256;

/// One line in the log about refusals in this time.
const QUIET: Duration = Duration::from_secs(10);

/// What the tasks of an endpoint share.
pub(super) struct Sender {
    pub(super) args: Endpoint,
    pub(super) metrics: EndpointMetrics,
    pub(super) ledger: Ledger,
    pub(super) scaling: Scaling,
    pub(super) log: OnceLock<Arc<Log>>,
    /// Bytes of requests in memory, and who waits for less of them.
    pub(super) memory: AtomicUsize,
    pub(super) space: Notify,
    client: ConfiguredClient,
    address: Uri,
    is_http: bool,
    headers: HeaderMap,
    signer: Option<Signer>,
    dropped: [DroppedMetrics; Reason::READ_BACK.len()],
    faults: Faults,
    /// The server does not know 2.0.
    downgraded: AtomicBool,
    divisions: AtomicU32,
    /// What is not taken at once stays on disk.
    pub(super) stopping: AtomicBool,
    refusals: Mutex<(Option<Instant>, u64)>,
}

pub(super) struct Parts {
    pub(super) metrics: EndpointMetrics,
    pub(super) ledger: Ledger,
    pub(super) dropped: [DroppedMetrics; Reason::READ_BACK.len()],
    pub(super) faults: Faults,
    /// How often it is asked how many shards there should be.
    pub(super) look_every: Duration,
}

/// What is sent with, made of the arguments alone.
pub(super) struct Connection {
    client: ConfiguredClient,
    address: Uri,
    headers: HeaderMap,
    signer: Option<Signer>,
}

impl Connection {
    /// Reads certificates, opens nothing.
    pub(super) fn new(args: &Endpoint) -> Result<Self, BuildError> {
        let at = |message: String| BuildError::at("endpoint", message);
        let client = ConfiguredClient::with(&args.http, args.round_robin_dns).map_err(|error| at(error.message))?;
        let address = args.address().map_err(|invalid| at(invalid.message))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &args.headers {
            let (name, value) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
            // Both were checked with the arguments.
            if let (Ok(name), Ok(mut value)) = (name, value) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let variable = |name: &str| std::env::var(name).ok();
        let signer = args.sigv4.as_ref().map(|block| Signer::new(block, variable)).transpose()?;
        Ok(Self { client, address, headers, signer })
    }
}

impl Sender {
    pub(super) fn new(args: Endpoint, connection: Connection, parts: Parts) -> Self {
        let Connection { client, address, headers, signer } = connection;
        let Parts { metrics, ledger, dropped, faults, look_every } = parts;
        Self {
            is_http: args.is_http(),
            args,
            metrics,
            ledger,
            scaling: Scaling::every(look_every),
            log: OnceLock::new(),
            memory: AtomicUsize::new(0),
            space: Notify::new(),
            client,
            address,
            headers,
            signer,
            dropped,
            faults,
            downgraded: AtomicBool::new(false),
            divisions: AtomicU32::new(DIVISIONS),
            stopping: AtomicBool::new(false),
            refusals: Mutex::default(),
        }
    }

    /// The version that the server understands, as far as is known.
    pub(super) fn protocol(&self) -> Protocol {
        if self.downgraded.load(Ordering::Relaxed) { Protocol::V1 } else { self.args.protobuf_message }
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The time before which samples are too old, in milliseconds since 1970.
    pub(super) fn oldest(&self) -> Option<i64> {
        let limit = self.args.queue_config.sample_age_limit;
        if limit.is_zero() {
            return None;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(i64::try_from(since.saturating_sub(limit).as_millis()).unwrap_or(i64::MAX))
    }

    /// A row that was read back is not sent.
    pub(super) fn drop_rows(&self, seq: u64, counts: Counts, reason: Reason) {
        if let Some(metrics) = self.dropped.get(reason as usize) {
            metrics.count(counts);
        }
        if self.ledger.drop_rows(seq, counts.rows(), reason) {
            self.settle(seq);
        }
    }

    /// All rows of a record are done.
    pub(super) fn settle(&self, seq: u64) {
        if let Some(log) = self.log.get() {
            log.settle(0, KIND, seq..seq + 1);
        }
    }

    /// Sends a request until it is taken or refused for good, or nothing of it is young enough. Breaks if the endpoint
    /// is to stop and the server does not take it: then it stays on disk, with all that comes behind it.
    pub(super) async fn deliver(&self, batch: Batch) -> ControlFlow<()> {
        let begun = Instant::now();
        let mut parts = VecDeque::from([batch]);
        while let Some(mut part) = parts.pop_front() {
            let (counts, highest) = (part.counts(), part.highest());
            self.until_answered(&mut part, &mut parts).await?;
            let seconds = highest.map_or(0.0, |highest| highest as f64 / 1000.0);
            self.scaling.sent(counts.rows() + counts.exemplars, begun.elapsed(), seconds);
        }
        ControlFlow::Continue(())
    }

    async fn until_answered(&self, batch: &mut Batch, parts: &mut VecDeque<Batch>) -> ControlFlow<()> {
        const DONE: ControlFlow<()> = ControlFlow::Continue(());
        let queue = &self.args.queue_config;
        let (mut backoff, mut attempt, mut body) = (queue.min_backoff, 0, None);
        loop {
            if let Some(old) = self.oldest().and_then(|oldest| batch.take_older(oldest)) {
                self.drop_batch(&old, Reason::TooOld);
                body = None;
            }
            if batch.is_empty() {
                return DONE;
            }
            if self.protocol() == Protocol::V1 && batch.protocol() == Protocol::V2 {
                batch.downgrade();
                body = None;
            }
            let sent = match &body {
                Some(body) => Bytes::clone(body),
                None => match compress(batch.body()).await {
                    Ok(new) => body.insert(new).clone(),
                    Err(why) => {
                        self.finish(batch, Counts::default(), Some(format!("a request cannot be compressed: {why}")));
                        return DONE;
                    }
                },
            };
            let counts = batch.counts();
            if attempt > 0 {
                self.metrics.retried(counts);
            }
            self.metrics.attempted(counts);
            let size = sent.len() as u64;
            match self.attempt(sent, batch.protocol(), counts, attempt).await {
                Verdict::Taken(written) => {
                    self.took(size, batch);
                    self.finish(batch, written, None);
                    return DONE;
                }
                Verdict::Unknown(why) => {
                    if !self.downgraded.swap(true, Ordering::Relaxed) {
                        tracing::warn!(endpoint = self.faults.name(), %why, "the server does not know remote write 2.0; from now on it gets 1.0");
                    }
                }
                Verdict::Refused { written, divisible, why } => {
                    if divisible
                        && batch.replayed
                        && self.may_divide()
                        && let Some(halves) = batch.halves()
                    {
                        halves.into_iter().rev().for_each(|half| parts.push_front(half));
                        return DONE;
                    }
                    self.took(size, batch);
                    self.finish(batch, written, Some(why));
                    return DONE;
                }
                Verdict::Again { after, why } => {
                    let pause = after.unwrap_or(backoff);
                    self.faults.set(Some(why));
                    if self.stopping.load(Ordering::Relaxed) {
                        return ControlFlow::Break(());
                    }
                    self.scaling.hold(pause);
                    tokio::time::sleep(pause).await;
                    backoff = (pause * 2).min(queue.max_backoff);
                }
            }
            attempt += 1;
        }
    }

    /// An answer came that ends a request.
    fn took(&self, bytes: u64, batch: &Batch) {
        self.faults.set(None);
        self.metrics.bytes.add(bytes);
        let highest = batch.highest().unwrap_or_default() as f64 / 1000.0;
        if highest > self.metrics.highest_sent.get() {
            self.metrics.highest_sent.set(highest.floor());
        }
    }

    fn may_divide(&self) -> bool {
        let take = |left: u32| left.checked_sub(1);
        self.divisions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// One exchange with the server.
    async fn attempt(&self, body: Bytes, protocol: Protocol, counts: Counts, attempt: u32) -> Verdict {
        let span = tracing::info_span!(
            target: TRACE_TARGET, "SendRequest", span_kind = "client", signal = "samples",
            items = counts.rows(), bytes = body.len(), failed = tracing::field::Empty,
        );
        if !self.is_http {
            let why = format!("{:?} is not a scheme to send with", self.address.scheme_str().unwrap_or_default());
            return Verdict::Again { after: None, why };
        }
        let call = async {
            let answer = self.exchange(body, protocol, attempt).await;
            let verdict = answer::read(answer, protocol, counts, self.args.queue_config.retry_on_http_429);
            if !matches!(verdict, Verdict::Taken(_)) {
                tracing::Span::current().record("failed", true);
            }
            verdict
        };
        call.instrument(span).await
    }

    async fn exchange(
        &self,
        body: Bytes,
        protocol: Protocol,
        attempt: u32,
    ) -> Result<corten_net::client::Answer, corten_net::client::ClientError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.extend(self.headers.clone());
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        let (kind, version) = match protocol {
            Protocol::V1 => ("application/x-protobuf", "0.1.0"),
            Protocol::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static(version));
        if attempt > 0 {
            headers.insert("retry-attempt", HeaderValue::from(attempt));
        }
        if let Some(signer) = &self.signer {
            signer.sign(&self.address, &mut headers, &body);
        }
        let request = Outgoing { method: Method::POST, uri: self.address.clone(), headers, body };
        let begun = Instant::now();
        let answer = self.client.send(request, self.args.remote_timeout, ANSWER_LIMIT).await;
        self.metrics.duration.observe(begun.elapsed().as_secs_f64());
        answer
    }

    /// Sends families' metadata (1.0), until it is taken or refused for good.
    pub(super) async fn deliver_metadata(&self, body: Vec<u8>, families: u64) {
        let Ok(body) = compress(vec![body.into()]).await else { return };
        let counts = Counts { metadata: families, ..Counts::default() };
        let (mut backoff, mut attempt) = (self.args.queue_config.min_backoff, 0);
        loop {
            match self.attempt(body.clone(), Protocol::V1, counts, attempt).await {
                Verdict::Again { after, why } => {
                    let pause = after.unwrap_or(backoff);
                    self.faults.set(Some(why));
                    tokio::time::sleep(pause).await;
                    self.metrics.metadata_retried.add(families);
                    backoff = (pause * 2).min(self.args.queue_config.max_backoff);
                    attempt += 1;
                }
                Verdict::Taken(_) => {
                    self.metrics.metadata.add(families);
                    self.metrics.metadata_bytes.add(body.len() as u64);
                    return;
                }
                Verdict::Refused { why, .. } | Verdict::Unknown(why) => {
                    self.metrics.metadata_failed.add(families);
                    tracing::error!(endpoint = self.faults.name(), families, %why, "metadata was refused");
                    return;
                }
            }
        }
    }

    fn drop_batch(&self, batch: &Batch, reason: Reason) {
        self.metrics.pending(batch.counts(), -1.0);
        if let Some(metrics) = self.dropped.get(reason as usize) {
            metrics.count(batch.counts());
        }
        for (seq, rows) in batch.records() {
            if self.ledger.drop_rows(seq, rows, reason) {
                self.settle(seq);
            }
        }
    }

    /// The end of a request: so much was written, the rest will never be.
    fn finish(&self, batch: &Batch, written: Counts, why: Option<String>) {
        let counts = batch.counts();
        self.metrics.pending(counts, -1.0);
        let missing = Counts {
            samples: counts.samples.saturating_sub(written.samples),
            histograms: counts.histograms.saturating_sub(written.histograms),
            exemplars: counts.exemplars.saturating_sub(written.exemplars),
            metadata: 0,
        };
        self.metrics.failed(missing);
        // Which of the rows were written is not known, only how many.
        let mut delivered = written.rows();
        for (seq, rows) in batch.records() {
            let here = delivered.min(rows);
            delivered -= here;
            if self.ledger.done(seq, here, rows - here) {
                self.settle(seq);
            }
        }
        if missing.rows() > 0 || why.is_some() {
            self.tell(missing.rows(), why.as_deref().unwrap_or("the server says that it has written fewer"));
        }
    }

    /// Says what was refused, now and then.
    fn tell(&self, samples: u64, why: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.1 += samples;
        if refusals.0.is_none_or(|last| last.elapsed() >= QUIET) {
            tracing::error!(endpoint = self.faults.name(), samples = refusals.1, why, "samples were refused for good");
            *refusals = (Some(Instant::now()), 0);
        }
    }
}

async fn compress(parts: Vec<Bytes>) -> Result<Bytes, String> {
    let parts = encode_aside(Encoding::Snappy, Level::Default, parts).await.map_err(|error| error.to_string())?;
    parts.into_iter().next().ok_or_else(|| "nothing came of it".to_owned())
}
