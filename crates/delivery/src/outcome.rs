//! What follows from the answer to an attempt.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::backoff;
use crate::entry::{Entry, Fate};
use crate::lane::{DOWN_AFTER, Lane};
use crate::watch::Watch;
use crate::{Accepted, DropReason, Payload, Policy, SendError};

/// What an answer changed, besides the lane.
pub(crate) struct Change<T> {
    /// To be settled once no lock is held.
    pub(crate) settled: Vec<(Entry<T>, Fate)>,
    /// Something will be sent again.
    pub(crate) retries: bool,
    /// Whether the destination went down (with the time until the next probe) or came back.
    pub(crate) turn: Option<Turn>,
}

pub(crate) enum Turn {
    Down(Duration),
    Up,
}

impl<T: Payload> Lane<T> {
    /// Takes an entry out of what is under way and decides what becomes of it. `chance` is from 0 to 1.
    #[allow(clippy::result_large_err, reason = "what cannot be done gives the entry back as it was")]
    pub(crate) fn finish(
        &mut self,
        policy: &Policy,
        id: u64,
        result: Result<Accepted, SendError>,
        now: Instant,
        chance: f64,
    ) -> Change<T> {
        let mut change = Change { settled: Vec::new(), retries: false, turn: None };
        let Some(mut entry) = self.in_flight.remove(&id) else { return change };
        let was_probe = self.probe == Some(id);
        if was_probe {
            self.probe = None;
        }
        let error = match result {
            Ok(accepted) => {
                self.recover(&mut change);
                self.end(entry, Fate::Delivered { rejected: accepted.rejected }, &mut change);
                return change;
            }
            Err(error) => error,
        };
        let why = error.to_string();
        match error {
            SendError::Unreachable { .. } | SendError::Silent { .. } => {
                // What waits for a time that the back end named goes on to do so.
                if self.paused.is_none() || was_probe {
                    let absent = matches!(error, SendError::Unreachable { .. });
                    self.watch.get_or_insert_with(|| Watch::new(now, absent, chance));
                }
                self.again(policy, entry, Attempt { down: true, hint: None, was_probe, now, chance, why }, &mut change);
            }
            SendError::Busy { after, .. } => {
                // It answers, so it is asked when it wants to be.
                self.watch = None;
                let down = after.is_some();
                let attempt = Attempt { down, hint: after, was_probe, now, chance, why };
                self.again(policy, entry, attempt, &mut change);
            }
            SendError::Rejected { divisible, .. } => {
                self.recover(&mut change);
                if divisible {
                    match entry.divide(policy.sizer, Payload::halve) {
                        Ok((first, second)) => return self.both(first, second, change),
                        Err(whole) => entry = whole,
                    }
                }
                self.end(entry, Fate::Rejected(why), &mut change);
            }
            SendError::TooLarge { .. } => {
                self.recover(&mut change);
                let items = entry.item.items();
                let halves = entry
                    .divide(policy.sizer, Payload::halve)
                    .or_else(|entry| entry.divide(policy.sizer, |item| item.split_at(items / 2)));
                match halves {
                    Ok((first, second)) => return self.both(first, second, change),
                    Err(whole) => self.end(whole, Fate::Rejected(why), &mut change),
                }
            }
            SendError::Failed { .. } => {
                if was_probe {
                    // It never got there: the next one may ask at once.
                    self.paused = Some(now);
                }
                self.end(entry, Fate::Dropped(DropReason::SendFailed, why), &mut change);
            }
        }
        change
    }

    fn both(&mut self, first: Entry<T>, second: Entry<T>, mut change: Change<T>) -> Change<T> {
        for mut piece in [first, second] {
            (piece.ready, piece.failures) = (None, 0);
            self.put_back(piece);
        }
        change.retries = true;
        change
    }

    fn again(&mut self, policy: &Policy, mut entry: Entry<T>, attempt: Attempt, change: &mut Change<T>) {
        let Attempt { down, hint, was_probe, now, chance, why } = attempt;
        let Some(retry) = &policy.retry else {
            return self.end(entry, Fate::Dropped(DropReason::RetryDisabled, why), change);
        };
        entry.failures += 1;
        let delay = match self.paused {
            // Others that were under way when the destination went down say nothing new.
            Some(until) if !was_probe => {
                let hinted = hint.map_or(until, |_| now + backoff(retry, 1, hint, chance));
                self.paused = Some(until.max(hinted));
                entry.ready = None;
                until.max(hinted).saturating_duration_since(now)
            }
            None if !down && self.streak + 1 < DOWN_AFTER => {
                self.streak += 1;
                let delay = backoff(retry, entry.failures, hint, chance);
                entry.ready = Some(now + delay);
                delay
            }
            paused => {
                self.pauses += 1;
                // An entry that already waited alone does not start from the beginning.
                let failures = if paused.is_none() { self.pauses.max(entry.failures) } else { self.pauses };
                self.pauses = failures;
                let delay = backoff(retry, failures, hint, chance);
                self.paused = Some(now + delay);
                entry.ready = None;
                if paused.is_none() {
                    change.turn = Some(Turn::Down(delay));
                }
                delay
            }
        };
        let expires = |entry: &Entry<T>| {
            let elapsed = entry.tried.map(|tried| now.saturating_duration_since(tried) + delay);
            retry.max_elapsed.is_some_and(|max| elapsed.is_some_and(|elapsed| elapsed > max))
        };
        let given_up = |why: &str| {
            let max = retry.max_elapsed.unwrap_or_default();
            Fate::Dropped(DropReason::Expired, format!("no more attempts after {max:?}: {why}"))
        };
        if expires(&entry) {
            self.end(entry, given_up(&why), change);
        } else {
            change.retries = true;
            self.put_back(entry);
        }
        if self.paused.is_some() {
            while let Some(place) = self.retrying.iter().position(expires) {
                let Some(entry) = self.take_retrying(place) else { break };
                self.end(entry, given_up(&why), change);
            }
        }
    }

    fn recover(&mut self, change: &mut Change<T>) {
        if self.resume() {
            change.turn = Some(Turn::Up);
        }
    }

    fn end(&mut self, entry: Entry<T>, fate: Fate, change: &mut Change<T>) {
        self.held -= entry.charge;
        change.settled.push((entry, fate));
    }
}

struct Attempt {
    /// Whether the failure concerns the destination and not this request alone.
    down: bool,
    hint: Option<Duration>,
    was_probe: bool,
    now: Instant,
    chance: f64,
    why: String,
}
