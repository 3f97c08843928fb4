//! Connections in pieces.

use proptest::prelude::*;

use super::frame::{PREFACE, flag, kind};
use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A field that is not put into the table, or one that is.
fn literal(name: &str, value: &str, keep: bool) -> Vec<u8> {
    let mut bytes = vec![if keep { 0x40 } else { 0 }, u8::try_from(name.len()).unwrap()];
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(u8::try_from(value.len()).unwrap());
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value, false)).collect()
}

struct Talk {
    connection: Connection,
    out: Vec<Exchange>,
    time: u64,
}

impl Talk {
    fn new(joined: bool) -> Self {
        Self { connection: Connection::new(joined), out: Vec::new(), time: 0 }
    }

    fn moment(&mut self) -> Moment {
        self.time += 1000;
        Moment { time: self.time, call_start: true, ..Moment::default() }
    }

    fn ask(&mut self, bytes: &[u8]) -> &mut Self {
        let moment = self.moment();
        self.connection.request(Segment::Bytes(bytes), moment, &mut self.out);
        self
    }

    fn answer(&mut self, bytes: &[u8]) -> &mut Self {
        let moment = self.moment();
        self.connection.response(Segment::Bytes(bytes), moment, &mut self.out);
        self
    }

    fn missing(&mut self, request: bool, len: u64) -> &mut Self {
        let moment = self.moment();
        let segment = Segment::Gap { len, call_end: true };
        match request {
            true => self.connection.request(segment, moment, &mut self.out),
            false => self.connection.response(segment, moment, &mut self.out),
        }
        self
    }

    fn seen(&self) -> Vec<(&str, Option<u16>, Option<u32>, u64, u64, Ending)> {
        self.out
            .iter()
            .map(|e| (e.target.as_str(), e.status, e.grpc_status, e.request_body, e.response_body, e.ending))
            .collect()
    }
}

fn call(stream: u32, path: &str) -> Vec<u8> {
    let fields =
        block(&[(":method", "POST"), (":path", path), (":scheme", "http"), ("content-type", "application/grpc")]);
    frame(kind::HEADERS, flag::END_HEADERS, stream, &fields)
}

fn reply(stream: u32) -> Vec<u8> {
    [
        frame(kind::HEADERS, flag::END_HEADERS, stream, &[0x88]),
        frame(kind::DATA, 0, stream, b"12345"),
        frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &block(&[("grpc-status", "0")])),
    ]
    .concat()
}

#[test]
fn concurrent_calls_are_told_apart() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&frame(kind::SETTINGS, 0, 0, &[])).answer(&frame(kind::SETTINGS, 0, 0, &[]));
    for stream in [1, 3, 5] {
        talk.ask(&call(stream, &format!("/s/{stream}"))).ask(&frame(kind::DATA, flag::END_STREAM, stream, b"abc"));
    }
    for stream in [5, 1, 3] {
        talk.answer(&reply(stream));
    }
    let expected = |path| (path, Some(200), Some(0), 3, 5, Ending::Complete);
    assert_eq!(talk.seen(), [expected("/s/5"), expected("/s/1"), expected("/s/3")]);
    assert!(talk.out.iter().all(Exchange::is_grpc));
}

#[test]
fn a_server_may_speak_first() {
    // It was taken for a connection that was joined midway.
    let mut talk = Talk::new(true);
    talk.answer(&frame(kind::SETTINGS, 0, 0, &[]));
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    talk.ask(&[PREFACE, &settings, &call(1, "/first"), &frame(kind::DATA, flag::END_STREAM, 1, b"abc")].concat());
    talk.answer(&reply(1));
    assert_eq!(talk.seen(), [("/first", Some(200), Some(0), 3, 5, Ending::Complete)]);
}

#[test]
fn header_blocks_may_go_on_in_other_frames() {
    let fields = block(&[(":method", "GET"), (":path", "/long"), (":authority", "h")]);
    let (first, rest) = fields.split_at(7);
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&frame(kind::HEADERS, flag::END_STREAM, 1, first));
    talk.ask(&frame(kind::CONTINUATION, flag::END_HEADERS, 1, rest));
    talk.answer(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &[0x8d]));
    assert_eq!(talk.seen(), [("/long", Some(404), None, 0, 0, Ending::Complete)]);
    assert_eq!(talk.out[0].host, "h");
}

#[test]
fn interim_responses_and_resets() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&call(1, "/a")).ask(&call(3, "/b"));
    talk.answer(&frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&[(":status", "103")])));
    talk.answer(&frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &[0x88]));
    talk.ask(&frame(kind::RST_STREAM, 0, 3, &8u32.to_be_bytes()));
    assert_eq!(
        talk.seen(),
        [("/a", Some(200), None, 0, 0, Ending::Complete), ("/b", None, None, 0, 0, Ending::Broken)]
    );
}

#[test]
fn bodies_need_not_be_captured() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&call(1, "/up"));
    let data = frame(kind::DATA, flag::END_STREAM, 1, &[0; 10_000]);
    talk.ask(&data[..100]).missing(true, 10_009 - 100).answer(&reply(1));
    assert_eq!(talk.seen(), [("/up", Some(200), Some(0), 10_000, 5, Ending::Complete)]);
}

#[test]
fn frames_that_were_missed_cost_their_calls_only() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&call(1, "/lost")).ask(&call(3, "/kept"));
    talk.answer(&frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x88])).missing(false, 500);
    talk.answer(&reply(3)).ask(&call(5, "/next")).answer(&reply(5));
    talk.connection.sweep(talk.time + SILENCE, &mut talk.out);
    let ends: Vec<_> = talk.out.iter().map(|e| (e.target.as_str(), e.ending)).collect();
    assert_eq!(ends, [("/kept", Ending::Complete), ("/next", Ending::Complete), ("/lost", Ending::Assumed)]);
}

#[test]
fn a_connection_joined_midway_knows_what_came_since() {
    let mut talk = Talk::new(true);
    talk.ask(b"rest of a frame").answer(b"rest of another");
    // :path by an entry that was never seen, then a new entry, then a reference to that.
    let known = [&[0x83u8, 0xff, 0x05][..], &literal("content-type", "application/grpc", false)].concat();
    talk.ask(&frame(kind::HEADERS, flag::END_HEADERS, 7, &known)).answer(&reply(7));
    let new = [&[0x83u8][..], &literal(":path", "/svc/M", true)].concat();
    talk.ask(&frame(kind::HEADERS, flag::END_HEADERS, 9, &new)).answer(&reply(9));
    talk.ask(&frame(kind::HEADERS, flag::END_HEADERS, 11, &[0x83, 0xbe])).answer(&reply(11));
    let targets: Vec<_> = talk.out.iter().map(|e| e.target.as_str()).collect();
    assert_eq!(targets, ["*", "/svc/M", "/svc/M"]);
}

#[test]
fn a_connection_that_ends_leaves_broken_calls() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&call(1, "/a"));
    talk.connection.close(9000, &mut talk.out);
    assert_eq!(talk.seen(), [("/a", None, None, 0, 0, Ending::Broken)]);
}

#[test]
fn open_calls_are_bounded() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE);
    for stream in 0..OPEN as u32 + 3 {
        talk.ask(&call(stream * 2 + 1, "/a"));
    }
    assert_eq!((talk.connection.calls.len(), talk.connection.take_incomplete()), (OPEN, 3));
}

/// What the kernel captures of a call at most.
const CAPTURED: usize = 8192;

impl Talk {
    /// Sends bytes in calls of these lengths, of each of which only the begin is captured.
    fn ask_in_calls(&mut self, bytes: &[u8], calls: &mut impl Iterator<Item = usize>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (call, after) = rest.split_at(calls.next().unwrap().min(rest.len()));
            self.ask(&call[..call.len().min(CAPTURED)]);
            if call.len() > CAPTURED {
                self.missing(true, (call.len() - CAPTURED) as u64);
            }
            rest = after;
        }
    }
}

/// An upload whose path is in the table from the first one on, in frames of a length.
fn upload(stream: u32, first: bool, grpc: bool, size: usize, frames: usize, empty_end: bool) -> Vec<u8> {
    let path = if first { literal(":path", "/s/P", true) } else { vec![0xbe] };
    let more = match grpc {
        true => literal("content-type", "application/grpc", false),
        false => literal("content-length", &size.to_string(), false),
    };
    let mut bytes = frame(kind::HEADERS, flag::END_HEADERS, stream, &[&[0x83u8, 0x86][..], &path, &more].concat());
    let mut body = if grpc { [&[0u8][..], &u32::try_from(size).unwrap().to_be_bytes()].concat() } else { Vec::new() };
    body.resize(body.len() + size, 0xaa);
    let mut pieces = body.chunks(frames).peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none() && !empty_end;
        bytes.extend(frame(kind::DATA, if last { flag::END_STREAM } else { 0 }, stream, piece));
    }
    if empty_end || body.is_empty() {
        bytes.extend(frame(kind::DATA, flag::END_STREAM, stream, &[]));
    }
    bytes
}

#[test]
fn frames_that_were_not_captured_are_counted_by_the_length_of_the_body() {
    for (grpc, empty_end) in [(true, false), (false, true), (false, false)] {
        let mut talk = Talk::new(false);
        talk.ask(PREFACE);
        talk.ask_in_calls(&upload(1, true, grpc, 100_000, 16_384, empty_end), &mut std::iter::repeat(65_536));
        talk.answer(&reply(1));
        talk.ask_in_calls(&upload(3, false, grpc, 20_000, 16_384, empty_end), &mut std::iter::repeat(65_536));
        talk.answer(&reply(3));
        let sizes = if grpc { [100_005, 20_005] } else { [100_000, 20_000] };
        let expected = sizes.map(|size| ("/s/P", Some(200), Some(0), size, 5, Ending::Complete));
        assert_eq!(talk.seen(), expected, "{grpc} {empty_end}");
    }
}

#[test]
fn a_long_answer_ends_where_its_length_says() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE).ask(&call(1, "/down"));
    let head = frame(
        kind::HEADERS,
        flag::END_HEADERS,
        1,
        &[&[0x88u8][..], &literal("content-length", "40000", false)].concat(),
    );
    let body: Vec<u8> = [16_384, 16_384, 7232].iter().flat_map(|len| frame(kind::DATA, 0, 1, &vec![0; *len])).collect();
    let all = [head, body, frame(kind::DATA, flag::END_STREAM, 1, &[])].concat();
    talk.answer(&all[..CAPTURED]).missing(false, (all.len() - CAPTURED) as u64);
    assert_eq!(talk.seen(), [("/down", Some(200), None, 0, 40_000, Ending::Complete)]);
    talk.ask(&call(3, "/next")).answer(&reply(3));
    assert_eq!(talk.seen()[1].0, "/next");
}

#[test]
fn where_counting_goes_wrong_the_place_is_found_again_and_the_table_kept() {
    let mut talk = Talk::new(false);
    talk.ask(PREFACE);
    // Frames of different lengths in one call: the next call begins elsewhere than was counted.
    let mut bytes = upload(1, true, true, 30_000, 9000, false);
    let odd: Vec<u8> = [5000, 3000].iter().flat_map(|len| frame(kind::DATA, 0, 1, &vec![0; *len])).collect();
    bytes.extend(odd);
    talk.ask_in_calls(&bytes, &mut std::iter::repeat(bytes.len()));
    talk.ask(&frame(6, 0, 0, &[0; 8]));
    talk.answer(&reply(1));
    talk.ask(&upload(3, false, true, 10, 100, false)).answer(&reply(3));
    let targets: Vec<_> = talk.out.iter().map(|e| e.target.as_str()).collect();
    assert_eq!(targets, ["/s/P", "/s/P"]);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in prop::collection::vec(1usize..30, 1..60)) {
        let requests = [PREFACE, &frame(kind::SETTINGS, 0, 0, &[0; 12]), &call(1, "/1"), &frame(kind::DATA, 1, 1, b"xy"), &call(3, "/3")].concat();
        let responses = [frame(kind::SETTINGS, 1, 0, &[]), reply(3), reply(1)].concat();
        let mut talk = Talk::new(false);
        let mut cuts = cuts.iter().cycle();
        for (bytes, request) in [(&requests, true), (&responses, false)] {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                if request { talk.ask(piece) } else { talk.answer(piece) };
                rest = after;
            }
        }
        prop_assert_eq!(talk.seen(), [
            ("/3", Some(200), Some(0), 0, 5, Ending::Complete),
            ("/1", Some(200), Some(0), 2, 5, Ending::Complete),
        ]);
    }

    #[test]
    fn uploads_are_followed_however_they_are_cut(
        uploads in prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..120_000, 9000usize..16_385), 1..6),
        calls in prop::collection::vec(1usize..70_000, 1..20),
    ) {
        let mut talk = Talk::new(false);
        talk.ask(PREFACE);
        let mut calls = calls.into_iter().cycle();
        let mut expected = Vec::new();
        for (at, (grpc, empty_end, size, frames)) in uploads.into_iter().enumerate() {
            let stream = at as u32 * 2 + 1;
            talk.ask_in_calls(&upload(stream, at == 0, grpc, size, frames, empty_end), &mut calls);
            talk.answer(&reply(stream));
            let body = size as u64 + if grpc { 5 } else { 0 };
            expected.push(("/s/P", Some(200), Some(0), body, 5, Ending::Complete));
        }
        prop_assert_eq!(talk.seen(), expected);
        prop_assert_eq!(talk.connection.client.lost_at(), 0);
    }

    #[test]
    fn noise_never_panics(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80), 0u64..200), 0..20)) {
        let mut talk = Talk::new(true);
        for (request, bytes, gap) in parts {
            if request { talk.ask(&bytes) } else { talk.answer(&bytes) };
            talk.missing(!request, gap);
        }
        talk.connection.sweep(u64::MAX, &mut talk.out);
        talk.connection.close(u64::MAX, &mut talk.out);
    }
}
