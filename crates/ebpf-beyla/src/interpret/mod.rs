//! Reads records and tells which requests were made and answered. Pure: no clock, no kernel, no network.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Interpreter`]: all streams |
//! | `stream.rs` | one stream: recognises its protocol |
//! | `lane.rs` | one direction of a stream: order and gaps |
//! | `http1/`, `http2/` | the protocols |
//! | `context.rs` | places in traces: which call belongs to which request |
//! | `exchange.rs` | [`Exchange`]: what comes out |
//!
//! Whatever is missing, cut or damaged in the records costs the exchanges that it belonged to, and they are counted
//! ([`Interpreter::take_incomplete`]); what comes after is right again.

pub mod context;
pub mod exchange;
pub mod http1;
pub mod http2;
pub mod lane;
pub mod stream;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use self::context::Contexts;
use self::exchange::{Ends, Exchange};
use self::lane::Moment;
use self::stream::Stream;
use crate::record::{Data, Direction, End, Event, Head, Record, Role, Verdict};

/// The most streams that are followed at a time.
const STREAMS: usize = 200_000;
/// How long a stream may be idle before it is forgotten, in nanoseconds: its end may have been missed.
const IDLE: u64 = 3_600_000_000_000;

/// What the file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long an HTTP/1 request may wait for its response, in nanoseconds; 0 is any time.
    pub timeout: u64,
    /// Whether calls are joined with requests by what is seen of them, rather than by headers alone.
    pub joins: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: 0, joins: true }
    }
}

/// Follows streams.
#[derive(Debug, Default)]
pub struct Interpreter {
    timeout: u64,
    streams: HashMap<u64, Stream>,
    /// Streams in which time passing may end something.
    restless: HashSet<u64>,
    contexts: Contexts,
    exchanges: Vec<Exchange>,
    verdicts: Vec<Verdict>,
    incomplete: u64,
    next_cleaning: u64,
}

impl Interpreter {
    /// No streams yet.
    pub fn new(options: Options) -> Self {
        Self { timeout: options.timeout, contexts: Contexts::new(options.joins), ..Self::default() }
    }

    /// Takes a record.
    pub fn take(&mut self, record: &Record<'_>) {
        let Head { time, stream, .. } = record.head;
        match &record.event {
            Event::Open(open) if self.has_room(time) => {
                let entry = self.streams.entry(stream).or_insert_with(|| Stream::new(false));
                entry.used = time;
                entry.open(open);
            }
            Event::Data(data) => self.data(&record.head, data),
            Event::Tls(tls) => {
                if let Some(inner) = self.streams.get_mut(&stream) {
                    inner.carrier = Some(tls.connection);
                } else if self.has_room(time) {
                    let mut inner = Stream::new(true);
                    (inner.carrier, inner.used) = (Some(tls.connection), time);
                    self.streams.insert(stream, inner);
                }
            }
            Event::Close(close) if close.end == End::Gone => {
                self.close(stream, time, [(Direction::Send, close.sent), (Direction::Receive, close.received)]);
            }
            _ => {}
        }
    }

    /// Time has passed. Called some ten times a second.
    pub fn sweep(&mut self, now: u64) {
        let timeout = self.timeout;
        let waiting: Vec<u64> = self.restless.iter().copied().collect();
        for number in waiting {
            let mut out = Vec::new();
            let restless = self.streams.get_mut(&number).is_some_and(|stream| {
                stream.sweep(now, timeout, &mut out);
                stream.is_restless(timeout)
            });
            if !restless {
                self.restless.remove(&number);
            }
            self.tell(number, out);
        }
        if now >= self.next_cleaning {
            self.next_cleaning = now.saturating_add(IDLE / 60);
            let old: Vec<u64> = self
                .streams
                .iter()
                .filter(|(_, stream)| now.saturating_sub(stream.used) > IDLE)
                .map(|(number, _)| *number)
                .collect();
            old.into_iter().for_each(|number| self.close(number, now, [(Direction::Send, 0), (Direction::Receive, 0)]));
        }
    }

    /// What was told since this was last asked.
    pub fn take_exchanges(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.exchanges)
    }

    /// What the kernel should do differently, since this was last asked.
    pub fn take_verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }

    /// Exchanges that were begun and could not be followed, since this was last asked.
    pub fn take_incomplete(&mut self) -> u64 {
        std::mem::take(&mut self.incomplete)
    }

    /// How many streams are followed.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    fn has_room(&mut self, time: u64) -> bool {
        if self.streams.len() >= STREAMS {
            // Half an hour's idle ones go early; if there are none, new streams are not followed.
            self.streams.retain(|_, stream| time.saturating_sub(stream.used) < IDLE / 2);
        }
        self.streams.len() < STREAMS
    }

    fn data(&mut self, head: &Head, data: &Data<'_>) {
        let number = head.stream;
        if !self.streams.contains_key(&number) {
            if !self.has_room(head.time) {
                self.incomplete += u64::from(data.turn);
                return;
            }
            self.streams.insert(number, Stream::new(data.tls));
        }
        let role = self.carrier(number).map_or(Role::Unknown, |carrier| carrier.role);
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if stream.role == Role::Unknown {
            stream.role = role;
        }
        let moment = Moment {
            time: head.time,
            pid: head.pid,
            tid: head.tid,
            call_start: data.call_start,
            turn: data.turn,
            offset: data.offset,
            sequence: data.sequence,
        };
        let mut out = Vec::new();
        if let Some(wish) = stream.take(data, moment, &mut out) {
            self.verdicts.push(Verdict { stream: number, mode: wish.mode, skip: wish.skip });
        }
        if stream.is_restless(self.timeout) {
            self.restless.insert(number);
        }
        self.incomplete += stream.take_incomplete();
        let (role, ends) = (stream.role, self.ends(number).cloned());
        let client_port = ends.map(|ends| if role == Role::Client { ends.local_port } else { ends.remote_port });
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.begin(|exchange| self.contexts.begin(exchange, role, client_port.unwrap_or_default()));
        }
        self.tell(number, out);
    }

    fn close(&mut self, number: u64, time: u64, ends: [(Direction, u64); 2]) {
        // Nothing is known of the ends of what is inside.
        const UNKNOWN: [(Direction, u64); 2] = [(Direction::Send, 0), (Direction::Receive, 0)];
        let inside: Vec<u64> = self
            .streams
            .get(&number)
            .filter(|stream| !stream.is_tls())
            .map(|_| self.streams.iter().filter(|(_, s)| s.carrier == Some(number)).map(|(inner, _)| *inner).collect())
            .unwrap_or_default();
        for inner in inside.into_iter().chain([number]) {
            let mut out = Vec::new();
            if let Some(stream) = self.streams.get_mut(&inner) {
                stream.close(time, if inner == number { ends } else { UNKNOWN }, &mut out);
                self.incomplete += stream.take_incomplete();
            }
            self.tell(inner, out);
            self.streams.remove(&inner);
            self.restless.remove(&inner);
        }
    }

    fn carrier(&self, number: u64) -> Option<&Stream> {
        self.streams.get(&self.streams.get(&number)?.carrier?)
    }

    /// Adds what a stream's exchanges have in common, and keeps them.
    fn tell(&mut self, number: u64, out: Vec<Exchange>) {
        let Some(stream) = self.streams.get(&number).filter(|_| !out.is_empty()) else { return };
        let (ends, role, tls) = (self.ends(number).cloned(), stream.role, stream.is_tls());
        for mut exchange in out {
            if exchange.context.is_none() {
                self.contexts.begin(&mut exchange, role, 0);
            }
            self.contexts.end(&exchange);
            (exchange.ends, exchange.role, exchange.tls, exchange.stream) = (ends.clone(), role, tls, number);
            self.exchanges.push(exchange);
        }
    }

    fn ends(&self, number: u64) -> Option<&Ends> {
        self.streams.get(&number)?.ends.as_ref().or_else(|| self.carrier(number)?.ends.as_ref())
    }
}
