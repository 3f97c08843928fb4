//! What waits for a destination of one data type, and whether the destination takes anything at all.
//!
//! A failure that concerns the destination pauses its lane: then one probe at a time goes out, and everything else
//! waits in its place, until something is taken again. A failure that may concern only its own request (a busy
//! answer from one of several replicas) delays that request alone, until there are several in a row.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use crate::entry::{Entry, measure};
use crate::spool::Spilled;
use crate::watch::Watch;
use crate::{Batching, Payload, Policy, Sizer};

/// So many busy answers in a row mean that the destination is down.
pub(crate) const DOWN_AFTER: u32 = 3;

pub(crate) struct Lane<T> {
    /// In order of arrival.
    pub(crate) waiting: VecDeque<Entry<T>>,
    /// Tried and to be tried again, in order of arrival; all older than what waits.
    pub(crate) retrying: VecDeque<Entry<T>>,
    /// Under way, by id.
    pub(crate) in_flight: BTreeMap<u64, Entry<T>>,
    /// The charge of all three, and of what is on disk alone.
    pub(crate) held: u64,
    /// Bytes on the wire of what is not under way.
    pub(crate) bytes: usize,
    /// What waits, in units of the batch's sizer.
    pub(crate) units: u64,
    /// Busy answers in a row.
    pub(crate) streak: u32,
    /// How often the pause was prolonged.
    pub(crate) pauses: u32,
    /// When the next probe goes out.
    pub(crate) paused: Option<Instant>,
    /// The probe under way.
    pub(crate) probe: Option<u64>,
    /// The pause may end earlier, if the destination can be reached again.
    pub(crate) watch: Option<Watch>,
    /// Newer than all three: what is on disk alone.
    pub(crate) spilled: Spilled,
}

/// What a lane does next.
pub(crate) enum Step<T> {
    /// Send this.
    Start(Entry<T>),
    /// Nobody wants its result any more.
    Discard(Entry<T>),
    /// Look again then; `None` is when something happens.
    Wait(Option<Instant>),
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            retrying: VecDeque::new(),
            in_flight: BTreeMap::new(),
            held: 0,
            bytes: 0,
            units: 0,
            streak: 0,
            pauses: 0,
            paused: None,
            probe: None,
            watch: None,
            spilled: Spilled::default(),
        }
    }
}

impl<T: Payload> Lane<T> {
    /// What may be given up: the oldest that is not under way.
    pub(crate) fn oldest(&self) -> Option<u64> {
        [self.retrying.front(), self.waiting.front()].into_iter().flatten().map(|entry| entry.seq).min()
    }

    /// Takes the oldest that is not under way out of the lane.
    pub(crate) fn pop_oldest(&mut self, policy: &Policy) -> Option<Entry<T>> {
        let entry = match self.take_retrying(0) {
            Some(entry) => entry,
            None => self.pop_waiting(policy)?,
        };
        self.held -= entry.charge;
        Some(entry)
    }

    /// Adds the newest.
    pub(crate) fn push(&mut self, policy: &Policy, entry: Entry<T>) {
        self.held += entry.charge;
        self.bytes += entry.item.bytes();
        self.units += units(&entry, policy.batch.as_ref());
        self.waiting.push_back(entry);
    }

    /// Adds something older than everything that waits.
    pub(crate) fn unshift(&mut self, policy: &Policy, entry: Entry<T>) {
        self.held += entry.charge;
        self.unpop_waiting(entry, policy);
    }

    /// Puts something that was taken out back in its place among what is tried again. The charge is still counted.
    pub(crate) fn put_back(&mut self, entry: Entry<T>) {
        self.bytes += entry.item.bytes();
        let place = self.retrying.partition_point(|other| other.place() < entry.place());
        self.retrying.insert(place, entry);
    }

    /// What to do now. While draining nothing waits, for company or for its time.
    pub(crate) fn next(&mut self, policy: &Policy, now: Instant, draining: bool) -> Step<T> {
        if let Some(until) = self.paused {
            if draining || self.probe.is_some() || (self.retrying.is_empty() && self.waiting.is_empty()) {
                return Step::Wait(None);
            }
            if now < until {
                return Step::Wait(Some(until));
            }
            let step = match self.take_retrying(0) {
                Some(entry) => Step::Start(entry),
                None => self.form(policy, now, false),
            };
            if let Step::Start(entry) = &step {
                self.probe = Some(entry.id);
            }
            return checked(step);
        }
        if self.in_flight.len() >= policy.consumers {
            return Step::Wait(None);
        }
        let ready = self.retrying.iter().position(|entry| entry.ready.is_none_or(|ready| ready <= now));
        if let Some(entry) = ready.and_then(|place| self.take_retrying(place)) {
            return checked(Step::Start(entry));
        }
        let mut wake = self.retrying.iter().filter_map(|entry| entry.ready).min().filter(|_| !draining);
        if self.in_flight.len() + self.retrying.len() < policy.consumers {
            match checked(self.form(policy, now, draining)) {
                Step::Wait(at) => wake = [wake, at].into_iter().flatten().min(),
                step => return step,
            }
        }
        Step::Wait(wake)
    }

    /// Takes the next of what waits, merged with others and divided as the policy says.
    fn form(&mut self, policy: &Policy, now: Instant, hurry: bool) -> Step<T> {
        let Some(oldest) = self.waiting.front() else { return Step::Wait(None) };
        let Some(batching) = &policy.batch else {
            return self.pop_waiting(policy).map_or(Step::Wait(None), Step::Start);
        };
        let due = oldest.enqueued + batching.flush_timeout;
        if self.units < batching.min && due > now && !hurry {
            return Step::Wait(Some(due));
        }
        let Some(mut batch) = self.pop_waiting(policy) else { return Step::Wait(None) };
        let mut size = units(&batch, Some(batching));
        while size < batching.min {
            let Some(next) = self.waiting.front().map(|next| units(next, Some(batching))) else { break };
            let room = batching.max.saturating_sub(size);
            // Exactly full, where it can be told; bytes cannot be cut to measure.
            if next > room && (batching.sizer == Sizer::Bytes || room == 0) {
                break;
            }
            let Some(mut next) = self.pop_waiting(policy) else { break };
            next = self.cut(next, room, policy, batching);
            let added = units(&next, Some(batching));
            if let Err(next) = batch.absorb(next) {
                self.unpop_waiting(next, policy);
                break;
            }
            size += added;
        }
        Step::Start(self.cut(batch, batching.max, policy, batching))
    }

    /// Cuts an entry to about `max` units; the rest waits first in line.
    fn cut(&mut self, entry: Entry<T>, max: u64, policy: &Policy, batching: &Batching) -> Entry<T> {
        let (size, items) = (units(&entry, Some(batching)), entry.item.items());
        if size <= max || items < 2 {
            return entry;
        }
        let share = u128::from(items) * u128::from(max) / u128::from(size);
        let share = u64::try_from(share).unwrap_or(items).clamp(1, items - 1);
        match entry.divide(policy.sizer, |item| item.split_at(share)) {
            Ok((first, rest)) => {
                self.unpop_waiting(rest, policy);
                first
            }
            Err(entry) => entry,
        }
    }

    /// Takes out what is to be tried again, by its place.
    pub(crate) fn take_retrying(&mut self, place: usize) -> Option<Entry<T>> {
        let entry = self.retrying.remove(place)?;
        self.bytes = self.bytes.saturating_sub(entry.item.bytes());
        Some(entry)
    }

    fn pop_waiting(&mut self, policy: &Policy) -> Option<Entry<T>> {
        let entry = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(entry.item.bytes());
        self.units = self.units.saturating_sub(units(&entry, policy.batch.as_ref()));
        if self.waiting.capacity() > 1024 && self.waiting.len() < self.waiting.capacity() / 4 {
            self.waiting.shrink_to(self.waiting.len() * 2);
        }
        Some(entry)
    }

    /// Takes the newest that waits out of the lane.
    pub(crate) fn pop_newest(&mut self, policy: &Policy) -> Option<Entry<T>> {
        let entry = self.waiting.pop_back()?;
        self.held -= entry.charge;
        self.bytes = self.bytes.saturating_sub(entry.item.bytes());
        self.units = self.units.saturating_sub(units(&entry, policy.batch.as_ref()));
        Some(entry)
    }

    fn unpop_waiting(&mut self, entry: Entry<T>, policy: &Policy) {
        self.bytes += entry.item.bytes();
        self.units += units(&entry, policy.batch.as_ref());
        self.waiting.push_front(entry);
    }

    /// The last chance before the instance ends: what waits alone for its next attempt gets it now, and no other.
    pub(crate) fn drain(&mut self) {
        self.retrying.iter_mut().for_each(|entry| entry.ready = None);
    }

    /// The destination takes data. Returns whether it had been waited for.
    pub(crate) fn resume(&mut self) -> bool {
        (self.streak, self.pauses) = (0, 0);
        self.watch = None;
        let was_paused = self.paused.take().is_some();
        if was_paused {
            self.probe = None;
            self.retrying.iter_mut().for_each(|entry| entry.ready = None);
        }
        was_paused
    }
}

fn checked<T: Payload>(step: Step<T>) -> Step<T> {
    match step {
        Step::Start(entry) if entry.is_withdrawn() => Step::Discard(entry),
        step => step,
    }
}

/// The size in units of the batch's sizer: bytes here are those on the wire alone.
fn units<T: Payload>(entry: &Entry<T>, batching: Option<&Batching>) -> u64 {
    match batching.map(|batching| batching.sizer) {
        None => 0,
        Some(Sizer::Bytes) => entry.item.bytes() as u64,
        Some(sizer) => measure(&entry.item, sizer),
    }
}
