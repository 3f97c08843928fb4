//! One target: when it is scraped, and what of it is sent on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use corten_component::Consume;
use corten_signal::labels::NAME;
use corten_signal::samples::{MetricKind, RowExemplar, Sample, Samples};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::duration;
use crate::ingest::{Hit, Memory};
use crate::metrics::Intervals;
use crate::pool::Shared;
use crate::read::Read;
use crate::report::{Report, Reporter, stale};
use crate::target::Target;

/// Rows that are sent on at once: as many as fit the allocator's ordinary blocks.
const BATCH: usize = 2000;
/// Scrapes this little after their time are recorded at it, since equal distances compress well.
const TOLERANCE: Duration = Duration::from_millis(2);

/// What a target's task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Scrape.
    Run,
    /// Stop; somebody else goes on.
    HandOver,
    /// Stop and end all series.
    End,
}

/// What is known of a target from scrape to scrape.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) target: Arc<Target>,
    pub(crate) memory: Memory,
    /// When it was last scraped.
    last: Option<Instant>,
    /// Whether the last scrape went well.
    pub(crate) up: Option<bool>,
}

/// When scrapes happen, on the wall clock, in nanoseconds.
struct Rhythm {
    next: i128,
    interval: i128,
}

fn wall_clock() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or_default()
}

fn millis(nanos: i128) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or_default()
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

impl Rhythm {
    /// The time to record for a scrape that begins now.
    fn time(&mut self, now: i128) -> i64 {
        if now >= self.next {
            self.next += (now - self.next) / self.interval * self.interval;
        }
        let tolerance = nanos(TOLERANCE).min(self.interval / 100);
        let late = now - self.next;
        if late.abs() <= tolerance {
            return millis(self.next);
        }
        // The clock has been set, or the machine was busy: keep step with the clock from here on.
        self.next = now;
        millis(now)
    }
}

impl Session {
    /// Of a target that is new.
    pub(crate) fn new(target: Arc<Target>) -> Self {
        Self { target, memory: Memory::default(), last: None, up: None }
    }

    /// Scrapes until told otherwise.
    pub(crate) async fn run(mut self, shared: Arc<Shared>, mut orders: watch::Receiver<Order>) -> Self {
        let target = Arc::clone(&self.target);
        let reporter = Reporter::new(&target.labels, shared.args.extra_metrics);
        let intervals = Intervals::new(&shared.scope, &duration::text(target.interval));
        let interval = nanos(target.interval).max(1);
        let now = wall_clock();
        let wait = (nanos(target.offset()) - now % interval).rem_euclid(interval);
        let mut rhythm = Rhythm { next: now + wait, interval };
        let start = Instant::now() + Duration::from_nanos(u64::try_from(wait).unwrap_or_default());
        let mut ticks = tokio::time::interval_at(start, target.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let stop = orders.wait_for(|order| *order != Order::Run);
            tokio::select! {
                biased;
                _ = stop => break,
                _ = ticks.tick() => {}
            }
            let time = rhythm.time(wall_clock());
            let goes_on = self.scrape(&shared, &reporter, &intervals, time, &mut orders).await;
            if !goes_on {
                break;
            }
        }
        // Without a sender nobody goes on.
        let order = *orders.borrow();
        if order != Order::HandOver {
            self.end(&shared, &reporter).await;
        }
        self
    }

    /// One scrape; `false` if it was given up to stop.
    async fn scrape(
        &mut self,
        shared: &Arc<Shared>,
        reporter: &Reporter,
        intervals: &Intervals,
        time: i64,
        orders: &mut watch::Receiver<Order>,
    ) -> bool {
        let begun = Instant::now();
        let fetched = match shared.forced() {
            Some(why) => Err(crate::fetch::FetchError::Failed(why)),
            None => {
                let stop = orders.wait_for(|order| *order != Order::Run);
                tokio::select! {
                    biased;
                    fetched = shared.fetcher.fetch(&self.target) => fetched,
                    _ = stop => return false,
                }
            }
        };
        if let Some(last) = self.last.replace(begun) {
            intervals.observe((begun - last).as_secs_f64());
        }
        let large = fetched.as_ref().is_ok_and(crate::fetch::Fetched::is_large) || self.memory.cache.len() > 2000;
        let mut memory = std::mem::take(&mut self.memory);
        let (target, reading) = (Arc::clone(&self.target), Arc::clone(&shared.reading));
        let work = move || {
            let read = reading.read(fetched, &target.labels, &mut memory, time);
            (memory, read)
        };
        let done = if large { tokio::task::spawn_blocking(work).await } else { Ok(work()) };
        let mut read = match done {
            Ok((memory, read)) => {
                self.memory = memory;
                read
            }
            Err(error) => Read { error: Some(format!("reading the answer failed: {error}")), ..Read::default() },
        };
        self.count(shared, &read, time);
        let report = Report {
            up: read.error.is_none(),
            seconds: begun.elapsed().as_secs_f64(),
            scraped: read.found.scraped,
            added: read.found.added,
            new: read.found.new,
            timeout: self.target.timeout.as_secs_f64(),
            limit: shared.reading.rules.samples,
            bytes: read.bytes,
        };
        let mut rows = std::mem::take(&mut read.found.rows);
        reporter.rows(&report, time, &mut rows);
        shared.forward(rows, std::mem::take(&mut read.found.exemplars)).await;
        true
    }

    /// Metrics, log and health.
    fn count(&mut self, shared: &Shared, read: &Read, time: i64) {
        let meters = &shared.meters;
        match read.hit() {
            Some(Hit::Samples) => meters.sample_limit_hit.inc(),
            Some(Hit::Labels) => meters.label_limits_hit.inc(),
            Some(Hit::Buckets) => meters.bucket_limit_hit.inc(),
            None => {}
        }
        if read.bytes < 0.0 {
            meters.body_limit_hit.inc();
        }
        meters.flushes.add(u64::from(read.flushed));
        meters.duplicates.add(read.found.duplicates as u64);
        meters.out_of_bounds.add(read.found.out_of_bounds as u64);
        let (url, job) = (&self.target.url, shared.job.as_str());
        if read.found.duplicates > 0 {
            let dropped = read.found.duplicates;
            tracing::warn!(
                target_url = url,
                num_dropped = dropped,
                "series that came twice in one scrape were dropped"
            );
        }
        if read.found.out_of_bounds > 0 {
            let dropped = read.found.out_of_bounds;
            tracing::warn!(target_url = url, num_dropped = dropped, "samples too far in the future were dropped");
        }
        let was = self.up.replace(read.error.is_none());
        match &read.error {
            Some(why) => {
                if let Some(log) = &shared.failures {
                    log.write(time, url, why);
                }
                if was != Some(false) {
                    tracing::warn!(target_url = url, scrape_job = job, err = why, "the target cannot be scraped");
                } else {
                    tracing::debug!(target_url = url, scrape_job = job, err = why, "the target cannot be scraped");
                }
            }
            None if was == Some(false) => tracing::info!(target_url = url, scrape_job = job, "the target is up again"),
            None => {}
        }
        if was != self.up {
            shared.tell(was, self.up);
        }
    }

    /// Ends all series.
    pub(crate) async fn end(&mut self, shared: &Shared, reporter: &Reporter) {
        shared.tell(self.up.take(), None);
        if self.last.take().is_none() {
            return;
        }
        let time = millis(wall_clock());
        let (vanished, _) = self.memory.cache.fail();
        self.memory.forget(&vanished);
        let mut rows: Vec<Sample> = vanished.into_iter().map(|ended| stale(ended, time)).collect();
        reporter.end(time, &mut rows);
        shared.forward(rows, Vec::new()).await;
    }
}

/// Whether two series are parts of one histogram or summary, which must stay together for those who put them together.
fn are_one_point(one: &Sample, other: &Sample) -> bool {
    let same_family = one.metadata.as_ref().zip(other.metadata.as_ref()).is_some_and(|(one, other)| {
        Arc::ptr_eq(one, other)
            && matches!(one.kind, MetricKind::Histogram | MetricKind::GaugeHistogram | MetricKind::Summary)
    });
    let point = |row: &Sample| row.labels.filter(|name, _| ![NAME, "le", "quantile"].contains(&name));
    same_family && point(one) == point(other)
}

impl Shared {
    /// Hands rows on, in batches.
    async fn forward(&self, rows: Vec<Sample>, exemplars: Vec<RowExemplar>) {
        let mut rows = rows.into_iter().peekable();
        let mut exemplars = exemplars.into_iter().peekable();
        let (mut from, mut refused, mut why) = (0, 0, None);
        loop {
            let mut batch: Vec<Sample> = rows.by_ref().take(BATCH).collect();
            while let Some(row) = rows.next_if(|row| batch.last().is_some_and(|last| are_one_point(last, row))) {
                batch.push(row);
            }
            let count = batch.len();
            if count == 0 {
                break;
            }
            let mut own = Vec::new();
            while let Some(mut exemplar) = exemplars.next_if(|exemplar| (exemplar.row as usize) < from + count) {
                exemplar.row -= u32::try_from(from).unwrap_or(exemplar.row);
                own.push(exemplar);
            }
            from += count;
            let begun = Instant::now();
            let answer = {
                let batch = Samples::with_exemplars(batch, own).with_honored_metadata(self.args.honor_metadata);
                self.args.forward_to.consume(batch).await
            };
            self.meters.latency.observe(begun.elapsed().as_secs_f64());
            match answer {
                Ok(()) => self.meters.forwarded.add(count as u64),
                Err(refusal) => {
                    refused += count;
                    why = Some(refusal);
                }
            }
        }
        if let Some(why) = why {
            self.meters.refused.add(refused as u64);
            tracing::warn!(scrape_job = self.job, samples = refused, err = %why, "scraped samples were refused and are lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use corten_signal::labels::Labels;
    use corten_signal::samples::{Metadata, SampleValue};

    use super::*;

    #[test]
    fn parts_of_a_point_stay_together() {
        let metadata = |kind| Arc::new(Metadata { family: "h".into(), kind, help: "".into(), unit: "".into() });
        let row = |pairs: &[(&str, &str)], metadata: &Arc<Metadata>| {
            let (labels, value) = (Labels::from_pairs(pairs.iter().copied()), SampleValue::Float(1.0));
            Sample { labels, timestamp: 0, start: 0, value, metadata: Some(Arc::clone(metadata)) }
        };
        let histogram = metadata(MetricKind::Histogram);
        let bucket = row(&[(NAME, "h_bucket"), ("le", "1"), ("a", "b")], &histogram);
        assert!(are_one_point(&bucket, &row(&[(NAME, "h_count"), ("a", "b")], &histogram)));
        assert!(!are_one_point(&bucket, &row(&[(NAME, "h_bucket"), ("le", "1"), ("a", "c")], &histogram)));
        let gauge = metadata(MetricKind::Gauge);
        assert!(!are_one_point(&row(&[(NAME, "g")], &gauge), &row(&[(NAME, "g")], &gauge)));
    }

    #[test]
    fn times_keep_step() {
        let second = 1_000_000_000;
        let mut rhythm = Rhythm { next: 10 * second, interval: second };
        assert_eq!(rhythm.time(10 * second + 1_500_000), 10_000);
        assert_eq!(rhythm.time(11 * second + 1_900_000), 11_000);
        // One was left out.
        assert_eq!(rhythm.time(13 * second + 500_000), 13_000);
        // Too late to pretend.
        assert_eq!(rhythm.time(14 * second + 5_000_000), 14_005);
        assert_eq!(rhythm.time(15 * second + 5_500_000), 15_005);
        // The clock has been set back.
        assert_eq!(rhythm.time(8 * second), 8_000);
        assert_eq!(rhythm.time(9 * second), 9_000);
    }
}
