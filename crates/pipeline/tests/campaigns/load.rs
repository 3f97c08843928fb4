//! Clients that number what they send and do not give up, and the book of what they were told.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corten_signal::otlp::SignalKind;
use corten_testkit::{Protocol, Sender, Sink, data, eventually};
use prost::Message;
use tokio::task::JoinHandle;

/// Before a client sends again what was refused or broke.
const AGAIN: Duration = Duration::from_millis(10);

/// What was sent, and what was said of it.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) sent: BTreeSet<String>,
    pub(crate) safe: BTreeSet<String>,
    /// Spans of requests that broke without an answer and were sent again: they may have been taken both times.
    pub(crate) doubtful: usize,
    /// Requests that were answered with "try again".
    pub(crate) refused: usize,
    /// How long each acknowledgement took.
    pub(crate) answers: Vec<Duration>,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) clients: usize,
    /// Spans a request: one to so many.
    pub(crate) spans: usize,
    /// Bytes of a span; every fiftieth request is large.
    pub(crate) bytes: usize,
    pub(crate) large: usize,
    /// Between two requests of a client.
    pub(crate) pause: Duration,
}

impl Default for Shape {
    fn default() -> Self {
        Self { clients: 4, spans: 1, bytes: 300, large: 100_000, pause: Duration::ZERO }
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
}

/// Load that is under way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Book>>,
}

impl Load {
    /// Starts the clients. Their spans are called `TAG-CLIENT-NUMBER.PART`.
    pub(crate) fn start(door: SocketAddr, tag: &str, shape: Shape) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |client| {
            let name = format!("{tag}-{client}");
            tokio::spawn(run(door, name, shape, Arc::clone(&shared)))
        };
        Self { clients: (0..shape.clients).map(client).collect(), shared }
    }

    /// Requests acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until so many more requests have been acknowledged.
    pub(crate) fn more(&self, requests: usize) {
        let until = self.acknowledged() + requests;
        tokio::task::block_in_place(|| {
            eventually("more acknowledgements", || (self.acknowledged() >= until).then_some(()));
        });
    }

    /// Ends it: each client hears of what it has sent, as long as the collector runs.
    pub(crate) async fn finish(self) -> Book {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut all = Book::default();
        for client in self.clients {
            all.add(client.await.expect("a client"));
        }
        all
    }
}

async fn run(door: SocketAddr, name: String, shape: Shape, shared: Arc<Shared>) -> Book {
    let mut sender = Sender::new(door, Protocol::Http1);
    let mut book = Book::default();
    let mut number = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        number += 1;
        let size = if number % 50 == 0 { shape.large } else { shape.bytes };
        let names: Vec<String> = (0..1 + number % shape.spans).map(|part| format!("{name}-{number}.{part}")).collect();
        let body = data::traces(names.iter().cloned(), size).encode_to_vec();
        book.sent.extend(names.iter().cloned());
        loop {
            let asked = Instant::now();
            match sender.send(SignalKind::Traces, body.clone()).await {
                Ok(answer) if answer.is_success() => {
                    book.answers.push(asked.elapsed());
                    book.safe.extend(names);
                    shared.acknowledged.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Ok(answer) if matches!(answer.status, 429 | 503) => {
                    book.refused += 1;
                }
                Ok(answer) => panic!("{name}-{number} was answered with {answer:?}"),
                Err(error) if error.starts_with("connect") => {}
                Err(_) => book.doubtful += names.len(),
            }
            if shared.stop.load(Ordering::SeqCst) {
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        if !shape.pause.is_zero() {
            tokio::time::sleep(shape.pause).await;
        }
    }
    book
}

/// What a set comparison found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) twice: usize,
}

impl Book {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent.extend(other.sent);
        self.safe.extend(other.safe);
        self.doubtful += other.doubtful;
        self.refused += other.refused;
        self.answers.extend(other.answers);
    }

    /// Waits for all that was acknowledged, or for a minute: what is missing then the comparison says.
    pub(crate) fn arrive(&self, sinks: &[&Sink]) {
        let until = Instant::now() + Duration::from_secs(55);
        let has = |sink: &&Sink| sink.with_span_names(|names| self.safe.iter().all(|name| names.contains_key(name)));
        let all = || (sinks.iter().all(has) || Instant::now() > until).then_some(());
        tokio::task::block_in_place(|| eventually("what was acknowledged", all));
    }

    /// Compares with what a back end has: nothing that is safe may be missing, nothing there that was not sent, and
    /// no more twice than `may_repeat` and what clients sent twice.
    pub(crate) fn compare(&self, arrived: &HashMap<String, usize>, may_repeat: usize, what: &str) -> Found {
        let missing: Vec<_> = self.safe.iter().filter(|name| !arrived.contains_key(*name)).collect();
        let (lost, safe) = (missing.len(), self.safe.len());
        let some: Vec<_> = missing.into_iter().take(20).collect();
        assert!(lost == 0, "{what}: {lost} of {safe} that were acknowledged are lost: {some:?}");
        let foreign: Vec<_> = arrived.keys().filter(|name| !self.sent.contains(*name)).take(20).collect();
        assert!(foreign.is_empty(), "{what}: never sent: {foreign:?}");
        let twice: usize = arrived.values().map(|count| count - 1).sum();
        let may = may_repeat + self.doubtful;
        assert!(twice <= may, "{what}: {twice} came twice, {may} may");
        Found { twice }
    }

    /// The time within which 99 of 100 acknowledgements came.
    pub(crate) fn p99(&self) -> Duration {
        let mut sorted = self.answers.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sent, safe) = (self.sent.len(), self.safe.len());
        write!(f, "{safe} of {sent} spans acknowledged, {} requests refused, ", self.refused)?;
        write!(f, "{} spans sent again without an answer", self.doubtful)
    }
}

/// What threads of a test share.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
