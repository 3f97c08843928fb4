//! How often the same text is written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Texts share this many counters, so that a flood of different texts takes no memory. Two texts may share one.
const COUNTERS: u64 = 4096;

/// In each second the first `initial` of the same text pass, then every `thereafter`-th (0: none).
#[derive(Debug)]
pub(crate) struct Sampler {
    initial: u64,
    thereafter: u64,
    start: Instant,
    seen: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    number: u64,
    counts: HashMap<u64, u64>,
}

impl Sampler {
    pub(crate) fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, start: Instant::now(), seen: Mutex::default() }
    }

    /// Whether this text is written now.
    pub(crate) fn passes(&self, text: &str) -> bool {
        if self.thereafter == 1 {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let second = self.start.elapsed().as_secs();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.number != second {
            seen.number = second;
            seen.counts.clear();
        }
        let count = seen.counts.entry(hasher.finish() % COUNTERS).or_insert(0);
        *count += 1;
        match count.checked_sub(self.initial) {
            None | Some(0) => true,
            Some(over) => self.thereafter > 0 && over % self.thereafter == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_pass_then_every_so_many_of_a_second() {
        let sampler = Sampler::new(2, 3);
        let passed: Vec<bool> = (0..8).map(|_| sampler.passes("a")).collect();
        assert_eq!(passed, [true, true, false, false, true, false, false, true]);
        assert!(sampler.passes("b"), "each text counts for itself");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sampler.passes("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn zero_lets_nothing_pass_after_the_first() {
        let sampler = Sampler::new(1, 0);
        assert_eq!([(); 3].map(|()| sampler.passes("a")), [true, false, false]);
    }
}
