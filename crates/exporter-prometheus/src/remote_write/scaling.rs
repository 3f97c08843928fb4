//! How many shards an endpoint wants: Prometheus's rule.
//!
//! As many as it takes to send what comes in, plus a twentieth of what is behind each second, at the time that a
//! sample has taken lately. Looked at every ten seconds; small changes are left alone, nobody has fewer shards while
//! more than ten seconds behind, and nothing changes while the server does not take anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often the rates are looked at.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

const WEIGHT: f64 = 0.2;
const TOLERANCE: f64 = 0.3;
const CATCH_UP: f64 = 0.05;
const BEHIND: f64 = 10.0;

/// An average that forgets.
#[derive(Debug, Default)]
struct Rate {
    events: AtomicU64,
    average: Option<f64>,
}

impl Rate {
    fn add(&self, events: u64) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// The rate each second, after another interval.
    fn tick(&mut self, interval: Duration) -> f64 {
        let now = std::mem::take(self.events.get_mut()) as f64 / interval.as_secs_f64();
        let average = self.average.map_or(now, |average| average + WEIGHT * (now - average));
        *self.average.insert(average)
    }
}

#[derive(Debug, Default)]
struct Rates {
    /// Samples in, out and left out.
    came: Rate,
    sent: Rate,
    dropped: Rate,
    /// Nanoseconds spent on sending, of all shards together.
    spent: Rate,
    /// The latest times that came and went, in seconds since 1970.
    highest: (f64, f64),
    last_send: Option<Instant>,
    /// The server wants to be left alone until then.
    held: Option<Instant>,
}

/// What the rule looks at.
#[derive(Debug)]
pub(super) struct Scaling {
    rates: Mutex<Rates>,
    /// How often they are looked at.
    pub(super) interval: Duration,
}

impl Scaling {
    pub(super) fn every(interval: Duration) -> Self {
        Self { rates: Mutex::default(), interval }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Rates) -> T) -> T {
        change(&mut self.rates.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Samples came in for this endpoint; the latest is of this time, in seconds since 1970.
    pub(super) fn came(&self, samples: u64, highest: f64) {
        self.with(|rates| {
            rates.came.add(samples);
            rates.highest.0 = rates.highest.0.max(highest);
        });
    }

    /// Samples that this endpoint does not want.
    pub(super) fn dropped(&self, samples: u64) {
        self.with(|rates| rates.dropped.add(samples));
    }

    /// Samples were sent, or given up.
    pub(super) fn sent(&self, samples: u64, took: Duration, highest: f64) {
        self.with(|rates| {
            rates.sent.add(samples);
            rates.spent.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            rates.highest.1 = rates.highest.1.max(highest);
            rates.last_send = Some(Instant::now());
        });
    }

    /// A request is made again after this pause: more shards would make it worse.
    pub(super) fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause * 2;
        self.with(|rates| rates.held = rates.held.max(Some(until)));
    }

    /// After another interval: what the rule gives, and how many shards there should be.
    pub(super) fn tick(&self, now: usize, least: usize, most: usize) -> (Option<f64>, usize) {
        let interval = self.interval;
        self.with(|rates| {
            let (came, sent) = (rates.came.tick(interval), rates.sent.tick(interval));
            let (dropped, spent) = (rates.dropped.tick(interval), rates.spent.tick(interval) / 1e9);
            if sent <= 0.0 {
                return (None, now);
            }
            let kept = sent / (dropped + sent);
            let behind = (rates.highest.0 - rates.highest.1).max(0.0);
            let wanted = spent / sent * (came * kept + CATCH_UP * behind * came * kept);
            let whole = wanted.ceil();
            let near = now as f64 * (1.0 - TOLERANCE)..=now as f64 * (1.0 + TOLERANCE);
            // A float beyond the range becomes its end.
            let target = if near.contains(&whole) { now } else { (whole as usize).clamp(least, most) };
            let instant = Instant::now();
            let stuck = rates.last_send.is_none_or(|last| instant - last > interval)
                || rates.held.is_some_and(|until| instant < until)
                || (target < now && behind > BEHIND);
            (Some(wanted), if stuck { now } else { target })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(came: u64, sent: u64, each: Duration, behind: f64, now: usize) -> usize {
        let scaling = Scaling::every(INTERVAL);
        scaling.came(came, 1000.0 + behind);
        scaling.sent(sent, each * u32::try_from(sent).unwrap(), 1000.0);
        scaling.tick(now, 1, 50).1
    }

    #[tokio::test(start_paused = true)]
    async fn slow_servers_get_more_shards_and_quick_ones_fewer() {
        let (slow, quick) = (Duration::from_millis(5), Duration::from_micros(10));
        // 1000 samples a second that take 5 ms each are the work of five.
        assert_eq!(after(10_000, 10_000, slow, 0.0, 1), 5);
        assert_eq!(after(10_000, 10_000, slow, 0.0, 4), 4, "near enough");
        assert_eq!(after(10_000, 10_000, slow, 100.0, 1), 30, "and catches up");
        assert_eq!(after(10_000_000, 10_000, slow, 0.0, 1), 50, "not above the most");
        assert_eq!(after(10_000, 10_000, quick, 0.0, 8), 1);
        assert_eq!(after(10_000, 10_000, quick, 11.0, 8), 8, "not while it is behind");
        assert_eq!(after(10_000, 0, slow, 0.0, 3), 3, "nothing is known");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_changes_while_the_server_takes_nothing() {
        let scaling = Scaling::every(INTERVAL);
        scaling.came(10_000, 0.0);
        scaling.sent(10_000, Duration::from_secs(50), 0.0);
        scaling.hold(Duration::from_secs(5));
        assert_eq!(scaling.tick(1, 1, 50).1, 1);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(scaling.tick(1, 1, 50).1, 4, "the pause is over");
        tokio::time::advance(INTERVAL).await;
        assert_eq!(scaling.tick(1, 1, 50).1, 1, "the last send is too long ago");
    }
}
