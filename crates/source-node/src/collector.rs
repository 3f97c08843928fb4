//! What a collector is, and gathering all of them: each at its own risk, none at the cost of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::families::{Families, render};
use crate::files::ReadError;
use crate::gang::{self, Limits};

/// Where no collector has ended for this long, the rest goes on beside it.
const PATIENCE: Duration = Duration::from_millis(50);
/// Threads that one gathering may hold; as many collectors may hang at a time.
const THREADS: usize = 16;

/// Why a collector has nothing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The machine has nothing of the kind: not worth a line in the log.
    NoData(String),
    /// Something is wrong.
    Failed(String),
}

impl Failure {
    /// Something is wrong.
    pub fn new(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// The machine has nothing of the kind.
    pub fn no_data(why: impl Into<String>) -> Self {
        Self::NoData(why.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoData(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        if error.is_absent() { Self::NoData(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

/// How a collector ended.
pub type Outcome = Result<(), Failure>;

/// One source of metrics. It may block; what it added before it failed is kept.
pub trait Collector: Send + Sync + 'static {
    /// The name by which users switch it on and off.
    fn name(&self) -> &'static str;

    /// Adds what is to be seen now.
    fn collect(&self, out: &mut Families) -> Outcome;
}

struct Slot {
    collector: Box<dyn Collector>,
    /// An earlier collection has not come back: nothing is begun until it does.
    busy: AtomicBool,
}

/// Sets the slot free however the collection ends.
struct Running(Arc<Slot>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// A set of collectors.
pub struct Gatherer {
    slots: Vec<Arc<Slot>>,
}

struct Report {
    families: Families,
    outcome: Outcome,
    took: Duration,
}

impl Gatherer {
    /// Of these collectors.
    pub fn new(collectors: Vec<Box<dyn Collector>>) -> Self {
        let slot = |collector| Arc::new(Slot { collector, busy: AtomicBool::new(false) });
        Self { slots: collectors.into_iter().map(slot).collect() }
    }

    /// The collectors' names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.slots.iter().map(|slot| slot.collector.name())
    }

    /// What those collectors see now whose names are `wanted`, as text, with `extra` beside it. Blocks for `deadline`
    /// at most: a collector that is not back by then fails, and is left alone until it is.
    pub fn gather(&self, wanted: impl Fn(&str) -> bool, extra: Families, deadline: Duration) -> String {
        let slots: Vec<_> = self.slots.iter().filter(|slot| wanted(slot.collector.name())).collect();
        let begun: Vec<_> = slots.iter().map(|slot| begin(slot)).collect();
        let jobs = begun.into_iter().map(|running| Box::new(move || running.map(collect)) as Box<_>).collect();
        let reports = gang::run(jobs, Limits { patience: PATIENCE, deadline, threads: THREADS });
        let mut scrape = extra;
        let mut sets = Vec::with_capacity(reports.len() + 1);
        for (slot, report) in slots.iter().zip(reports) {
            let report = report.flatten().unwrap_or_else(|| Report {
                families: Families::new(),
                outcome: Err(Failure::new("it has not come back in time")),
                took: deadline,
            });
            let name = slot.collector.name();
            let labels = [("collector", name)];
            let (duration, success) = ("node_scrape_collector_duration_seconds", "node_scrape_collector_success");
            scrape.gauge(duration, "How long a collector took.", &labels, report.took.as_secs_f64());
            scrape.gauge(success, "Whether a collector succeeded.", &labels, report.outcome.is_ok());
            log(name, &report.outcome);
            sets.push(report.families);
        }
        sets.push(scrape);
        render(&mut sets)
    }
}

fn begin(slot: &Arc<Slot>) -> Option<Running> {
    let free = !slot.busy.swap(true, Ordering::Acquire);
    free.then(|| Running(Arc::clone(slot)))
}

fn collect(running: Running) -> Report {
    let begin = Instant::now();
    let mut families = Families::new();
    let outcome = running.0.collector.collect(&mut families);
    Report { families, outcome, took: begin.elapsed() }
}

fn log(collector: &str, outcome: &Outcome) {
    match outcome {
        Ok(()) => {}
        Err(Failure::NoData(why)) => tracing::debug!(collector, "nothing to collect: {why}"),
        Err(Failure::Failed(why)) => tracing::error!(collector, "collecting failed: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Fixed(&'static str, Outcome);

    impl Collector for Fixed {
        fn name(&self) -> &'static str {
            self.0
        }

        fn collect(&self, out: &mut Families) -> Outcome {
            out.gauge(&format!("node_{}", self.0), "Test.", &[], 1);
            self.1.clone()
        }
    }

    struct Hangs {
        wait: Mutex<Receiver<()>>,
        runs: Sender<()>,
    }

    impl Collector for Hangs {
        fn name(&self) -> &'static str {
            "hangs"
        }

        fn collect(&self, _out: &mut Families) -> Outcome {
            let _ = self.runs.send(());
            let _ = self.wait.lock().unwrap().recv();
            Ok(())
        }
    }

    #[test]
    fn what_a_failing_collector_had_seen_is_kept() {
        let failing = Fixed("b", Err(Failure::no_data("nothing")));
        let text = Gatherer::new(vec![Box::new(Fixed("a", Ok(()))), Box::new(failing)]).gather(
            |_| true,
            Families::new(),
            Duration::from_secs(60),
        );
        for line in [
            "node_a 1",
            "node_b 1",
            "node_scrape_collector_success{collector=\"a\"} 1",
            "node_scrape_collector_success{collector=\"b\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn a_collector_that_hangs_costs_its_deadline_once_and_is_begun_again_when_it_is_back() {
        let (release, wait) = channel();
        let (runs, begun) = channel();
        let hangs = Hangs { wait: Mutex::new(wait), runs };
        let gatherer = Gatherer::new(vec![Box::new(hangs), Box::new(Fixed("a", Ok(())))]);
        for _ in 0..3 {
            let text = gatherer.gather(|_| true, Families::new(), Duration::from_millis(200));
            assert!(text.contains("node_a 1\n"), "{text}");
            assert!(text.contains("success{collector=\"hangs\"} 0\n"), "{text}");
        }
        assert_eq!(begun.try_iter().count(), 1, "begun once");
        // It comes back: from then on it is asked again, and finds that it may go on at once.
        drop(release);
        let slot = Arc::clone(&gatherer.slots[0]);
        while slot.busy.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let text = gatherer.gather(|_| true, Families::new(), Duration::from_secs(60));
        assert!(text.contains("success{collector=\"hangs\"} 1\n"), "{text}");
    }
}
