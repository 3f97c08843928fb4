//! Corten's own log: logfmt or JSON lines on standard error, with the keys `ts`, `level`, `msg`, then attributes.
//!
//! Records wait in memory until the `logging` block has been evaluated, so that its level and format hold from the
//! first line on; if the load fails they are printed all the same. One thread writes, so that a terminal that stands
//! still never stops the data path. Warnings and errors of one kind are limited to ten a second. All that is not printed is counted.

mod format;
mod layer;
mod limit;
mod writer;

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corten_component::metrics::{Counter, Registry};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

pub use format::Format;
use format::Record;
use limit::{Limiter, Verdict};
use writer::Writer;

use crate::traces::{Spans, Traces};

/// What waits for the `logging` block, at most.
const EARLY_BYTES: usize = 256 * 1024;

/// How the `logging` block wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The least severe level that is printed.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: Level::INFO, format: Format::Logfmt }
    }
}

enum Stage {
    /// The `logging` block has not been evaluated yet.
    Early {
        records: Vec<Record>,
        bytes: usize,
    },
    Settled(Settings),
}

struct Inner {
    stage: Mutex<Stage>,
    limiter: Mutex<Limiter>,
    /// The level as a number, for the question that every call site asks.
    level: AtomicU8,
    journal: bool,
    writer: Writer,
    limited: Counter,
    overflowed: Counter,
}

/// The process's log. Cloning gives the same one.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

impl Logs {
    /// A log on standard error.
    pub fn stderr(metrics: &Registry) -> Self {
        Self::new(metrics, Box::new(std::io::stderr()), stderr_is_journal())
    }

    fn new(metrics: &Registry, output: Box<dyn std::io::Write + Send>, journal: bool) -> Self {
        let scope = metrics.process();
        let dropped = |reason| {
            scope.counter("corten_log_lines_dropped_total", "Log lines that were not printed.", &[("reason", reason)])
        };
        Self(Arc::new(Inner {
            stage: Mutex::new(Stage::Early { records: Vec::new(), bytes: 0 }),
            limiter: Mutex::default(),
            level: AtomicU8::new(number(Level::DEBUG)),
            journal,
            writer: Writer::start(output),
            limited: dropped("rate_limit"),
            overflowed: dropped("queue_full"),
        }))
    }

    /// Makes this the log of the process, and lets its spans be traced; `false` if another one is.
    pub(crate) fn install(&self, traces: &Traces) -> bool {
        let recorder = layer::Recorder { logs: self.clone(), traces: Some(traces.clone()) };
        let subscriber = tracing_subscriber::registry().with(recorder).with(Spans(traces.clone()));
        tracing::subscriber::set_global_default(subscriber).is_ok()
    }

    /// Applies a `logging` block; the first time, prints what has waited.
    pub fn configure(&self, settings: Settings) {
        self.0.level.store(number(settings.level), Ordering::Relaxed);
        let early = std::mem::replace(&mut *self.stage(), Stage::Settled(settings));
        if let Stage::Early { records, .. } = early {
            for record in records.into_iter().filter(|record| record.level <= settings.level) {
                self.print(&record, settings.format);
            }
        }
        tracing::callsite::rebuild_interest_cache();
    }

    /// The load has failed before the block was evaluated: what has waited is printed as the defaults say.
    pub fn give_up_waiting(&self) {
        if matches!(*self.stage(), Stage::Early { .. }) {
            self.configure(Settings::default());
        }
    }

    /// Waits until all lines are out, or until the time has passed.
    pub fn flush(&self, patience: Duration) {
        self.0.writer.flush(patience);
    }

    fn enabled(&self, level: Level) -> bool {
        number(level) <= self.0.level.load(Ordering::Relaxed)
    }

    fn write(&self, mut record: Record) {
        match self.judge(&record) {
            Verdict::Suppress => return self.0.limited.inc(),
            Verdict::Print { suppressed: 0 } => {}
            Verdict::Print { suppressed } => record.note_suppressed(suppressed),
        }
        let format = match &mut *self.stage() {
            Stage::Early { records, bytes } => {
                let size = record.size();
                if *bytes + size > EARLY_BYTES {
                    return self.0.overflowed.inc();
                }
                *bytes += size;
                return records.push(record);
            }
            Stage::Settled(settings) => settings.format,
        };
        self.print(&record, format);
    }

    /// Complaints repeat as often as their cause; what is said at other levels (the debug exporter's records) is
    /// asked for.
    fn judge(&self, record: &Record) -> Verdict {
        if record.level > Level::WARN {
            return Verdict::Print { suppressed: 0 };
        }
        self.0.limiter.lock().unwrap_or_else(PoisonError::into_inner).judge(record.kind, Instant::now())
    }

    fn print(&self, record: &Record, format: Format) {
        if !self.0.writer.push(&format.line(record, self.0.journal)) {
            self.0.overflowed.inc();
        }
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.0.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Higher is more talkative.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Whether standard error is the stream that systemd names in `JOURNAL_STREAM` (device and inode).
fn stderr_is_journal() -> bool {
    let Ok(wanted) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::io::stderr();
    if stderr.is_terminal() {
        return false;
    }
    let Ok(descriptor) = stderr.as_fd().try_clone_to_owned() else { return false };
    let Ok(metadata) = std::fs::File::from(descriptor).metadata() else { return false };
    wanted == format!("{}:{}", metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Fixture {
        logs: Logs,
        output: Shared,
        metrics: Registry,
    }

    impl Fixture {
        fn new() -> Self {
            let (output, metrics) = (Shared::default(), Registry::new());
            let logs = Logs::new(&metrics, Box::new(output.clone()), false);
            Self { logs, output, metrics }
        }

        fn during(&self, act: impl FnOnce()) {
            tracing::subscriber::with_default(
                tracing_subscriber::registry().with(layer::Recorder { logs: self.logs.clone(), traces: None }),
                act,
            );
        }

        fn lines(&self) -> Vec<String> {
            self.logs.flush(Duration::from_secs(5));
            let text = String::from_utf8(self.output.0.lock().expect("a lock").clone()).expect("UTF-8");
            text.lines().map(|line| line.split_once(' ').map_or("", |(_, rest)| rest).to_owned()).collect()
        }
    }

    #[test]
    fn early_records_wait_for_the_level() {
        let fixture = Fixture::new();
        fixture.during(|| {
            tracing::info!("starting");
            tracing::warn!(file = "a b", "odd");
            assert!(fixture.lines().is_empty());
            fixture.logs.configure(Settings { level: Level::WARN, format: Format::Logfmt });
            tracing::info!("not wanted");
        });
        assert_eq!(fixture.lines(), [r#"level=warn msg=odd file="a b""#]);
    }

    #[test]
    fn a_failed_load_still_prints() {
        let fixture = Fixture::new();
        fixture.during(|| tracing::info!("starting"));
        fixture.logs.give_up_waiting();
        assert_eq!(fixture.lines(), ["level=info msg=starting"]);
    }

    #[test]
    fn spans_name_the_component() {
        let fixture = Fixture::new();
        fixture.logs.configure(Settings::default());
        fixture.during(|| {
            let span = tracing::info_span!("node", component_path = "/", component_id = "a.b.c");
            span.in_scope(|| tracing::error!(err = %"no route", "failed"));
        });
        assert_eq!(fixture.lines(), [r#"level=error msg=failed component_path=/ component_id=a.b.c err="no route""#]);
    }

    #[test]
    fn a_flood_of_one_kind_is_ten_lines_and_a_count() {
        let fixture = Fixture::new();
        fixture.logs.configure(Settings::default());
        fixture.during(|| {
            for round in 0..1000 {
                tracing::warn!(round, "again");
            }
            tracing::warn!("other");
            for _ in 0..20 {
                tracing::info!("asked for");
            }
        });
        assert_eq!(fixture.lines().len(), 31);
        let text = fixture.metrics.render();
        assert!(text.contains(r#"corten_log_lines_dropped_total{reason="rate_limit"} 990"#), "{text}");
    }

    #[test]
    fn the_early_buffer_is_bounded() {
        let fixture = Fixture::new();
        let long = "x".repeat(64 * 1024);
        fixture.during(|| {
            for _ in 0..8 {
                tracing::warn!(long, "again");
            }
        });
        fixture.logs.configure(Settings::default());
        assert_eq!(fixture.lines().len(), 3);
        assert!(fixture.metrics.render().contains(r#"{reason="queue_full"} 5"#));
    }
}
