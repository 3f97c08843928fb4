//! What a campaign is told: how long, and from which seed.

use std::time::Duration;

use fastrand::Rng;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many faults: so many in the short form.
pub(crate) fn count(short: usize) -> usize {
    number("CORTEN_COUNT").map_or(short, |count| count as usize)
}

/// Whether this is the long form.
pub(crate) fn is_long() -> bool {
    number("CORTEN_COUNT").is_some()
}

/// The dice of this run; prints how to throw them again.
pub(crate) fn dice() -> (u64, Rng) {
    let seed = number("CORTEN_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("CORTEN_SEED={seed}");
    (seed, Rng::with_seed(seed))
}

/// Says that a campaign could not be run here.
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// Passes time, as a fault that lasts does.
pub(crate) async fn lasts(range: std::ops::Range<u64>, rng: &mut Rng) {
    tokio::time::sleep(Duration::from_millis(rng.u64(range))).await;
}
