//! The thread that writes a log, and its handle.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::core::{Backlog, Core, Evicted};
use super::disk::{Directory, Disk};
use super::format::{KINDS, Record};
use super::options::{Options, WhenFull};
use super::read::Read;
use super::report::{AppendError, OpenError, Report};

/// So much is written at once; what has come besides waits for the next sync.
const GROUP_BYTES: usize = 4 << 20;

/// How long a power cut may forget what has been settled. The end of the process forgets none of it.
const SYNC_CURSORS_AFTER: Duration = Duration::from_secs(1);

/// What became of a record.
#[derive(Debug)]
pub struct Appended {
    /// Its sequence number within its kind, once it is safe.
    pub result: Result<u64, AppendError>,
    /// What had to go to make room.
    pub evicted: Vec<Evicted>,
}

/// A part of what waits for a destination.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Records with their sequence numbers, in order.
    pub records: Vec<(u64, Record)>,
    /// The destinations that wait for each of them.
    pub waiting: Vec<Vec<usize>>,
    /// The number to ask for next.
    pub next: u64,
    /// Whether nothing was behind it at that time.
    pub at_end: bool,
    /// Whether a segment could not be opened for the time being: ask again.
    pub failed: bool,
}

/// What a log held when it was opened.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What is there, and what is not any more.
    pub report: Report,
    /// What waits, for each destination in the order in which they were named, by kind.
    pub backlogs: Vec<[Backlog; KINDS]>,
    /// The numbers after all records that it held, by kind.
    pub next: [u64; KINDS],
}

type Done = Box<dyn FnOnce(Appended) + Send>;

struct Write {
    record: Record,
    done: Done,
}

struct Reading {
    destination: Option<usize>,
    kind: u8,
    from: u64,
    max: usize,
    done: Box<dyn FnOnce(Chunk) + Send>,
}

/// New destinations, and who waits for their places.
type Assign = (Vec<String>, oneshot::Sender<Result<Vec<usize>, OpenError>>);

#[derive(Default)]
struct Inbox {
    writes: VecDeque<Write>,
    settled: Vec<(usize, u8, Range<u64>)>,
    reads: Vec<Reading>,
    flushes: Vec<oneshot::Sender<()>>,
    counts: Vec<oneshot::Sender<io::Result<Vec<[Backlog; KINDS]>>>>,
    assigns: Vec<Assign>,
    /// What was asked for last, until the thread has seen it, and for good.
    options: Option<Options>,
    current: Options,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    used: AtomicU64,
    syncs: AtomicU64,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log and the thread that writes it. The log is closed, and its directory free, soon after the last handle goes.
pub struct Log {
    shared: Arc<Shared>,
    found: Found,
    /// How far what it held when it was opened has been replayed.
    replayed: Arc<tokio::sync::Mutex<[u64; KINDS]>>,
}

impl Log {
    /// Opens the log in a directory, which is made where it is missing. Reads everything in it once, on a thread of
    /// its own.
    ///
    /// # Errors
    /// See [`OpenError`]. Damage is none.
    pub async fn open(directory: &Path, options: Options, destinations: &[&str]) -> Result<Self, OpenError> {
        let directory = directory.to_owned();
        let open = move || match Directory::create(&directory) {
            Ok(disk) => Ok(Arc::new(disk) as Arc<dyn Disk>),
            Err(error) => Err(OpenError::io(directory, error)),
        };
        Self::open_on(open, options, destinations).await
    }

    pub(crate) async fn open_on(
        disk: impl FnOnce() -> Result<Arc<dyn Disk>, OpenError> + Send + 'static,
        options: Options,
        destinations: &[&str],
    ) -> Result<Self, OpenError> {
        let destinations: Vec<String> = destinations.iter().map(|name| (*name).to_owned()).collect();
        let shared = Arc::new(Shared::default());
        shared.inbox().current = options.clone();
        let (opened, answer) = oneshot::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            move || {
                let names: Vec<&str> = destinations.iter().map(String::as_str).collect();
                let core = match disk().and_then(|disk| Core::open(disk, options, &names)) {
                    Ok((core, report, backlogs)) => {
                        shared.used.store(core.used(), Ordering::Relaxed);
                        let next = core.opened;
                        if opened.send(Ok(Found { report, backlogs, next })).is_err() {
                            return;
                        }
                        core
                    }
                    Err(error) => {
                        let _ = opened.send(Err(error));
                        return;
                    }
                };
                serve(&shared, core);
            }
        };
        let failed = |why: &str| OpenError::Io { path: Path::new("buffer").to_owned(), why: why.to_owned() };
        std::thread::Builder::new()
            .name("corten-log".to_owned())
            .spawn(thread)
            .map_err(|error| failed(&error.to_string()))?;
        let found = answer.await.map_err(|_| failed("the thread ended"))??;
        Ok(Self { shared, found, replayed: Arc::default() })
    }

    /// What it held when it was opened.
    pub fn found(&self) -> &Found {
        &self.found
    }

    pub(crate) fn replayed(&self) -> &Arc<tokio::sync::Mutex<[u64; KINDS]>> {
        &self.replayed
    }

    /// Bytes of all segments on disk.
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// How often records were written together so far.
    pub fn groups(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Writes a record. `done` is called on the log's thread once it is safe or has failed, in the order of the
    /// calls; it must not block.
    pub fn append_then(&self, record: Record, done: impl FnOnce(Appended) + Send + 'static) {
        let mut inbox = self.shared.inbox();
        if inbox.closed {
            drop(inbox);
            return done(Appended { result: Err(AppendError::Closed), evicted: Vec::new() });
        }
        inbox.writes.push_back(Write { record, done: Box::new(done) });
        drop(inbox);
        self.shared.wake.notify_one();
    }

    /// Writes a record and waits until it is safe. Giving up waiting changes nothing.
    pub async fn append(&self, record: Record) -> Appended {
        let (done, answer) = oneshot::channel();
        self.append_then(record, |appended| {
            let _ = done.send(appended);
        });
        answer.await.unwrap_or(Appended { result: Err(AppendError::Closed), evicted: Vec::new() })
    }

    /// A destination is done with the records of these numbers. Never waits.
    pub fn settle(&self, destination: usize, kind: u8, seqs: Range<u64>) {
        if seqs.is_empty() {
            return;
        }
        self.shared.inbox().settled.push((destination, kind, seqs));
        self.shared.wake.notify_one();
    }

    /// Reads what a destination has not settled of a kind, from a number on: about `max` bytes, at least one record.
    /// `done` is called on the log's thread; what was appended before has been answered by then.
    pub fn read_then(
        &self,
        destination: usize,
        kind: u8,
        from: u64,
        max: usize,
        done: impl FnOnce(Chunk) + Send + 'static,
    ) {
        self.ask(Reading { destination: Some(destination), kind, from, max, done: Box::new(done) });
    }

    fn ask(&self, reading: Reading) {
        self.shared.inbox().reads.push(reading);
        self.shared.wake.notify_one();
    }

    /// Reads what any destination has not settled.
    pub async fn read_any(&self, kind: u8, from: u64, max: usize) -> Chunk {
        let (done, answer) = oneshot::channel();
        let done = Box::new(move |chunk| {
            let _ = done.send(chunk);
        });
        self.ask(Reading { destination: None, kind, from, max, done });
        answer.await.unwrap_or_default()
    }

    /// Keeps the log for these destinations from now on, instead of those that it was opened for. Returns their places.
    /// One that it does not know gets what comes from now on; for one that is not named any more nothing is kept.
    ///
    /// # Errors
    /// The file of a new destination cannot be made, or that of a known one not be read.
    pub async fn assign(&self, destinations: &[String]) -> Result<Vec<usize>, OpenError> {
        let (done, answer) = oneshot::channel();
        self.shared.inbox().assigns.push((destinations.to_vec(), done));
        self.shared.wake.notify_one();
        let gone = || OpenError::Io { path: Path::new("buffer").to_owned(), why: "the thread ended".to_owned() };
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The same as a future.
    pub async fn read(&self, destination: usize, kind: u8, from: u64, max: usize) -> Chunk {
        let (done, answer) = oneshot::channel();
        self.read_then(destination, kind, from, max, |chunk| {
            let _ = done.send(chunk);
        });
        answer.await.unwrap_or_default()
    }

    /// What waits now, for each destination, by kind. Reads everything once.
    ///
    /// # Errors
    /// A segment cannot be opened for the time being.
    pub async fn backlogs(&self) -> io::Result<Vec<[Backlog; KINDS]>> {
        let (done, answer) = oneshot::channel();
        self.shared.inbox().counts.push(done);
        self.shared.wake.notify_one();
        answer.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// Waits until everything that was settled is on the disk, so that none of it is delivered again.
    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        self.shared.inbox().flushes.push(done);
        self.shared.wake.notify_one();
        let _ = answer.await;
    }

    /// Changes how it behaves from the next write on; what happens when it is full stays as it is.
    pub fn set_options(&self, options: Options) {
        let when_full = self.when_full();
        self.change(Options { when_full, ..options });
    }

    /// Changes what happens when it is full.
    pub fn set_when_full(&self, when_full: WhenFull) {
        let options = self.shared.inbox().current.clone();
        self.change(Options { when_full, ..options });
    }

    fn when_full(&self) -> WhenFull {
        self.shared.inbox().current.when_full
    }

    fn change(&self, options: Options) {
        let mut inbox = self.shared.inbox();
        inbox.current = options.clone();
        inbox.options = Some(options);
        drop(inbox);
        self.shared.wake.notify_one();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.inbox().closed = true;
        self.shared.wake.notify_one();
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("used", &self.used()).finish_non_exhaustive()
    }
}

/// What there is to do now.
struct Work {
    writes: Vec<Write>,
    settled: Vec<(usize, u8, Range<u64>)>,
    reads: Vec<Reading>,
    flushes: Vec<oneshot::Sender<()>>,
    counts: Vec<oneshot::Sender<io::Result<Vec<[Backlog; KINDS]>>>>,
    assigns: Vec<Assign>,
    options: Option<Options>,
    closed: bool,
}

/// Waits for work, until `due` at most.
fn next(shared: &Shared, due: Option<Instant>) -> Work {
    let mut inbox = shared.inbox();
    loop {
        let idle = inbox.writes.is_empty()
            && inbox.settled.is_empty()
            && inbox.reads.is_empty()
            && inbox.flushes.is_empty()
            && inbox.counts.is_empty()
            && inbox.assigns.is_empty()
            && inbox.options.is_none()
            && !inbox.closed;
        let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
        if !idle || wait.is_some_and(|wait| wait.is_zero()) {
            break;
        }
        inbox = match wait {
            Some(wait) => shared.wake.wait_timeout(inbox, wait).unwrap_or_else(PoisonError::into_inner).0,
            None => shared.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner),
        };
    }
    let mut bytes = 0;
    let fits = |write: &&Write| {
        bytes += write.record.stored_len();
        bytes <= GROUP_BYTES
    };
    let count = inbox.writes.iter().take_while(fits).count().max(1).min(inbox.writes.len());
    let all = count == inbox.writes.len();
    Work {
        writes: inbox.writes.drain(..count).collect(),
        settled: std::mem::take(&mut inbox.settled),
        // What was appended before a read is answered before it.
        reads: if all { std::mem::take(&mut inbox.reads) } else { Vec::new() },
        flushes: std::mem::take(&mut inbox.flushes),
        counts: if all { std::mem::take(&mut inbox.counts) } else { Vec::new() },
        assigns: std::mem::take(&mut inbox.assigns),
        options: inbox.options.take(),
        closed: inbox.closed && all,
    }
}

fn serve(shared: &Shared, mut core: Core) {
    let mut due: Option<Instant> = None;
    loop {
        let work = next(shared, due);
        if let Some(options) = work.options {
            *core.options_mut() = options;
        }
        for (names, done) in work.assigns {
            let _ = done.send(core.assign(&names));
        }
        if !work.writes.is_empty() {
            let (records, done): (Vec<Record>, Vec<Done>) =
                work.writes.into_iter().map(|write| (write.record, write.done)).unzip();
            let mut appended = core.append(&records);
            drop(records);
            shared.syncs.fetch_add(1, Ordering::Relaxed);
            shared.used.store(core.used(), Ordering::Relaxed);
            let mut evicted = std::mem::take(&mut appended.evicted);
            for (done, result) in done.into_iter().zip(appended.results) {
                done(Appended { result, evicted: std::mem::take(&mut evicted) });
            }
        }
        if !work.settled.is_empty() {
            work.settled.into_iter().for_each(|(destination, kind, seqs)| core.settle(destination, kind, seqs));
            // Written at once, so that a killed process repeats only what was under way.
            core.write_cursors();
            shared.used.store(core.used(), Ordering::Relaxed);
        }
        for count in work.counts {
            let _ = count.send(core.backlogs());
        }
        for reading in work.reads {
            let read = core.read(reading.destination, reading.kind, reading.from, reading.max);
            let Read { records, waiting, next, at_end, failed } = read;
            (reading.done)(Chunk { records, waiting, next, at_end, failed });
        }
        let late = due.is_some_and(|due| due <= Instant::now());
        if late || work.closed || !work.flushes.is_empty() {
            core.sync_cursors();
            due = None;
        } else if due.is_none() && core.cursors_unsynced() {
            due = Some(Instant::now() + SYNC_CURSORS_AFTER);
        }
        work.flushes.into_iter().for_each(|done| {
            let _ = done.send(());
        });
        if work.closed {
            return;
        }
    }
}
