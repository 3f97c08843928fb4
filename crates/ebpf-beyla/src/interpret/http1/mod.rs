//! HTTP/1: pairs requests and responses of one connection, in whatever pieces they come.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Conversation`]: both sides of a connection, requests that wait for their response |
//! | `side.rs` | one side: finds heads and goes over bodies |
//! | `head.rs` | first lines and headers |
//! | `chunks.rs` | chunked bodies |
//!
//! Responses answer requests in order, so that pipelining needs nothing but a queue.

pub mod chunks;
pub mod head;
mod side;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::head::{Body, Request, Response};
use self::side::{Kind, Listener, Side};
use super::exchange::{Ending, Exchange, Protocol, cut};
use super::lane::{Moment, Segment};

/// The most requests that may wait for a response on one connection.
const WAITING: usize = 128;
/// How long a response whose end is not known may be silent before it is taken for ended, in nanoseconds.
const SILENCE: u64 = 400_000_000;
/// The status of a request that has waited for too long.
const TIMEOUT: u16 = 408;
/// The longest target that is kept.
const TARGET: usize = 2048;

/// An HTTP/1 connection. What it tells has no addresses: they are the stream's.
#[derive(Debug)]
pub struct Conversation {
    request: Side,
    response: Side,
    waiting: VecDeque<Exchange>,
    /// Methods of requests that were told without their responses, which may still come.
    expired: VecDeque<String>,
    /// The response goes on until the connection ends.
    until_close: bool,
    /// Bytes of a response went that could not be read, since the last one that could.
    blind: bool,
    /// The protocol that took over, in lower case.
    upgrade: Option<String>,
    /// Exchanges that were begun and could not be followed.
    incomplete: u64,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// A connection of which nothing was read yet.
    pub fn new() -> Self {
        Self {
            request: Side::new(Kind::Request),
            response: Side::new(Kind::Response),
            waiting: VecDeque::new(),
            expired: VecDeque::new(),
            until_close: false,
            blind: false,
            upgrade: None,
            incomplete: 0,
        }
    }

    /// The protocol that took over, once one has.
    pub fn upgrade(&self) -> Option<&str> {
        self.upgrade.as_deref()
    }

    /// Exchanges that could not be followed, since the last time this was asked.
    pub fn take_incomplete(&mut self) -> u64 {
        std::mem::take(&mut self.incomplete)
    }

    /// Bytes of a request's body that need not be captured.
    pub fn skippable_request(&self) -> u64 {
        self.request.skippable()
    }

    /// Bytes of a response's body that need not be captured.
    pub fn skippable_response(&self) -> u64 {
        self.response.skippable()
    }

    /// Goes over a segment of the requests' direction.
    pub fn request(&mut self, segment: Segment<'_>, moment: Moment, out: &mut Vec<Exchange>) {
        // A new request after a response whose end was not seen: that was it.
        if moment.turn && self.response.is_unknown() && self.is_answered() {
            self.finish(Ending::Assumed, out);
        }
        let mut listener = Requests { waiting: &mut self.waiting, incomplete: &mut self.incomplete };
        self.request.feed(segment, moment, &mut listener);
    }

    /// Goes over a segment of the responses' direction.
    pub fn response(&mut self, segment: Segment<'_>, moment: Moment, out: &mut Vec<Exchange>) {
        if let Some(front) = self.waiting.front_mut().filter(|front| front.answered != 0) {
            front.end = moment.time;
        }
        let mut listener = Responses {
            waiting: &mut self.waiting,
            expired: &mut self.expired,
            until_close: &mut self.until_close,
            blind: &mut self.blind,
            upgrade: &mut self.upgrade,
            orphan: false,
            time: moment.time,
            out,
        };
        self.response.feed(segment, moment, &mut listener);
        if self.response.is_tunnel() {
            self.request.tunnel();
        }
    }

    /// The connection has ended.
    pub fn close(&mut self, time: u64, out: &mut Vec<Exchange>) {
        if self.is_answered() {
            let ending = match (self.response.is_unknown(), self.until_close) {
                (true, true) => Ending::Complete,
                (true, false) => Ending::Assumed,
                (false, _) => Ending::Broken,
            };
            self.finish(ending, out);
        }
        for mut exchange in self.waiting.drain(..) {
            if self.blind {
                self.incomplete += 1;
                continue;
            }
            exchange.end = time.max(exchange.start);
            exchange.ending = Ending::Broken;
            out.push(exchange);
        }
    }

    /// Ends what has been silent for too long.
    pub fn sweep(&mut self, now: u64, out: &mut Vec<Exchange>) {
        let silent = |exchange: &Exchange| now.saturating_sub(exchange.end) >= SILENCE;
        if self.is_restless() && self.waiting.front().is_some_and(silent) {
            self.finish(Ending::Assumed, out);
        }
    }

    /// Tells of requests that have waited for longer than that, with status 408; their responses are not told.
    pub fn expire(&mut self, now: u64, timeout: u64, out: &mut Vec<Exchange>) {
        let late = |front: &Exchange| front.answered == 0 && now.saturating_sub(front.start) >= timeout;
        while self.waiting.front().is_some_and(late) {
            let Some(mut exchange) = self.waiting.pop_front() else { return };
            exchange.status = Some(TIMEOUT);
            exchange.end = exchange.start.saturating_add(timeout);
            if self.expired.len() < WAITING {
                self.expired.push_back(exchange.method.clone());
            }
            out.push(exchange);
        }
    }

    /// Whether a request waits for its response.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The requests that have no place in a trace yet.
    pub fn fresh(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.waiting.iter_mut().rev().take_while(|exchange| exchange.context.is_none())
    }

    /// Whether [`Self::sweep`] may have something to do.
    pub fn is_restless(&self) -> bool {
        self.response.is_unknown() && !self.until_close && self.is_answered()
    }

    /// Whether the first request that waits has the begin of its response.
    fn is_answered(&self) -> bool {
        self.waiting.front().is_some_and(|front| front.answered != 0)
    }

    fn finish(&mut self, ending: Ending, out: &mut Vec<Exchange>) {
        self.until_close = false;
        if let Some(mut exchange) = first(&mut self.waiting) {
            exchange.ending = ending;
            out.push(exchange);
        }
    }
}

/// Takes the first one out. Most connections are idle most of the time, so that room for more is not kept.
fn first(waiting: &mut VecDeque<Exchange>) -> Option<Exchange> {
    let first = waiting.pop_front();
    if waiting.is_empty() {
        *waiting = VecDeque::new();
    }
    first
}

struct Requests<'a> {
    waiting: &'a mut VecDeque<Exchange>,
    incomplete: &'a mut u64,
}

impl Listener for Requests<'_> {
    fn head(&mut self, bytes: &[u8], _whole: bool, begun: Moment) -> Option<Body> {
        let request = Request::parse(bytes)?;
        let mut exchange = Exchange {
            protocol: if request.version == Some(0) { Protocol::Http10 } else { Protocol::Http11 },
            pid: begun.pid,
            tid: begun.tid,
            method: request.method.to_owned(),
            target: cut(request.target, TARGET).to_owned(),
            start: begun.time,
            sequence: begun.sequence,
            ..Exchange::default()
        };
        request.headers.iter().for_each(|(name, value)| exchange.header(name, value));
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            *self.incomplete += 1;
        }
        self.waiting.push_back(exchange);
        Some(request.body())
    }

    fn body(&mut self, bytes: u64) {
        if let Some(last) = self.waiting.back_mut() {
            last.request_body = last.request_body.saturating_add(bytes);
        }
    }

    fn end(&mut self) {}
}

struct Responses<'a> {
    waiting: &'a mut VecDeque<Exchange>,
    expired: &'a mut VecDeque<String>,
    until_close: &'a mut bool,
    blind: &'a mut bool,
    upgrade: &'a mut Option<String>,
    /// The response that is being read answers a request that was not seen.
    orphan: bool,
    time: u64,
    out: &'a mut Vec<Exchange>,
}

impl Responses<'_> {
    fn finish(&mut self, ending: Ending) {
        *self.until_close = false;
        if self.waiting.front().is_none_or(|front| front.answered == 0) {
            return;
        }
        if let Some(mut exchange) = first(self.waiting) {
            exchange.ending = ending;
            self.out.push(exchange);
        }
    }
}

impl Listener for Responses<'_> {
    fn head(&mut self, bytes: &[u8], whole: bool, begun: Moment) -> Option<Body> {
        let response = Response::parse(bytes)?;
        if response.is_interim() && whole {
            return None;
        }
        // Only if the end of the one before was not seen.
        self.finish(Ending::Assumed);
        *self.blind = false;
        if let Some(method) = self.expired.pop_front() {
            self.orphan = true;
            return Some(response.body(&method));
        }
        let Some(front) = self.waiting.front_mut() else {
            self.orphan = true;
            return Some(response.body(""));
        };
        front.status = Some(response.status);
        front.answered = begun.time;
        front.response_tid = begun.tid;
        front.end = self.time;
        let body = response.body(&front.method);
        *self.until_close = body == Body::UntilClose;
        if body == Body::Tunnel {
            *self.upgrade = Some(response.headers.get("upgrade").unwrap_or_default().to_ascii_lowercase());
        }
        Some(body)
    }

    fn body(&mut self, bytes: u64) {
        match self.waiting.front_mut() {
            Some(front) if front.answered != 0 => front.response_body = front.response_body.saturating_add(bytes),
            _ => *self.blind = true,
        }
    }

    fn end(&mut self) {
        match std::mem::take(&mut self.orphan) {
            true => {}
            false => self.finish(Ending::Complete),
        }
    }
}
