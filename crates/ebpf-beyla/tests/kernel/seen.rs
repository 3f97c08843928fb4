//! What came out, stream by stream.

use std::time::{Duration, Instant};

use corten_ebpf_beyla::capture::Records;
use corten_ebpf_beyla::record::{Direction, End, Event, Family, Head, Lost, Role, decode};

const DEADLINE: Duration = Duration::from_secs(60);

/// One call's bytes in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) direction: Direction,
    pub(crate) offset: u64,
    pub(crate) left: u32,
    pub(crate) call_start: bool,
    pub(crate) turn: bool,
    pub(crate) sequence: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: Head,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Stream {
    pub(crate) id: u64,
    pub(crate) role: Role,
    pub(crate) family: Family,
    pub(crate) from_start: bool,
    pub(crate) encrypted: bool,
    pub(crate) local: ([u8; 16], u16),
    pub(crate) remote: ([u8; 16], u16),
    pub(crate) path: Vec<u8>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) ends: Vec<End>,
}

impl Stream {
    /// All captured bytes of one direction, in order of their offsets.
    pub(crate) fn text(&self, direction: Direction) -> String {
        let pieces = self.pieces.iter().filter(|piece| piece.direction == direction);
        pieces.map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect()
    }

    /// Each piece in short: `> 0+18 call turn`.
    pub(crate) fn outline(&self) -> Vec<String> {
        let line = |piece: &Piece| {
            let arrow = if piece.direction == Direction::Send { '>' } else { '<' };
            let (call, turn) = (if piece.call_start { " call" } else { "" }, if piece.turn { " turn" } else { "" });
            format!("{arrow} {}+{} of {}{call}{turn}", piece.offset, piece.bytes.len(), piece.left)
        };
        self.pieces.iter().map(line).collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) streams: Vec<Stream>,
    pub(crate) others: Vec<(Head, String)>,
    pub(crate) lost: Vec<Lost>,
    pub(crate) throttled: u64,
    /// Streams of plaintext with the connections that carry them.
    pub(crate) joins: Vec<(u64, u64)>,
}

impl Seen {
    /// Takes records until enough has been seen.
    pub(crate) fn until(&mut self, records: &Records, enough: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !enough(self) {
            assert!(started.elapsed() < DEADLINE, "not enough was seen: {self:#?}");
            if let Some(chunk) = records.wait(Duration::from_millis(100)) {
                self.take(&chunk);
            }
        }
    }

    /// Takes what is there.
    pub(crate) fn rest(&mut self, records: &Records) {
        while let Some(chunk) = records.wait(Duration::ZERO) {
            self.take(&chunk);
        }
    }

    fn take(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let (record, length) = decode(chunk).expect("a record");
            chunk = &chunk[length..];
            let head = record.head;
            match record.event {
                Event::Open(open) => {
                    let stream = self.stream(head.stream);
                    stream.role = open.role;
                    stream.family = open.family;
                    (stream.from_start, stream.encrypted) = (open.from_start, open.encrypted);
                    stream.local = (open.local, open.local_port);
                    stream.remote = (open.remote, open.remote_port);
                    stream.path = open.path.to_vec();
                }
                Event::Data(data) => self.stream(head.stream).pieces.push(Piece {
                    direction: data.direction,
                    offset: data.offset,
                    left: data.left,
                    call_start: data.call_start,
                    turn: data.turn,
                    sequence: data.sequence,
                    bytes: data.bytes.to_vec(),
                    head,
                }),
                Event::Close(close) => self.stream(head.stream).ends.push(close.end),
                Event::Tls(tls) => self.joins.push((head.stream, tls.connection)),
                Event::Lost(lost) => self.lost.push(lost),
                Event::Throttled(throttled) => self.throttled += throttled.exchanges,
                other => self.others.push((head, format!("{other:?}"))),
            }
        }
    }

    fn stream(&mut self, id: u64) -> &mut Stream {
        if let Some(place) = self.streams.iter().position(|stream| stream.id == id) {
            return &mut self.streams[place];
        }
        self.streams.push(Stream { id, ..Stream::default() });
        self.streams.last_mut().expect("just pushed")
    }

    /// The streams of a connection to this port, the server's and the client's side.
    pub(crate) fn at(&self, port: u16) -> (Option<&Stream>, Option<&Stream>) {
        let server = self.streams.iter().find(|stream| stream.local.1 == port);
        (server, self.streams.iter().find(|stream| stream.remote.1 == port))
    }

    /// Both sides of it have ended.
    pub(crate) fn is_over(&self, port: u16) -> bool {
        let over = |stream: Option<&Stream>| stream.is_some_and(|stream| stream.ends.contains(&End::Gone));
        let (server, client) = self.at(port);
        over(server) && over(client)
    }
}
