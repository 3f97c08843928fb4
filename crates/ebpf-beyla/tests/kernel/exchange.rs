//! Exchanges over sockets of all kinds, and what is seen of them.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use corten_ebpf_beyla::capture::{Budget, Policy};
use corten_ebpf_beyla::record::{Direction, End, Family, HEAD, Mode, Role, Verdict};

use crate::seen::Seen;
use crate::{alone, capture};

const REQUEST: &[u8] = b"GET /hello?x=1 HTTP/1.1\r\nHost: here\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    (client, listener.accept().expect("a connection").0)
}

fn read(mut from: impl Read, length: usize) {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).expect("bytes");
}

/// Both sides close, the client first.
fn close(client: TcpStream, mut server: TcpStream) {
    client.shutdown(Shutdown::Write).expect("closed");
    assert_eq!(server.read(&mut [0]).expect("an end"), 0);
    drop(server);
    drop(client);
}

#[test]
fn an_exchange_makes_exactly_these_records() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (capture, records) = capture(port);
    let (mut client, mut server) = pair(&listener);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    server.write_all(RESPONSE).expect("sent");
    read(&client, RESPONSE.len());
    // A second one on the same connection.
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    server.write_all(RESPONSE).expect("sent");
    read(&client, RESPONSE.len());
    let addresses = (client.local_addr().expect("an address"), server.local_addr().expect("an address"));
    close(client, server);

    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    seen.rest(&records);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    let (request, response) = (REQUEST.len(), RESPONSE.len());
    let line = |arrow: char, offset: usize, length: usize| format!("{arrow} {offset}+{length} of {length} call turn");
    assert_eq!(
        server.outline(),
        [line('<', 0, request), line('>', 0, response), line('<', request, request), line('>', response, response)]
    );
    assert_eq!(
        client.outline(),
        [line('>', 0, request), line('<', 0, response), line('>', request, request), line('<', response, response)]
    );
    assert_eq!(server.text(Direction::Receive).as_bytes(), [REQUEST, REQUEST].concat());
    assert_eq!(client.text(Direction::Receive).as_bytes(), [RESPONSE, RESPONSE].concat());
    assert_eq!((server.role, client.role), (Role::Server, Role::Client));
    assert!(server.from_start && client.from_start && !server.encrypted);
    assert_eq!((server.family, &server.local.0[..4]), (Family::V4, [127, 0, 0, 1].as_slice()));
    assert_eq!((client.local.1, client.remote.1), (addresses.0.port(), addresses.1.port()));
    assert_eq!((server.remote.1, server.local.1), (addresses.0.port(), addresses.1.port()));
    assert_eq!(client.ends, [End::LocalFin, End::Gone]);
    assert_eq!(server.ends, [End::RemoteFin, End::Gone]);
    // Both ends count alike, and time does not run backwards on either.
    assert_ne!(client.pieces[0].sequence, 0);
    for (sent, received) in [(0, 0), (2, 2)] {
        assert_eq!(client.pieces[sent].sequence, server.pieces[received].sequence);
    }
    for stream in [server, client] {
        assert!(stream.pieces.iter().all(|piece| piece.head.pid == std::process::id()));
        assert!(stream.pieces.windows(2).all(|pair| pair[0].head.time <= pair[1].head.time));
    }
    assert_eq!(seen.lost, []);
}

#[test]
fn a_head_in_segments_and_its_long_body_are_cut_where_they_should() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (capture, records) = capture(port);
    let (mut client, mut server) = pair(&listener);
    let body = [b'b'; 20_000];
    let parts = [IoSlice::new(&REQUEST[..10]), IoSlice::new(&REQUEST[10..19]), IoSlice::new(&REQUEST[19..])];
    assert_eq!(client.write_vectored(&parts).expect("sent"), REQUEST.len());
    let (mut a, mut b, mut c) = ([0; 7], [0; 5], [0; 4096]);
    let mut into = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b), IoSliceMut::new(&mut c)];
    assert_eq!(server.read_vectored(&mut into).expect("received"), REQUEST.len());
    server.write_all(RESPONSE).expect("sent");
    server.write_all(&body).expect("sent");
    read(&client, RESPONSE.len() + body.len());
    close(client, server);

    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    assert_eq!(client.text(Direction::Send).as_bytes(), REQUEST);
    assert_eq!(server.text(Direction::Receive).as_bytes(), REQUEST);
    let outline = client.outline();
    // The three parts in one record.
    assert_eq!(outline[0], format!("> 0+{0} of {0} call turn", REQUEST.len()), "{outline:?}");
    // The response's second call comes without a turn: what was left of the head's limit goes to it.
    let sent: Vec<_> = server.pieces.iter().filter(|piece| piece.direction == Direction::Send).collect();
    let captured: usize = sent.iter().map(|piece| piece.bytes.len()).sum();
    assert_eq!(captured, HEAD);
    let end = |piece: &crate::seen::Piece| piece.offset + u64::from(piece.left);
    assert_eq!(sent.iter().map(|piece| end(piece)).max(), Some((RESPONSE.len() + body.len()) as u64));
    assert_eq!(sent.iter().filter(|piece| piece.call_start).count(), 2);
}

#[test]
fn version_six_and_unix_sockets_are_seen() {
    let Some(_alone) = alone() else { return };
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let (capture, records) = capture(port);
    let (mut client, mut server) = pair(&listener);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    server.write_all(RESPONSE).expect("sent");
    read(&client, RESPONSE.len());
    close(client, server);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let unix = UnixListener::bind(&path).expect("a listener");
    let mut client = UnixStream::connect(&path).expect("a connection");
    let mut server = unix.accept().expect("a connection").0;
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    server.write_all(RESPONSE).expect("sent");
    read(&client, RESPONSE.len());

    let unix_of = |seen: &Seen, role: Role| {
        let found = seen.streams.iter().find(|stream| stream.family == Family::Unix && stream.role == role);
        found.filter(|stream| stream.pieces.len() == 2).cloned()
    };
    let mut seen = Seen::default();
    seen.until(&records, |seen| {
        seen.is_over(port) && unix_of(seen, Role::Server).is_some() && unix_of(seen, Role::Client).is_some()
    });
    drop(capture);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    assert_eq!((server.family, server.local.0), (Family::V6, Ipv6Addr::LOCALHOST.octets()));
    assert_eq!((client.text(Direction::Send).as_bytes(), client.pieces.len()), (REQUEST, 2));
    for role in [Role::Server, Role::Client] {
        let stream = unix_of(&seen, role).expect("a stream");
        assert_eq!(stream.path, path.as_os_str().as_encoded_bytes());
        let way = if role == Role::Server { Direction::Receive } else { Direction::Send };
        assert_eq!(stream.text(way).as_bytes(), REQUEST);
    }
}

#[test]
fn what_is_not_chosen_is_not_seen() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (other, other_port) = listen();
    let (capture, records) = capture(port);
    capture.set(std::process::id(), Policy::Ignore).expect("a process");
    let (mut client, server) = pair(&listener);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    close(client, server);
    capture.clear(std::process::id());
    let (mut client, server) = pair(&other);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    close(client, server);
    // The port alone is enough for the server's side.
    let (mut client, server) = pair(&listener);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    close(client, server);

    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.at(port).0.is_some_and(|stream| stream.ends.contains(&End::Gone)));
    drop(capture);
    seen.rest(&records);
    assert_eq!(seen.streams.len(), 1, "{:#?}", seen.streams);
    assert_eq!(seen.at(other_port).0.map(|stream| stream.id), None);
    assert_eq!(seen.at(port).0.expect("a stream").outline().len(), 1);
}

#[test]
fn joined_midway_a_listening_port_tells_the_role() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (mut client, mut server) = pair(&listener);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    let (capture, records) = capture(port);
    server.write_all(RESPONSE).expect("sent");
    read(&client, RESPONSE.len());
    close(client, server);
    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    assert_eq!((server.role, server.from_start), (Role::Server, false));
    assert_eq!((client.role, client.from_start), (Role::Unknown, false));
    assert_eq!(server.outline(), [format!("> 0+{0} of {0} call turn", RESPONSE.len())]);
}

#[test]
fn skipped_bodies_and_unwanted_streams_make_no_records() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (capture, records) = capture(port);
    let (mut client, server) = pair(&listener);
    client.write_all(REQUEST).expect("sent");
    read(&server, REQUEST.len());
    let mut seen = Seen::default();
    seen.until(&records, |seen| matches!(seen.at(port), (Some(_), Some(client)) if !client.pieces.is_empty()));
    let id = seen.at(port).1.expect("a stream").id;
    let server_id = seen.at(port).0.expect("a stream").id;
    let until = REQUEST.len() as u64 + 3000;
    let verdict = Verdict { stream: id, mode: Mode::Messages, skip: [until, 0] };
    capture.verdict(&verdict).expect("taken");
    capture.verdict(&Verdict { stream: server_id, mode: Mode::Nothing, skip: [0, 0] }).expect("taken");
    // Three thousand bytes to be skipped, the end of which is said, and then ten that are not.
    for length in [1000, 1000, 1000, 10] {
        client.write_all(&vec![b'x'; length]).expect("sent");
        read(&server, length);
    }
    close(client, server);
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    let request = REQUEST.len();
    let (head, end) = (format!("> 0+{request} of {request} call turn"), format!("> {until}+0 of 0 call"));
    assert_eq!(client.outline(), [head, end, format!("> {until}+10 of 10 call")]);
    assert_eq!(server.outline().len(), 1);
}

#[test]
fn beyond_its_budget_a_process_is_counted_and_not_captured() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (capture, records) = capture(port);
    // The process as a whole may be ignored: its server's side has a budget of three and then none for an hour.
    capture.set(std::process::id(), Policy::Observe(Some(Budget { per_second: 1, burst: 2 }))).expect("a process");
    let (mut client, mut server) = pair(&listener);
    for _ in 0..20 {
        client.write_all(REQUEST).expect("sent");
        read(&server, REQUEST.len());
        server.write_all(RESPONSE).expect("sent");
        read(&client, RESPONSE.len());
    }
    close(client, server);
    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port) && seen.throttled > 0);
    drop(capture);
    seen.rest(&records);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    // Whole exchanges, on either side: what is captured has its request and its response.
    for stream in [server, client] {
        assert_eq!(stream.pieces.len() % 2, 0, "{:?}", stream.outline());
        assert!(stream.pieces.iter().all(|piece| piece.turn));
    }
    let captured = (server.pieces.len() + client.pieces.len()) / 2;
    assert_eq!(captured as u64 + seen.throttled, 40, "all exchanges are accounted for");
    assert!((3..20).contains(&captured), "{captured}");
}

#[test]
fn encrypted_connections_are_named_and_left_alone() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (capture, records) = capture(port);
    let (mut client, mut server) = pair(&listener);
    let hello = [&[0x16, 3, 1, 0, 200][..], &[7; 200]].concat();
    client.write_all(&hello).expect("sent");
    read(&server, hello.len());
    server.write_all(&hello).expect("sent");
    read(&client, hello.len());
    close(client, server);
    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    let (Some(server), Some(client)) = seen.at(port) else { panic!("two streams: {seen:#?}") };
    assert!(server.encrypted && client.encrypted);
    assert!(server.pieces.is_empty() && client.pieces.is_empty());
}

#[test]
fn sendfile_is_seen_by_its_length() {
    let Some(_alone) = alone() else { return };
    let (listener, port) = listen();
    let (capture, records) = capture(port);
    let hooks = capture.hooks();
    let (client, mut server) = pair(&listener);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&[b'f'; 5000]).expect("written");
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n").expect("sent");
    let mut offset = 0;
    assert_eq!(rustix::fs::sendfile(&server, &file, Some(&mut offset), 5000).expect("sent"), 5000);
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("sent");
    read(&client, 41 + 5000 + 27);
    close(client, server);
    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    let stream = seen.at(port).0.expect("a stream");
    // Whether the call itself was seen depends on the kernel; the place of what follows does not.
    let last = stream.pieces.iter().rfind(|piece| piece.direction == Direction::Send).expect("a piece");
    assert_eq!((last.offset, last.bytes.as_slice()), (5041, b"HTTP/1.1 204 No Content\r\n\r\n".as_slice()), "{hooks}");
}
