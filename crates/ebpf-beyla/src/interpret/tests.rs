//! Whole record streams.

use proptest::prelude::*;

use super::*;
use crate::record::{Close, Direction, End, Mode, Open, Tls};

struct Kernel {
    interpreter: Interpreter,
    time: u64,
    offsets: HashMap<(u64, Direction), u64>,
    last: HashMap<u64, Direction>,
}

impl Kernel {
    fn new() -> Self {
        Self { interpreter: Interpreter::default(), time: 0, offsets: HashMap::new(), last: HashMap::new() }
    }

    fn event(&mut self, stream: u64, event: Event<'_>) {
        self.time += 1000;
        let record = Record { head: Head { time: self.time, pid: 7, tid: 8, stream }, event };
        // Through the bytes, as it is in life.
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let (record, _) = crate::record::decode(&bytes).unwrap();
        self.interpreter.take(&record);
    }

    fn open(&mut self, stream: u64, role: Role) {
        let open = Open { role, from_start: true, local_port: 8080, remote_port: 40_000, ..Open::default() };
        self.event(stream, Event::Open(open));
    }

    fn call(&mut self, stream: u64, direction: Direction, bytes: &[u8], left: usize, tls: bool) {
        let turn = self.last.insert(stream, direction) != Some(direction);
        let offset = self.offsets.entry((stream, direction)).or_default();
        let at = *offset;
        *offset += left as u64;
        let left = u32::try_from(left).unwrap();
        let data = Data { direction, call_start: true, turn, tls, offset: at, left, sequence: 0, bytes };
        self.event(stream, Event::Data(data));
    }

    fn receive(&mut self, stream: u64, bytes: &[u8]) {
        self.call(stream, Direction::Receive, bytes, bytes.len(), false);
    }

    fn send(&mut self, stream: u64, bytes: &[u8]) {
        self.call(stream, Direction::Send, bytes, bytes.len(), false);
    }

    fn seen(&mut self) -> Vec<(String, Option<u16>, u64, Role)> {
        let exchanges = self.interpreter.take_exchanges();
        exchanges.into_iter().map(|e| (e.target, e.status, e.response_body, e.role)).collect()
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_server_and_a_client_are_told_apart() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.open(2, Role::Client);
    kernel.receive(1, b"GET /in HTTP/1.1\r\n\r\n");
    kernel.send(2, b"GET /out HTTP/1.1\r\n\r\n");
    kernel.receive(2, OK);
    kernel.send(1, OK);
    assert_eq!(
        kernel.seen(),
        [("/out".to_owned(), Some(200), 2, Role::Client), ("/in".to_owned(), Some(200), 2, Role::Server)]
    );
}

#[test]
fn a_long_body_is_asked_to_be_skipped_and_ends_in_time() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.receive(1, b"GET /big HTTP/1.1\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    kernel.call(1, Direction::Send, head, head.len() + 20_000, false);
    let skip = head.len() as u64 + 100_000;
    assert_eq!(kernel.interpreter.take_verdicts(), [Verdict { stream: 1, mode: Mode::Messages, skip: [skip, 0] }]);
    assert!(kernel.seen().is_empty());
    kernel.call(1, Direction::Send, b"", 80_000, false);
    assert_eq!(kernel.seen(), [("/big".to_owned(), Some(200), 100_000, Role::Server)]);
}

#[test]
fn a_body_whose_calls_made_no_records_ends_with_the_next_request() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.receive(1, b"GET /file HTTP/1.1\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    kernel.send(1, head);
    kernel.receive(1, b"GET /next HTTP/1.1\r\n\r\n");
    *kernel.offsets.get_mut(&(1, Direction::Send)).unwrap() += 5000;
    kernel.send(1, OK);
    let seen = kernel.seen();
    assert_eq!(seen.iter().map(|e| (e.0.as_str(), e.2)).collect::<Vec<_>>(), [("/file", 5000), ("/next", 2)]);
}

#[test]
fn a_body_that_was_skipped_to_its_end_is_whole() {
    for body_first in [true, false] {
        let mut kernel = Kernel::new();
        kernel.open(1, Role::Server);
        let head = b"POST /up HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
        kernel.receive(1, head);
        let end = head.len() as u64 + 100_000;
        if body_first {
            // The kernel says where it was told to stop skipping.
            kernel.offsets.insert((1, Direction::Receive), end);
            kernel.call(1, Direction::Receive, b"", 0, false);
        }
        kernel.send(1, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
        // Of the rest it says that it went when the connection ends.
        let sent = kernel.offsets[&(1, Direction::Send)] + 5000;
        kernel.event(1, Event::Close(Close { end: End::Gone, sent, received: end }));
        let seen = kernel.interpreter.take_exchanges();
        assert_eq!((seen[0].request_body, seen[0].response_body, seen.len()), (100_000, 5000, 1));
        assert_eq!(seen[0].ending, crate::interpret::exchange::Ending::Complete);
    }
}

#[test]
fn plaintext_of_tls_gets_the_addresses_of_its_connection() {
    let mut kernel = Kernel::new();
    kernel.event(1, Event::Open(Open { role: Role::Server, encrypted: true, local_port: 443, ..Open::default() }));
    kernel.call(9, Direction::Receive, b"GET /s HTTP/1.1\r\n\r\n", 19, true);
    kernel.event(9, Event::Tls(Tls { connection: 1 }));
    kernel.call(9, Direction::Send, OK, OK.len(), true);
    let exchanges = kernel.interpreter.take_exchanges();
    assert_eq!(exchanges.len(), 1);
    assert!(exchanges[0].tls && exchanges[0].ends.as_ref().unwrap().local_port == 443);
    kernel.event(1, Event::Close(Close::default()));
    assert_eq!(kernel.interpreter.streams(), 0);
}

#[test]
fn a_stream_that_was_joined_midway_tells_its_role_itself() {
    let mut kernel = Kernel::new();
    kernel.send(5, b"GET /x HTTP/1.1\r\n\r\n");
    kernel.receive(5, OK);
    assert_eq!(kernel.seen(), [("/x".to_owned(), Some(200), 2, Role::Client)]);
}

#[test]
fn a_call_may_come_in_short_pieces() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.receive(1, b"GET /pieces HTTP/1.1\r\n\r\n");
    // A head in two segments of a gathered write, and a chunked body behind it.
    let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let mut offset = 0;
    for piece in [&whole[..10], &whole[10..47], &whole[47..]] {
        let left = u32::try_from(whole.len() - offset).unwrap();
        let (call_start, turn) = (offset == 0, offset == 0);
        let data = Data { call_start, turn, offset: offset as u64, left, bytes: piece, ..Data::default() };
        kernel.event(1, Event::Data(data));
        offset += piece.len();
    }
    assert_eq!(kernel.seen(), [("/pieces".to_owned(), Some(200), 3, Role::Server)]);
}

#[test]
fn what_was_left_of_a_call_is_settled_by_time() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.receive(1, b"GET /c HTTP/1.1\r\n\r\n");
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n";
    kernel.call(1, Direction::Send, head, head.len() + 1000 + 2 + 5, false);
    assert!(kernel.seen().is_empty());
    kernel.interpreter.sweep(kernel.time + 50_000_000);
    assert_eq!(kernel.seen(), [("/c".to_owned(), Some(200), 1000, Role::Server)]);
}

#[test]
fn other_protocols_are_left_alone() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    for _ in 0..10 {
        kernel.receive(1, b"\x03select 1");
        kernel.send(1, b"\x01\0\0\x01");
    }
    assert_eq!(kernel.interpreter.take_verdicts(), [Verdict { stream: 1, mode: Mode::Nothing, skip: [0, 0] }]);
    assert!(kernel.seen().is_empty());
}

#[test]
fn an_upgrade_to_http2_is_followed_and_any_other_is_not() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.receive(1, b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    kernel.send(1, b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n");
    kernel.receive(1, b"\x81\x01a");
    assert_eq!(kernel.seen(), [("/chat".to_owned(), Some(101), 0, Role::Server)]);
    assert_eq!(kernel.interpreter.take_verdicts()[0].mode, Mode::Nothing);
    kernel.open(2, Role::Server);
    kernel.receive(2, b"GET /up HTTP/1.1\r\nUpgrade: h2c\r\n\r\n");
    kernel.send(2, b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n");
    kernel.receive(2, http2::frame::PREFACE);
    assert_eq!(kernel.interpreter.take_verdicts(), [Verdict { stream: 2, mode: Mode::Frames, skip: [0, 0] }]);
}

#[test]
fn idle_streams_are_forgotten() {
    let mut kernel = Kernel::new();
    kernel.open(1, Role::Server);
    kernel.interpreter.sweep(IDLE);
    assert_eq!(kernel.interpreter.streams(), 1);
    kernel.interpreter.sweep(2 * IDLE);
    assert_eq!(kernel.interpreter.streams(), 0);
}

proptest! {
    #[test]
    fn any_records_never_panic(
        calls in prop::collection::vec((0u64..3, any::<bool>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..40), 0usize..100, 0u64..200), 0..40)
    ) {
        let mut kernel = Kernel::new();
        for (stream, receive, tls, bytes, more, offset) in calls {
            let direction = if receive { Direction::Receive } else { Direction::Send };
            kernel.offsets.insert((stream, direction), offset);
            kernel.call(stream, direction, &bytes, bytes.len() + more, tls);
        }
        kernel.interpreter.sweep(u64::MAX);
    }

    #[test]
    fn every_request_is_one_exchange_in_whatever_pieces(
        targets in prop::collection::vec("[a-z]{1,8}", 1..6),
        sizes in prop::collection::vec(0usize..6000, 6),
        cut in 1usize..200,
    ) {
        let mut kernel = Kernel::new();
        kernel.open(1, Role::Server);
        for (target, size) in targets.iter().zip(&sizes) {
            for piece in format!("GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes().chunks(cut) {
                kernel.receive(1, piece);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            kernel.call(1, Direction::Send, head.as_bytes(), head.len() + size, false);
        }
        let seen = kernel.seen();
        prop_assert_eq!(seen.len(), targets.len());
        for ((target, size), seen) in targets.iter().zip(&sizes).zip(seen) {
            prop_assert_eq!(seen, (format!("/{target}"), Some(200), *size as u64, Role::Server));
        }
    }
}
