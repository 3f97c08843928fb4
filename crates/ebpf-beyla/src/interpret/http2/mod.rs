//! HTTP/2: pairs requests and responses of one connection by their streams.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Connection`]: the calls that are open |
//! | `side.rs` | one side: finds frames, reads header blocks |
//! | `frame.rs` | frames |
//! | `body.rs` | bodies whose length is known: what is missing of them is counted |
//! | `hpack.rs`, `huffman.rs`, `static_table.rs` | header compression |

mod body;
pub mod frame;
pub mod hpack;
pub mod huffman;
mod side;
mod static_table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::hpack::Field;
use self::side::{Listener, Side};
use super::exchange::{Ending, Exchange, Protocol, cut};
use super::lane::{Moment, Segment};

/// The most calls that may be open on one connection.
const OPEN: usize = 1024;
/// How long a call may be silent on a side that was lost, before its end is taken for missed, in nanoseconds.
const SILENCE: u64 = 400_000_000;
/// The longest target that is kept.
const TARGET: usize = 2048;
/// The target of a call whose path refers to what was sent before the connection was seen.
const UNKNOWN: &str = "*";

#[derive(Debug)]
struct Call {
    exchange: Exchange,
    /// The request's first header block is done; what follows are trailers.
    asked: bool,
}

/// An HTTP/2 connection. What it tells has no addresses: they are the stream's.
#[derive(Debug)]
pub struct Connection {
    client: Side,
    server: Side,
    calls: BTreeMap<u32, Call>,
    /// Calls that were begun since they were last asked for.
    fresh: Vec<u32>,
    incomplete: u64,
}

impl Connection {
    /// A connection of which nothing was read yet; `joined` if its begin was not seen.
    pub fn new(joined: bool) -> Self {
        let (client, server) =
            if joined { (Side::joined(), Side::joined()) } else { (Side::new(true), Side::new(false)) };
        Self { client, server, calls: BTreeMap::new(), fresh: Vec::new(), incomplete: 0 }
    }

    /// Exchanges that could not be followed, since the last time this was asked.
    pub fn take_incomplete(&mut self) -> u64 {
        std::mem::take(&mut self.incomplete)
    }

    /// Goes over a segment of the client's direction.
    pub fn request(&mut self, segment: Segment<'_>, moment: Moment, out: &mut Vec<Exchange>) {
        let mut listener = Requests {
            calls: &mut self.calls,
            fresh: &mut self.fresh,
            incomplete: &mut self.incomplete,
            time: moment.time,
            out,
        };
        self.client.feed(segment, moment, &mut listener);
    }

    /// Goes over a segment of the server's direction.
    pub fn response(&mut self, segment: Segment<'_>, moment: Moment, out: &mut Vec<Exchange>) {
        let mut listener = Responses { calls: &mut self.calls, begun: moment, time: moment.time, out };
        self.server.feed(segment, moment, &mut listener);
    }

    /// The connection has ended.
    pub fn close(&mut self, time: u64, out: &mut Vec<Exchange>) {
        for mut call in std::mem::take(&mut self.calls).into_values() {
            if self.server.lost_at() > call.exchange.end && call.exchange.answered == 0 {
                self.incomplete += 1;
                continue;
            }
            call.exchange.end = time.max(call.exchange.start);
            call.exchange.ending = Ending::Broken;
            out.push(call.exchange);
        }
    }

    /// The requests that have no place in a trace yet.
    pub fn fresh(&mut self) -> impl Iterator<Item = &mut Exchange> {
        let fresh = std::mem::take(&mut self.fresh);
        self.calls.iter_mut().filter(move |(stream, _)| fresh.contains(stream)).map(|(_, call)| &mut call.exchange)
    }

    /// Whether there are such requests.
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether [`Self::sweep`] may have something to do.
    pub fn is_restless(&self) -> bool {
        self.server.lost_at() != 0 && !self.calls.is_empty()
    }

    /// Ends calls whose end may have been among what was missed.
    pub fn sweep(&mut self, now: u64, out: &mut Vec<Exchange>) {
        let lost_at = self.server.lost_at();
        if lost_at == 0 {
            return;
        }
        let missed = |call: &Call| lost_at >= call.exchange.end && now.saturating_sub(lost_at) >= SILENCE;
        let ended: Vec<u32> = self.calls.iter().filter(|(_, call)| missed(call)).map(|(stream, _)| *stream).collect();
        for stream in ended {
            let Some(mut call) = self.calls.remove(&stream) else { continue };
            match call.exchange.answered {
                0 => self.incomplete += 1,
                _ => {
                    call.exchange.ending = Ending::Assumed;
                    out.push(call.exchange);
                }
            }
        }
    }
}

/// Ends a call and tells of it.
fn finish(calls: &mut BTreeMap<u32, Call>, stream: u32, ending: Ending, time: u64, out: &mut Vec<Exchange>) {
    if let Some(mut call) = calls.remove(&stream) {
        (call.exchange.ending, call.exchange.end) = (ending, time);
        out.push(call.exchange);
    }
}

struct Requests<'a> {
    calls: &'a mut BTreeMap<u32, Call>,
    fresh: &'a mut Vec<u32>,
    incomplete: &'a mut u64,
    time: u64,
    out: &'a mut Vec<Exchange>,
}

impl Listener for Requests<'_> {
    fn headers(&mut self, stream: u32, begun: Moment) {
        if stream.is_multiple_of(2) || self.calls.contains_key(&stream) {
            return;
        }
        if self.calls.len() == OPEN {
            self.calls.pop_first();
            *self.incomplete += 1;
        }
        let exchange = Exchange {
            protocol: Protocol::Http2,
            pid: begun.pid,
            tid: begun.tid,
            start: begun.time,
            end: begun.time,
            sequence: begun.sequence,
            ..Exchange::default()
        };
        self.calls.insert(stream, Call { exchange, asked: false });
    }

    fn field(&mut self, stream: u32, field: Field<'_>) {
        let Some(call) = self.calls.get_mut(&stream).filter(|call| !call.asked) else { return };
        let exchange = &mut call.exchange;
        match (field.name, field.value) {
            (Some(":path"), value) => cut(value.unwrap_or(UNKNOWN), TARGET).clone_into(&mut exchange.target),
            (Some(":method"), Some(value)) => cut(value, 32).clone_into(&mut exchange.method),
            (Some(":scheme"), Some(value)) => cut(value, 16).clone_into(&mut exchange.scheme),
            (Some(name), Some(value)) => exchange.header(name, value),
            _ => {}
        }
    }

    fn headers_end(&mut self, stream: u32, _end: bool) {
        if let Some(call) = self.calls.get_mut(&stream) {
            if !std::mem::replace(&mut call.asked, true) {
                self.fresh.push(stream);
            }
            if call.exchange.target.is_empty() {
                UNKNOWN.clone_into(&mut call.exchange.target);
            }
            call.exchange.end = self.time;
        }
    }

    fn data(&mut self, stream: u32, bytes: u64, _end: bool) {
        if let Some(call) = self.calls.get_mut(&stream) {
            call.exchange.request_body = call.exchange.request_body.saturating_add(bytes);
            call.exchange.end = self.time;
        }
    }

    fn reset(&mut self, stream: u32, _code: u32) {
        finish(self.calls, stream, Ending::Broken, self.time, self.out);
    }
}

struct Responses<'a> {
    calls: &'a mut BTreeMap<u32, Call>,
    begun: Moment,
    time: u64,
    out: &'a mut Vec<Exchange>,
}

impl Listener for Responses<'_> {
    fn headers(&mut self, _stream: u32, begun: Moment) {
        self.begun = begun;
    }

    fn field(&mut self, stream: u32, field: Field<'_>) {
        let Some(call) = self.calls.get_mut(&stream) else { return };
        let exchange = &mut call.exchange;
        match (field.name, field.value) {
            (Some(":status"), Some(value)) => {
                // Interim responses announce another one.
                if let Ok(status @ 200..1000) = value.parse() {
                    exchange.status = Some(status);
                    (exchange.answered, exchange.response_tid) = (self.begun.time, self.begun.tid);
                }
            }
            (Some("grpc-status"), Some(value)) => exchange.grpc_status = value.parse().ok(),
            _ => {}
        }
    }

    fn headers_end(&mut self, stream: u32, end: bool) {
        self.data(stream, 0, end);
    }

    fn data(&mut self, stream: u32, bytes: u64, end: bool) {
        let Some(call) = self.calls.get_mut(&stream) else { return };
        call.exchange.response_body = call.exchange.response_body.saturating_add(bytes);
        call.exchange.end = self.time;
        if call.exchange.answered == 0 && bytes > 0 {
            // The header block was missed.
            (call.exchange.answered, call.exchange.response_tid) = (self.begun.time, self.begun.tid);
        }
        if end {
            finish(self.calls, stream, Ending::Complete, self.time, self.out);
        }
    }

    fn reset(&mut self, stream: u32, code: u32) {
        const NO_ERROR: u32 = 0;
        let ending = if code == NO_ERROR { Ending::Complete } else { Ending::Broken };
        finish(self.calls, stream, ending, self.time, self.out);
    }
}
