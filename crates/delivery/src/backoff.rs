//! How long to wait before the next attempt.

use std::time::Duration;

use crate::Retry;

/// The longest wait that a back end can ask for.
const LONGEST_HINT: Duration = Duration::from_secs(3600);

/// The wait after `failures` failures in a row (1 for the first). `chance` is from 0 to 1.
pub(crate) fn backoff(retry: &Retry, failures: u32, hint: Option<Duration>, chance: f64) -> Duration {
    let growth = retry.multiplier.powi(i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX));
    let max = retry.max.as_secs_f64();
    let interval = (retry.initial.as_secs_f64() * growth).min(max);
    let jittered = interval * (1.0 + retry.randomization * (2.0 * chance - 1.0));
    let wait = Duration::try_from_secs_f64(jittered.clamp(0.0, max)).unwrap_or(retry.max);
    wait.max(hint.unwrap_or_default().min(LONGEST_HINT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_the_longest_and_honours_hints() {
        let retry = Retry { randomization: 0.0, ..Retry::default() };
        let waits: Vec<f64> = (1..=7).map(|n| backoff(&retry, n, None, 0.9).as_secs_f64()).collect();
        assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
        assert_eq!(backoff(&retry, u32::MAX, None, 0.5), retry.max);
        let hint = Duration::from_secs(60);
        assert_eq!(backoff(&retry, 1, Some(hint), 0.5), hint);
        assert_eq!(backoff(&retry, 1, Some(Duration::from_secs(1)), 0.5), retry.initial);
        assert_eq!(backoff(&retry, 1, Some(Duration::MAX), 0.5), LONGEST_HINT);
    }

    #[test]
    fn chance_moves_it_by_half_and_never_past_the_longest() {
        let retry = Retry::default();
        assert_eq!(backoff(&retry, 1, None, 0.0), Duration::from_millis(2500));
        assert_eq!(backoff(&retry, 1, None, 1.0), Duration::from_millis(7500));
        assert_eq!(backoff(&retry, 9, None, 1.0), retry.max);
    }
}
