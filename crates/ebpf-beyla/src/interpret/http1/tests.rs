//! Conversations in pieces.

use proptest::prelude::*;

use super::*;

/// A conversation that is told what a person would write down.
struct Talk {
    conversation: Conversation,
    out: Vec<Exchange>,
    time: u64,
    last: Option<bool>,
}

impl Talk {
    fn new() -> Self {
        Self { conversation: Conversation::new(), out: Vec::new(), time: 0, last: None }
    }

    fn moment(&mut self, request: bool) -> Moment {
        self.time += 1000;
        let turn = self.last.replace(request) != Some(request);
        Moment { time: self.time, pid: 1, tid: 2, call_start: true, turn, ..Moment::default() }
    }

    fn ask(&mut self, bytes: &[u8]) -> &mut Self {
        let moment = self.moment(true);
        self.conversation.request(Segment::Bytes(bytes), moment, &mut self.out);
        self
    }

    fn answer(&mut self, bytes: &[u8]) -> &mut Self {
        let moment = self.moment(false);
        self.conversation.response(Segment::Bytes(bytes), moment, &mut self.out);
        self
    }

    fn missing(&mut self, request: bool, len: u64) -> &mut Self {
        let moment = Moment { call_start: false, ..self.moment(request) };
        let segment = Segment::Gap { len, call_end: true };
        match request {
            true => self.conversation.request(segment, moment, &mut self.out),
            false => self.conversation.response(segment, moment, &mut self.out),
        }
        self
    }

    fn seen(&self) -> Vec<(&str, Option<u16>, u64, u64, Ending)> {
        self.out.iter().map(|e| (e.target.as_str(), e.status, e.request_body, e.response_body, e.ending)).collect()
    }
}

#[test]
fn a_body_behind_a_head_that_is_too_long_is_as_long_as_was_said() {
    let mut talk = Talk::new();
    let long = format!("POST /l HTTP/1.1\r\nContent-Length: 10\r\nCookie: {}", "c".repeat(9000));
    talk.ask(&long.as_bytes()[..head::LONGEST]).missing(true, 900).ask(b"more of it");
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    talk.ask(b"GET /next HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let complete = Ending::Complete;
    assert_eq!(talk.seen(), [("/l", Some(200), 10, 2, complete), ("/next", Some(200), 0, 0, complete)]);
}

#[test]
fn a_kept_connection_gives_one_exchange_a_request() {
    let mut talk = Talk::new();
    talk.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    talk.ask(b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
        .answer(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.seen(), [("/a", Some(200), 0, 2, Ending::Complete), ("/b", Some(404), 3, 0, Ending::Complete)]);
    assert_eq!((talk.out[0].start, talk.out[0].answered, talk.out[0].end), (1000, 2000, 2000));
    assert_eq!(talk.out[0].host, "h");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut talk = Talk::new();
    talk.ask(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nHEAD /3 HTTP/1.1\r\n\r\n");
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500 E\r\nContent-Length: 1\r\n\r\nyHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    assert_eq!(
        talk.seen(),
        [
            ("/1", Some(200), 0, 1, Ending::Complete),
            ("/2", Some(500), 0, 1, Ending::Complete),
            ("/3", Some(200), 0, 0, Ending::Complete)
        ]
    );
}

#[test]
fn interim_responses_are_no_answer() {
    let mut talk = Talk::new();
    talk.ask(b"PUT /u HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    talk.answer(b"HTTP/1.1 100 Continue\r\n\r\n").ask(b"body").answer(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
    talk.answer(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.seen(), [("/u", Some(201), 4, 0, Ending::Complete)]);
}

#[test]
fn bodies_that_were_not_captured_are_known_by_their_length() {
    let mut talk = Talk::new();
    talk.ask(b"POST /up HTTP/1.1\r\nContent-Length: 100000\r\n\r\nabc").missing(true, 99_997);
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n").missing(false, 50_000);
    talk.ask(b"GET /n HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nabc");
    talk.missing(false, 997 + 2 + 5);
    assert_eq!(
        talk.seen(),
        [("/up", Some(200), 100_000, 50_000, Ending::Complete), ("/n", Some(200), 0, 1000, Ending::Complete)]
    );
}

#[test]
fn a_body_without_end_ends_with_the_connection() {
    let mut talk = Talk::new();
    talk.ask(b"GET /old HTTP/1.0\r\n\r\n").answer(b"HTTP/1.0 200 OK\r\n\r\nhello").missing(false, 10);
    assert!(talk.out.is_empty());
    talk.conversation.sweep(10_000_000_000, &mut talk.out);
    assert!(talk.out.is_empty());
    talk.conversation.close(9000, &mut talk.out);
    assert_eq!(talk.seen(), [("/old", Some(200), 0, 15, Ending::Complete)]);
    assert_eq!(talk.out[0].protocol, Protocol::Http10);
}

#[test]
fn an_end_that_was_not_seen_is_assumed() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    let mut talk = Talk::new();
    talk.ask(b"GET /a HTTP/1.1\r\n\r\n").answer(chunked).missing(false, 5000);
    talk.ask(b"GET /b HTTP/1.1\r\n\r\n").answer(chunked).missing(false, 5000);
    talk.conversation.sweep(talk.time + SILENCE, &mut talk.out);
    talk.ask(b"GET /c HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 204 No\r\n\r\n");
    let ends: Vec<_> = talk.out.iter().map(|e| (e.target.as_str(), e.ending)).collect();
    assert_eq!(ends, [("/a", Ending::Assumed), ("/b", Ending::Assumed), ("/c", Ending::Complete)]);
}

#[test]
fn a_head_that_is_too_long_is_still_one_exchange() {
    let mut talk = Talk::new();
    let long = format!("GET /long HTTP/1.1\r\nCookie: {}", "x".repeat(7000));
    talk.ask(long.as_bytes()).missing(true, 5000).answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let longer = format!("GET /longer HTTP/1.1\r\nCookie: {}\r\nX: y\r\n\r\n", "x".repeat(20_000));
    talk.ask(longer.as_bytes()).answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    talk.ask(b"GET /next HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let targets: Vec<_> = talk.out.iter().map(|e| (e.target.as_str(), e.status)).collect();
    assert_eq!(targets, [("/long", Some(200)), ("/longer", Some(200)), ("/next", Some(200))]);
}

#[test]
fn a_connection_joined_midway_begins_with_the_next_request() {
    let mut talk = Talk::new();
    talk.answer(b"rest of a body").ask(b"and of a request");
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    talk.ask(b"GET /new HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.seen(), [("/new", Some(200), 0, 0, Ending::Complete)]);
}

#[test]
fn a_client_that_goes_leaves_a_broken_exchange() {
    let mut talk = Talk::new();
    talk.ask(b"GET /slow HTTP/1.1\r\n\r\n");
    talk.conversation.close(5000, &mut talk.out);
    assert_eq!(talk.seen(), [("/slow", None, 0, 0, Ending::Broken)]);
    assert_eq!(talk.out[0].end, 5000);
}

#[test]
fn a_switch_of_protocols_ends_the_exchange() {
    let mut talk = Talk::new();
    talk.ask(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    talk.answer(b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello").ask(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(talk.seen(), [("/ws", Some(101), 0, 0, Ending::Complete)]);
    assert_eq!(talk.conversation.upgrade(), Some("websocket"));
}

#[test]
fn requests_without_responses_are_bounded() {
    let mut talk = Talk::new();
    for _ in 0..WAITING + 5 {
        talk.ask(b"GET / HTTP/1.1\r\n\r\n");
    }
    assert_eq!((talk.conversation.waiting.len(), talk.conversation.take_incomplete()), (WAITING, 5));
}

#[test]
fn a_request_that_waits_for_too_long_is_told_and_its_response_is_not() {
    let mut talk = Talk::new();
    talk.ask(b"GET /slow HTTP/1.1\r\n\r\n");
    assert!(talk.conversation.is_waiting());
    talk.conversation.expire(1000 + 49, 50, &mut talk.out);
    assert!(talk.out.is_empty());
    talk.conversation.expire(1000 + 50, 50, &mut talk.out);
    assert_eq!(talk.seen(), [("/slow", Some(408), 0, 0, Ending::Complete)]);
    assert_eq!((talk.out[0].start, talk.out[0].end), (1000, 1050));
    talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    talk.ask(b"GET /next HTTP/1.1\r\n\r\n").answer(b"HTTP/1.1 204 No\r\n\r\n");
    assert_eq!(talk.seen()[1..], [("/next", Some(204), 0, 0, Ending::Complete)]);
    assert!(!talk.conversation.is_waiting());
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in prop::collection::vec(1usize..30, 1..80)) {
        let requests = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /3 HTTP/1.1\r\n\r\n";
        let responses = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 E\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: y\r\n\r\nHTTP/1.1 304 N\r\n\r\n";
        let mut talk = Talk::new();
        let mut cuts = cuts.iter().cycle();
        let mut feed = |bytes: &[u8], talk: &mut Talk, request: bool| {
            let mut rest = bytes;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                if request { talk.ask(piece) } else { talk.answer(piece) };
                rest = after;
            }
        };
        feed(requests, &mut talk, true);
        feed(responses, &mut talk, false);
        prop_assert_eq!(talk.seen(), [
            ("/1", Some(200), 0, 5, Ending::Complete),
            ("/2", Some(500), 3, 2, Ending::Complete),
            ("/3", Some(304), 0, 0, Ending::Complete),
        ]);
    }

    #[test]
    fn noise_never_panics(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80), 0u64..200), 0..20)) {
        let mut talk = Talk::new();
        for (request, bytes, gap) in parts {
            if request { talk.ask(&bytes) } else { talk.answer(&bytes) };
            talk.missing(!request, gap);
        }
        talk.conversation.sweep(u64::MAX, &mut talk.out);
        talk.conversation.close(u64::MAX, &mut talk.out);
    }
}
