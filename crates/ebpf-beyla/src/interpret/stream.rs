//! One stream: which protocol it speaks, and what it says in it.

use super::exchange::{Ends, Exchange};
use super::http1::{Conversation, head};
use super::http2::{Connection, frame};
use super::lane::{Lane, Moment, Segment};
use crate::record::{Data, Direction, Mode, Open, Role};

/// After how many calls that are no protocol we know a stream is left alone.
const TRIES: u8 = 8;
/// How long after the last record all pieces of a call have come, in nanoseconds.
const SETTLED: u64 = 50_000_000;
/// Bodies shorter than this are captured rather than asked to be skipped.
const WORTH_SKIPPING: u64 = 4096;

#[derive(Debug)]
enum Talk {
    /// Nothing that could be recognised, so many times.
    Unknown(u8),
    Http1(Box<Conversation>),
    Http2(Box<Connection>),
    /// Something else.
    Other,
}

/// A stream and what is known of it.
#[derive(Debug)]
pub struct Stream {
    /// Both ends, once they were told.
    pub ends: Option<Ends>,
    /// Which side the process is.
    pub role: Role,
    /// The connection that carries it, if it is the plaintext inside one.
    pub carrier: Option<u64>,
    /// When it was last used.
    pub used: u64,
    from_start: bool,
    tls: bool,
    /// Sent and received.
    lanes: [Lane; 2],
    talk: Talk,
    mode: Mode,
    /// What was asked to be skipped.
    skip: [u64; 2],
}

/// What the kernel should do from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What to capture.
    pub mode: Mode,
    /// Up to where nothing needs to be captured, sent and received.
    pub skip: [u64; 2],
}

impl Stream {
    /// A stream of which nothing was told.
    pub fn new(tls: bool) -> Self {
        Self {
            ends: None,
            role: Role::Unknown,
            carrier: None,
            used: 0,
            // The plaintext of TLS has no birth that is told; libraries are observed from their first byte.
            from_start: tls,
            tls,
            lanes: [Lane::default(), Lane::default()],
            talk: Talk::Unknown(0),
            mode: Mode::Messages,
            skip: [0; 2],
        }
    }

    /// Its birth, or that it was found.
    pub fn open(&mut self, open: &Open<'_>) {
        self.role = open.role;
        self.from_start = open.from_start;
        self.ends = Some(Ends {
            family: open.family,
            local: open.local,
            local_port: open.local_port,
            remote: open.remote,
            remote_port: open.remote_port,
            netns: open.netns,
            path: String::from_utf8_lossy(open.path).into_owned(),
        });
    }

    /// Whether time passing may end something; `timeout` is how long a request may wait, 0 for any time.
    pub fn is_restless(&self, timeout: u64) -> bool {
        let speaks = match &self.talk {
            Talk::Http1(talk) => talk.is_restless() || (timeout > 0 && talk.is_waiting()),
            Talk::Http2(talk) => talk.is_restless(),
            Talk::Unknown(_) | Talk::Other => return false,
        };
        speaks || self.lanes.iter().any(Lane::is_pending)
    }

    /// Exchanges that could not be followed, since the last time this was asked.
    pub fn take_incomplete(&mut self) -> u64 {
        match &mut self.talk {
            Talk::Http1(talk) => talk.take_incomplete(),
            Talk::Http2(talk) => talk.take_incomplete(),
            _ => 0,
        }
    }

    /// Takes a record; what the kernel should do differently from now on is returned.
    pub fn take(&mut self, data: &Data<'_>, moment: Moment, out: &mut Vec<Exchange>) -> Option<Wish> {
        if data.turn && !matches!(self.talk, Talk::Http2(_)) {
            // The other direction's call has ended; over HTTP/2 both may go on at once.
            let other = if data.direction == Direction::Send { Direction::Receive } else { Direction::Send };
            self.settle(other, Moment { time: self.used, ..moment }, out);
        }
        self.used = moment.time;
        let way = data.direction as usize;
        let mut lane = std::mem::take(&mut self.lanes[way]);
        lane.take(data, moment, |segment, moment| self.segment(data.direction, segment, moment, out));
        let claimed = lane.claim(self.skippable(data.direction));
        if claimed > 0 {
            self.segment(data.direction, Segment::Gap { len: claimed, call_end: false }, moment, out);
        }
        let beyond = lane.position().saturating_add(self.skippable(data.direction));
        let worth = self.skippable(data.direction) >= WORTH_SKIPPING && beyond > self.skip[way];
        self.lanes[way] = lane;
        let mode = match self.talk {
            Talk::Unknown(_) | Talk::Http1(_) => Mode::Messages,
            Talk::Http2(_) => Mode::Frames,
            Talk::Other => Mode::Nothing,
        };
        if mode == self.mode && !worth {
            return None;
        }
        self.mode = mode;
        if worth {
            self.skip[way] = beyond;
        }
        Some(Wish { mode, skip: self.skip })
    }

    /// Tells of each request that was begun and has no place in a trace yet.
    pub fn begin(&mut self, mut place: impl FnMut(&mut Exchange)) {
        match &mut self.talk {
            Talk::Http1(talk) => talk.fresh().for_each(&mut place),
            Talk::Http2(talk) if talk.has_fresh() => talk.fresh().for_each(&mut place),
            _ => {}
        }
    }

    /// The stream has ended, so many bytes after its begin: what was to be skipped may have made no record.
    pub fn close(&mut self, time: u64, ends: [(Direction, u64); 2], out: &mut Vec<Exchange>) {
        let moment = Moment { time: self.used, ..Moment::default() };
        // Requests first: an answer that is whole takes its request with it.
        let asks = self.asks();
        let (first, last): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(direction, _)| *direction == asks);
        for (direction, offset) in first.into_iter().chain(last) {
            let mut lane = std::mem::take(&mut self.lanes[direction as usize]);
            if offset > lane.position() {
                let nothing = Data { direction, call_start: true, offset, ..Data::default() };
                lane.take(&nothing, moment, |segment, moment| self.segment(direction, segment, moment, out));
            }
            self.lanes[direction as usize] = lane;
        }
        self.settle(Direction::Send, moment, out);
        self.settle(Direction::Receive, moment, out);
        match &mut self.talk {
            Talk::Http1(talk) => talk.close(time, out),
            Talk::Http2(talk) => talk.close(time, out),
            _ => {}
        }
    }

    /// Time has passed.
    pub fn sweep(&mut self, now: u64, timeout: u64, out: &mut Vec<Exchange>) {
        if now.saturating_sub(self.used) >= SETTLED {
            let moment = Moment { time: self.used, ..Moment::default() };
            self.settle(Direction::Send, moment, out);
            self.settle(Direction::Receive, moment, out);
        }
        match &mut self.talk {
            Talk::Http1(talk) => {
                talk.sweep(now, out);
                if timeout > 0 {
                    talk.expire(now, timeout, out);
                }
            }
            Talk::Http2(talk) => talk.sweep(now, out),
            _ => {}
        }
    }

    /// What was left of the last call will not come any more.
    fn settle(&mut self, direction: Direction, moment: Moment, out: &mut Vec<Exchange>) {
        let mut lane = std::mem::take(&mut self.lanes[direction as usize]);
        lane.settle(moment, |segment, moment| self.segment(direction, segment, moment, out));
        self.lanes[direction as usize] = lane;
    }

    /// Which way requests go.
    fn asks(&self) -> Direction {
        match self.role {
            Role::Client => Direction::Send,
            Role::Server | Role::Unknown => Direction::Receive,
        }
    }

    fn skippable(&self, direction: Direction) -> u64 {
        match &self.talk {
            Talk::Http1(talk) if direction == self.asks() => talk.skippable_request(),
            Talk::Http1(talk) => talk.skippable_response(),
            _ => 0,
        }
    }

    fn segment(&mut self, direction: Direction, segment: Segment<'_>, moment: Moment, out: &mut Vec<Exchange>) {
        if let (Talk::Unknown(tries), Segment::Bytes(bytes)) = (&self.talk, segment) {
            let tries = *tries;
            self.talk = self.recognise(direction, bytes, moment, tries);
        }
        self.follow_upgrade(direction, segment, out);
        let asks = direction == self.asks();
        match &mut self.talk {
            Talk::Http1(talk) if asks => talk.request(segment, moment, out),
            Talk::Http1(talk) => talk.response(segment, moment, out),
            Talk::Http2(talk) if asks => talk.request(segment, moment, out),
            Talk::Http2(talk) => talk.response(segment, moment, out),
            Talk::Unknown(_) | Talk::Other => {}
        }
    }

    /// What these bytes are the begin of.
    fn recognise(&mut self, direction: Direction, bytes: &[u8], moment: Moment, tries: u8) -> Talk {
        if !moment.call_start {
            return Talk::Unknown(tries);
        }
        let may_ask = self.role == Role::Unknown || direction == self.asks();
        let role = if direction == Direction::Send { Role::Client } else { Role::Server };
        let common = bytes.len().min(frame::PREFACE.len());
        if may_ask && common >= 3 && bytes[..common] == frame::PREFACE[..common] {
            self.role = role;
            return Talk::Http2(Box::new(Connection::new(false)));
        }
        if may_ask && head::looks_like_request(bytes) {
            self.role = role;
            return Talk::Http1(Box::default());
        }
        if !self.from_start && self.role != Role::Unknown {
            if direction != self.asks() && head::looks_like_response(bytes) {
                return Talk::Http1(Box::default());
            }
            if frame::looks_like_frames(bytes) {
                return Talk::Http2(Box::new(Connection::new(true)));
            }
        }
        if tries == TRIES { Talk::Other } else { Talk::Unknown(tries + 1) }
    }

    /// After a switch of protocols: HTTP/2 is followed, anything else is left alone.
    fn follow_upgrade(&mut self, direction: Direction, segment: Segment<'_>, out: &mut Vec<Exchange>) {
        let Talk::Http1(talk) = &mut self.talk else { return };
        let Some(upgrade) = talk.upgrade() else { return };
        if upgrade != "h2c" {
            talk.close(self.used, out);
            self.talk = Talk::Other;
            return;
        }
        let asks = match self.role {
            Role::Client => Direction::Send,
            Role::Server | Role::Unknown => Direction::Receive,
        };
        match segment {
            Segment::Bytes(bytes) if direction == asks && bytes.starts_with(b"PRI ") => {
                self.talk = Talk::Http2(Box::new(Connection::new(false)));
            }
            _ => {}
        }
    }

    /// Whether it is the plaintext of TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}
