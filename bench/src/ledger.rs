//! Who sent what, and what came of it: every item has a number, and every number is looked for at every sink.
//!
//! An item carries [`mark`], eight bytes that are the run's, and its number right behind them (spans and log records:
//! the trace id; data points: start time and time, with the tag of the second between them). A sink finds the marks
//! by a search for bytes, which costs little and needs no decoder; a strict check of some of the bodies counts items
//! without a mark.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use corten_signal::otlp::{SignalKind, check};
use memchr::memmem::Finder;

/// The eight bytes of a run; no text and no small number has them.
pub(crate) fn mark(run: u32) -> [u8; 8] {
    let [a, b, c, d] = run.to_be_bytes();
    [0xc0, 0x27, 0xe9, 0xbe, a, b, c, d]
}

/// The tag of a data point's time.
const TIME: u8 = 0x19;

/// Distance from the mark to the number.
pub(crate) fn gap(kind: SignalKind) -> usize {
    if kind == SignalKind::Metrics { 9 } else { 8 }
}

/// The number of the item whose mark is at a place. Numbers are written one higher, since some leave out a time that
/// is zero; and some write the time in front of the start.
fn number(kind: SignalKind, body: &[u8], at: usize) -> Option<u64> {
    let turned = kind == SignalKind::Metrics && body.get(at + 8) != Some(&TIME);
    let from = if turned {
        at.checked_sub(gap(kind)).filter(|from| body.get(from.wrapping_sub(1)) == Some(&TIME))
    } else {
        Some(at + gap(kind))
    };
    let bytes = body.get(from?..)?.first_chunk::<8>()?;
    u64::from_be_bytes(*bytes).checked_sub(1)
}

/// What a run owes, in items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged to the client, by count.
    pub acknowledged: u64,
    /// Acknowledged and not arrived.
    pub lost: u64,
    /// Arrivals beyond the first.
    pub duplicated: u64,
    /// Arrived without having been sent in this run.
    pub foreign: u64,
    /// Bodies that cannot be read or are no OTLP.
    pub malformed: u64,
    /// Bytes that the sinks got, as they came.
    pub wire_bytes: u64,
    /// Requests that the sinks got.
    pub requests: u64,
}

impl Verdict {
    /// Whether each acknowledged item arrived once and nothing else did.
    pub fn is_exact(&self) -> bool {
        self.lost + self.duplicated + self.foreign + self.malformed == 0
    }
}

struct Sink {
    seen: Vec<u8>,
    arrived: u64,
    verdict: Verdict,
}

struct State {
    sinks: Vec<Sink>,
    /// By request.
    acknowledged: Vec<bool>,
    /// By request, since the start; zero if arrivals are not timed.
    sent: Vec<Duration>,
    /// From sending a request to its first item's arrival at the first sink.
    delays: Vec<Duration>,
    bodies: u64,
    first: Option<Instant>,
    last: Instant,
}

/// The books of one run.
pub(crate) struct Ledger {
    kind: SignalKind,
    per_request: u64,
    mark: Finder<'static>,
    /// One body in so many is checked strictly.
    every: u64,
    start: Instant,
    state: RefCell<State>,
}

impl Ledger {
    pub(crate) fn new(kind: SignalKind, run: u32, requests: u64, per_request: u64, sinks: usize, every: u64) -> Self {
        let items = usize::try_from(requests * per_request).unwrap_or(usize::MAX);
        let sink = || Sink { seen: vec![0; items], arrived: 0, verdict: Verdict::default() };
        let state = State {
            sinks: (0..sinks).map(|_| sink()).collect(),
            acknowledged: vec![false; requests as usize],
            sent: vec![Duration::ZERO; requests as usize],
            delays: Vec::new(),
            bodies: 0,
            first: None,
            last: Instant::now(),
        };
        let mark = Finder::new(&mark(run)).into_owned();
        Self { kind, per_request, mark, every: every.max(1), start: Instant::now(), state: RefCell::new(state) }
    }

    /// A request leaves.
    pub(crate) fn sent(&self, request: u64) {
        let elapsed = self.start.elapsed();
        if let Some(sent) = self.state.borrow_mut().sent.get_mut(request as usize) {
            *sent = elapsed;
        }
    }

    /// The collector took a request.
    pub(crate) fn acknowledged(&self, request: u64) {
        if let Some(slot) = self.state.borrow_mut().acknowledged.get_mut(request as usize) {
            *slot = true;
        }
    }

    /// A body arrived at a sink, decompressed or not readable.
    pub(crate) fn arrived(&self, sink: usize, wire_bytes: usize, body: Option<&[u8]>) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.last = Instant::now();
        state.first.get_or_insert(state.last);
        state.bodies += 1;
        let books = &mut state.sinks[sink];
        books.verdict.wire_bytes += wire_bytes as u64;
        books.verdict.requests += 1;
        let Some(body) = body else {
            books.verdict.malformed += 1;
            return;
        };
        let mut marks = 0_usize;
        for at in self.mark.find_iter(body) {
            marks += 1;
            let slot = number(self.kind, body, at)
                .and_then(|number| Some((number, books.seen.get_mut(usize::try_from(number).ok()?)?)));
            let Some((number, seen)) = slot else {
                books.verdict.foreign += 1;
                continue;
            };
            if *seen == 0 {
                books.arrived += 1;
                if sink == 0 && number.is_multiple_of(self.per_request) {
                    let sent = state.sent[(number / self.per_request) as usize];
                    state.delays.push(self.start.elapsed().saturating_sub(sent));
                }
            } else {
                books.verdict.duplicated += 1;
            }
            *seen = seen.saturating_add(1);
        }
        if state.bodies.is_multiple_of(self.every) || marks == 0 {
            match check(self.kind, body) {
                Ok(found) => books.verdict.foreign += found.items.saturating_sub(marks) as u64,
                Err(_) => books.verdict.malformed += 1,
            }
        }
    }

    /// What comes from now on is the first.
    pub(crate) fn forget_times(&self) {
        let mut state = self.state.borrow_mut();
        (state.first, state.last) = (None, Instant::now());
    }

    /// When something first came, and last.
    pub(crate) fn times(&self) -> (Instant, Instant) {
        let state = self.state.borrow();
        (state.first.unwrap_or(state.last), state.last)
    }

    /// Whether every sink has as many different items as were acknowledged, and when something last came.
    pub(crate) fn progress(&self) -> (bool, Instant) {
        let state = self.state.borrow();
        let acknowledged = state.acknowledged.iter().filter(|yes| **yes).count() as u64 * self.per_request;
        (state.sinks.iter().all(|sink| sink.arrived >= acknowledged), state.last)
    }

    /// The books closed, over all sinks, and the delays of arrival.
    pub(crate) fn close(&self) -> (Verdict, Vec<Duration>) {
        let mut state = self.state.borrow_mut();
        let mut sum = Verdict::default();
        let acknowledged = state.acknowledged.clone();
        sum.acknowledged = acknowledged.iter().filter(|yes| **yes).count() as u64 * self.per_request;
        for sink in &state.sinks {
            let books = sink.verdict;
            sum.duplicated += books.duplicated;
            sum.foreign += books.foreign;
            sum.malformed += books.malformed;
            sum.wire_bytes += books.wire_bytes;
            sum.requests += books.requests;
            for (request, items) in sink.seen.chunks(self.per_request as usize).enumerate() {
                if acknowledged[request] {
                    sum.lost += items.iter().filter(|seen| **seen == 0).count() as u64;
                }
            }
        }
        (sum, std::mem::take(&mut state.delays))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payloads;

    fn ledger(kind: SignalKind) -> (Ledger, Payloads) {
        (Ledger::new(kind, 7, 4, 10, 2, 1), Payloads::new(kind, 7, 10))
    }

    #[test]
    fn what_arrives_once_everywhere_is_exact() {
        for kind in [SignalKind::Traces, SignalKind::Logs, SignalKind::Metrics] {
            let (ledger, payloads) = ledger(kind);
            for request in 0..4 {
                let body = payloads.body(request);
                ledger.acknowledged(request);
                ledger.arrived(0, body.len(), Some(&body));
                assert!(!ledger.progress().0);
                ledger.arrived(1, body.len(), Some(&body));
                assert!(ledger.progress().0);
            }
            let (verdict, delays) = ledger.close();
            assert!(verdict.is_exact(), "{kind:?}: {verdict:?}");
            assert_eq!((verdict.acknowledged, verdict.requests, delays.len()), (40, 8, 4));
        }
    }

    #[test]
    fn a_point_may_name_its_time_first() {
        let (ledger, payloads) = ledger(SignalKind::Metrics);
        let mut body = payloads.body(0);
        let places: Vec<usize> = ledger.mark.find_iter(&body).collect();
        for at in places {
            // A tag and eight bytes each.
            body[at - 1..at + 17].rotate_left(9);
        }
        ledger.acknowledged(0);
        ledger.arrived(0, body.len(), Some(&body));
        ledger.arrived(1, body.len(), Some(&body));
        let (verdict, _) = ledger.close();
        assert!(verdict.is_exact(), "{verdict:?}");
    }

    #[test]
    fn what_is_missing_twice_or_strange_is_counted() {
        for kind in [SignalKind::Traces, SignalKind::Logs, SignalKind::Metrics] {
            let (ledger, payloads) = ledger(kind);
            ledger.acknowledged(0);
            ledger.acknowledged(1);
            let body = payloads.body(0);
            ledger.arrived(0, body.len(), Some(&body));
            ledger.arrived(0, body.len(), Some(&body));
            ledger.arrived(1, body.len(), Some(&body));
            // Of another run, beyond the last number, not to be read, and no OTLP.
            let other = Payloads::new(kind, 8, 10).body(0);
            ledger.arrived(0, other.len(), Some(&other));
            let beyond = payloads.body(4);
            ledger.arrived(0, beyond.len(), Some(&beyond));
            ledger.arrived(0, 3, None);
            ledger.arrived(0, 3, Some(&[0xff; 3]));
            let (verdict, _) = ledger.close();
            let counted = (verdict.lost, verdict.duplicated, verdict.foreign, verdict.malformed);
            assert_eq!(counted, (20, 10, 20, 2), "{kind:?}");
            assert!(!verdict.is_exact());
        }
    }
}
