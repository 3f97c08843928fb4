//! How often a peer may ask whether we are there, as gRPC's servers count it.

use std::time::Duration;

use tokio::time::Instant;

/// So many questions too early are borne with.
const MOST_STRIKES: u32 = 2;

/// Without a request under way nobody needs to ask more often than this.
const WITHOUT_REQUESTS: Duration = Duration::from_secs(2 * 60 * 60);

/// What peers may do to find out whether a connection lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingPolicy {
    /// The least time between two questions.
    pub min_time: Duration,
    /// Whether they may ask so often while no request is under way, too.
    pub without_requests: bool,
}

/// The questions of one peer.
#[derive(Debug)]
pub(super) struct Pings {
    policy: PingPolicy,
    last: Option<Instant>,
    strikes: u32,
    /// Something was sent since, whose arrival a peer may measure by asking.
    forgiven: bool,
}

impl Pings {
    pub(super) fn new(policy: PingPolicy) -> Self {
        Self { policy, last: None, strikes: 0, forgiven: false }
    }

    /// An answer or a part of one has been sent.
    pub(super) fn answered(&mut self) {
        self.forgiven = true;
    }

    /// A question has come. Whether that makes too many.
    pub(super) fn asked(&mut self, now: Instant, busy: bool) -> bool {
        let last = self.last.replace(now);
        if std::mem::take(&mut self.forgiven) {
            self.strikes = 0;
            return false;
        }
        let least = if busy || self.policy.without_requests { self.policy.min_time } else { WITHOUT_REQUESTS };
        if last.is_some_and(|last| now < last + least) {
            self.strikes += 1;
        }
        self.strikes > MOST_STRIKES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: PingPolicy = PingPolicy { min_time: Duration::from_secs(300), without_requests: false };

    /// How many questions at this distance are borne with, up to ten.
    fn borne(policy: PingPolicy, every: u64, busy: bool) -> usize {
        let (mut pings, start) = (Pings::new(policy), Instant::now());
        (0..10).take_while(|n| !pings.asked(start + Duration::from_secs(every * n), busy)).count()
    }

    #[test]
    fn the_fourth_question_too_early_is_one_too_many() {
        assert_eq!(borne(POLICY, 299, true), 3);
        assert_eq!(borne(POLICY, 300, true), 10);
        assert_eq!(borne(POLICY, 300, false), 3, "nobody needs to ask without a request");
        assert_eq!(borne(POLICY, 7200, false), 10);
        assert_eq!(borne(PingPolicy { without_requests: true, ..POLICY }, 300, false), 10);
    }

    #[test]
    fn who_was_answered_may_ask() {
        let (mut pings, start) = (Pings::new(POLICY), Instant::now());
        for second in 0..100 {
            pings.answered();
            assert!(!pings.asked(start + Duration::from_secs(second), true));
            assert!(!pings.asked(start + Duration::from_secs(second), true));
        }
    }
}
