//! Places in traces: which trace a request belongs to, and which call was made on behalf of which request.
//!
//! A request that carries `traceparent` says so itself (W3C Trace Context). Otherwise:
//!
//! - A server's request continues the client's call that sent it, if both ends are on this machine: the TCP sequence
//!   number of the first byte and the client's port are the same on both.
//! - A client's call belongs to the request that its thread is answering. A thread that answers several at a time
//!   (an event loop) makes its first call after it received a request on behalf of that one; of later ones it cannot be
//!   known, and they begin traces of their own rather than join a wrong one. A thread that answers none (goroutines
//!   move between threads) belongs to the process's only request, if there is just one.

use std::collections::{HashMap, VecDeque};

use super::exchange::Exchange;
use crate::record::Role;

/// The most requests that are remembered as open for one process.
const OPEN: usize = 4096;
/// The most calls that are remembered for the other end to continue.
const SENT: usize = 16_384;

/// A place in a trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Context {
    /// The trace; 0 while it has no place.
    pub trace: u128,
    /// The span.
    pub span: u64,
    /// The span that it belongs to; 0 if it is the first one.
    pub parent: u64,
    /// What whoever began the trace decided about sampling; `None` if nobody has.
    pub sampled: Option<bool>,
}

impl Context {
    /// Whether the place is still to be found.
    pub fn is_none(&self) -> bool {
        self.trace == 0
    }

    /// Reads `traceparent`: the trace and the span of the sender.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |text: &str, len| {
            text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let fits = lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(span, 16) && lower_hex(flags, 2);
        // Later versions may say more.
        if !fits || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, parent: 0, sampled: Some(flags & 1 != 0) })
    }
}

#[derive(Debug)]
struct Open {
    context: Context,
    tid: u32,
}

/// A call, for the other end to continue.
#[derive(Debug, Clone, Copy)]
struct Sent {
    context: Context,
    pid: u32,
}

/// All places that are in use.
#[derive(Debug, Default)]
pub struct Contexts {
    /// Only what headers say counts.
    headers_only: bool,
    /// Requests that are being answered, by process, in order of their begin.
    open: HashMap<u32, VecDeque<Open>>,
    /// The request that a thread received last, until a call was made for it.
    received: HashMap<(u32, u32), u64>,
    /// Calls by the sequence number of their first byte and the client's port.
    sent: HashMap<(u32, u16), Sent>,
    order: VecDeque<(u32, u16)>,
    random: fastrand::Rng,
}

impl Contexts {
    /// None yet. If it does not `join`, only what headers say counts.
    pub fn new(joins: bool) -> Self {
        Self { headers_only: !joins, ..Self::default() }
    }

    /// Finds the place of a request that was just begun.
    pub fn begin(&mut self, exchange: &mut Exchange, role: Role, client_port: u16) {
        let link = (exchange.sequence, client_port);
        let known = (link.0 != 0 && link.1 != 0).then_some(link);
        let sent = known.filter(|_| role != Role::Client).and_then(|link| self.sent.get(&link).copied());
        exchange.caller = sent.map_or(0, |sent| sent.pid);
        let parent = Context::parse(&exchange.traceparent).or_else(|| match role {
            _ if self.headers_only => None,
            Role::Client => self.on_behalf_of(exchange.pid, exchange.tid),
            Role::Server | Role::Unknown => sent.map(|sent| sent.context),
        });
        let context = Context {
            trace: parent.map_or_else(|| self.random.u128(1..), |parent| parent.trace),
            span: self.random.u64(1..),
            parent: parent.map_or(0, |parent| parent.span),
            sampled: parent.and_then(|parent| parent.sampled),
        };
        exchange.context = context;
        match (role, known) {
            (Role::Client, Some(link)) => self.remember_sent(link, Sent { context, pid: exchange.pid }),
            (Role::Client, None) => {}
            _ => self.remember_open(exchange.pid, exchange.tid, context),
        }
    }

    /// A request has been answered, or never will be.
    pub fn end(&mut self, exchange: &Exchange) {
        let Some(open) = self.open.get_mut(&exchange.pid) else { return };
        open.retain(|one| one.context.span != exchange.context.span);
        if open.is_empty() {
            self.open.remove(&exchange.pid);
        }
        if self.received.get(&(exchange.pid, exchange.tid)) == Some(&exchange.context.span) {
            self.received.remove(&(exchange.pid, exchange.tid));
        }
    }

    fn remember_open(&mut self, pid: u32, tid: u32, context: Context) {
        let open = self.open.entry(pid).or_default();
        if open.len() == OPEN {
            open.pop_front();
        }
        open.push_back(Open { context, tid });
        self.received.insert((pid, tid), context.span);
    }

    fn remember_sent(&mut self, link: (u32, u16), sent: Sent) {
        if self.order.len() == SENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.sent.remove(&oldest);
        }
        if self.sent.insert(link, sent).is_none() {
            self.order.push_back(link);
        }
    }

    fn on_behalf_of(&mut self, pid: u32, tid: u32) -> Option<Context> {
        let open = self.open.get(&pid)?;
        let mut own = open.iter().filter(|one| one.tid == tid);
        match (own.next(), own.next()) {
            (Some(only), None) => Some(only.context),
            (None, _) => (open.len() == 1).then(|| open.front().map(|only| only.context)).flatten(),
            (Some(_), Some(_)) => {
                let last = self.received.remove(&(pid, tid))?;
                open.iter().find(|one| one.context.span == last).map(|one| one.context)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(tid: u32) -> Exchange {
        Exchange { pid: 1, tid, ..Exchange::default() }
    }

    fn begin(contexts: &mut Contexts, role: Role, tid: u32) -> Exchange {
        let mut exchange = exchange(tid);
        contexts.begin(&mut exchange, role, 0);
        exchange
    }

    #[test]
    fn a_traceparent_is_continued_if_it_is_one() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = Context::parse(valid).unwrap();
        assert_eq!((context.trace, context.span), (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331));
        assert_eq!(context.sampled, Some(true));
        assert!(Context::parse(&format!("cc{}-more", &valid[2..])).is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(Context::parse(bad), None, "{bad}");
        }
        let mut exchange = Exchange { traceparent: valid.to_owned(), ..exchange(1) };
        Contexts::default().begin(&mut exchange, Role::Server, 0);
        assert_eq!((exchange.context.trace, exchange.context.parent), (context.trace, context.span));
    }

    #[test]
    fn a_call_belongs_to_the_request_of_its_thread() {
        let mut contexts = Contexts::default();
        let one = begin(&mut contexts, Role::Server, 1);
        let two = begin(&mut contexts, Role::Server, 2);
        for (thread, request) in [(1, &one), (2, &two), (1, &one)] {
            let call = begin(&mut contexts, Role::Client, thread);
            assert_eq!((call.context.trace, call.context.parent), (request.context.trace, request.context.span));
        }
        assert_eq!(begin(&mut contexts, Role::Client, 3).context.parent, 0, "either could be meant");
        contexts.end(&one);
        assert_eq!(begin(&mut contexts, Role::Client, 3).context.parent, two.context.span);
        contexts.end(&two);
        assert_eq!(begin(&mut contexts, Role::Client, 2).context.parent, 0);
        assert!(contexts.open.is_empty() && contexts.received.is_empty());
    }

    #[test]
    fn an_event_loop_is_not_guessed_about() {
        let mut contexts = Contexts::default();
        let _first = begin(&mut contexts, Role::Server, 1);
        let second = begin(&mut contexts, Role::Server, 1);
        assert_eq!(begin(&mut contexts, Role::Client, 1).context.parent, second.context.span);
        assert_eq!(begin(&mut contexts, Role::Client, 1).context.parent, 0);
    }

    #[test]
    fn the_other_end_continues_the_call() {
        let mut contexts = Contexts::default();
        let mut call = Exchange { sequence: 77, ..exchange(1) };
        contexts.begin(&mut call, Role::Client, 40_000);
        let mut request = Exchange { sequence: 77, pid: 2, ..exchange(9) };
        contexts.begin(&mut request, Role::Server, 40_000);
        assert_eq!((request.context.trace, request.context.parent), (call.context.trace, call.context.span));
        assert_eq!(request.caller, 1);
        let mut other = Exchange { sequence: 77, pid: 2, ..exchange(9) };
        contexts.begin(&mut other, Role::Server, 40_001);
        assert_eq!(other.context.parent, 0);
    }

    #[test]
    fn nothing_is_joined_if_only_headers_count() {
        let mut contexts = Contexts::new(false);
        let request = begin(&mut contexts, Role::Server, 1);
        assert_eq!(begin(&mut contexts, Role::Client, 1).context.parent, 0);
        let mut call = Exchange { sequence: 77, ..exchange(1) };
        contexts.begin(&mut call, Role::Client, 40_000);
        let mut other = Exchange { sequence: 77, pid: 2, ..exchange(9) };
        contexts.begin(&mut other, Role::Server, 40_000);
        assert_eq!((other.context.parent, other.caller), (0, 1));
        assert_ne!(other.context.trace, request.context.trace);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut contexts = Contexts::default();
        for n in 1..=SENT as u32 + 10 {
            let mut call = Exchange { sequence: n, ..exchange(1) };
            contexts.begin(&mut call, Role::Client, 1);
        }
        assert_eq!((contexts.sent.len(), contexts.order.len()), (SENT, SENT));
        for _ in 0..OPEN + 10 {
            begin(&mut contexts, Role::Server, 1);
        }
        assert_eq!(contexts.open[&1].len(), OPEN);
    }
}
