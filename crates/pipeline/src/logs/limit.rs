//! At most ten complaints of one kind a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);
const LINES_PER_WINDOW: u32 = 10;
/// Kinds are call sites times components. Beyond this many at once, those that rest are forgotten.
const MOST_KINDS: usize = 4096;

struct Window {
    begun: Instant,
    lines: u32,
    suppressed: u64,
}

/// Whether a line goes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does; so many of its kind did not since the last one that did.
    Print {
        suppressed: u64,
    },
    Suppress,
}

#[derive(Default)]
pub(super) struct Limiter(HashMap<u64, Window>);

impl Limiter {
    pub(super) fn judge(&mut self, kind: u64, now: Instant) -> Verdict {
        if self.0.len() >= MOST_KINDS && !self.0.contains_key(&kind) {
            self.0.retain(|_, window| now.duration_since(window.begun) < WINDOW);
            if self.0.len() >= MOST_KINDS {
                return Verdict::Suppress;
            }
        }
        let window = self.0.entry(kind).or_insert(Window { begun: now, lines: 0, suppressed: 0 });
        if now.duration_since(window.begun) >= WINDOW {
            (window.begun, window.lines) = (now, 0);
        }
        if window.lines >= LINES_PER_WINDOW {
            window.suppressed += 1;
            return Verdict::Suppress;
        }
        window.lines += 1;
        Verdict::Print { suppressed: std::mem::take(&mut window.suppressed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_second_tells_how_many_were_kept_back() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let printed = (0..100).filter(|_| limiter.judge(1, start) != Verdict::Suppress).count();
        assert_eq!(printed, 10);
        assert_eq!(limiter.judge(2, start), Verdict::Print { suppressed: 0 });
        assert_eq!(limiter.judge(1, start + WINDOW), Verdict::Print { suppressed: 90 });
        assert_eq!(limiter.judge(1, start + WINDOW), Verdict::Print { suppressed: 0 });
    }

    #[test]
    fn many_kinds_do_not_fill_memory() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        for kind in 0..100_000 {
            limiter.judge(kind, start);
        }
        assert!(limiter.0.len() <= MOST_KINDS);
        assert_eq!(limiter.judge(200_000, start + WINDOW), Verdict::Print { suppressed: 0 });
    }
}
