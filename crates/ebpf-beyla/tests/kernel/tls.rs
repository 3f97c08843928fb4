//! TLS through OpenSSL: the plaintext of a Python program, and the connection that carries it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use corten_ebpf::Kernel;
use corten_ebpf_beyla::capture::{Policy, ProbeKind, Settings};
use corten_ebpf_beyla::record::{Direction, Role};

use crate::seen::{Seen, Stream};
use crate::{alone, capture_with};

const REQUEST: &str = "GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server and a client that block.
const BLOCKING: &str = r#"
import socket, ssl, sys, threading
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(sys.argv[1], sys.argv[2])
client = ssl.create_default_context(cafile=sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
def serve():
    connection = server.wrap_socket(listener.accept()[0], server_side=True)
    for _ in range(2):
        connection.recv(1000)
        connection.sendall(sys.argv[4].encode())
    connection.recv(1000)
thread = threading.Thread(target=serve)
thread.start()
with client.wrap_socket(socket.create_connection(listener.getsockname()), server_hostname="localhost") as connection:
    for _ in range(2):
        connection.sendall(sys.argv[3].encode())
        connection.recv(1000)
thread.join()
"#;

/// The same on one thread, where the library works on memory and the loop moves bytes.
const LOOP: &str = r#"
import asyncio, ssl, sys
async def main():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(sys.argv[1], sys.argv[2])
    client = ssl.create_default_context(cafile=sys.argv[1])
    async def serve(reader, writer):
        for _ in range(2):
            await reader.read(1000)
            writer.write(sys.argv[4].encode())
            await writer.drain()
        await reader.read(1000)
        writer.close()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    print(port, flush=True)
    sys.stdin.readline()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
    for _ in range(2):
        writer.write(sys.argv[3].encode())
        await writer.drain()
        await reader.read(1000)
    writer.close()
    await writer.wait_closed()
asyncio.run(main())
"#;

/// Whether there is a Python to try it with. Bare guests have none.
fn python() -> bool {
    let works = Command::new("python3").args(["-c", "import asyncio, ssl"]).stderr(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        println!("left out: there is no python3 with ssl");
    }
    works
}

/// The program, waiting, and the port that it listens on.
fn start(script: &str, folder: &std::path::Path) -> (Child, u16) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).expect("written");
    std::fs::write(&key, certified.signing_key.serialize_pem()).expect("written");
    let mut command = Command::new("python3");
    command.args(["-c", script]).args([&certificate, &key]).args([REQUEST, RESPONSE]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("output")).read_line(&mut line).expect("a line");
    (child, line.trim().parse().expect("a port"))
}

/// Watched by these kinds of probes.
fn exchange_is_seen_in_plain(script: &str, kinds: Option<Vec<ProbeKind>>) {
    let Some(_alone) = alone() else { return };
    if !python() {
        return;
    }
    let mut settings = Settings { ring: 1 << 20, ..Settings::default() };
    if let Some(kinds) = kinds {
        settings.tls = kinds;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, port) = start(script, folder.path());
    let (capture, records) = capture_with(port, settings);
    println!("{}", capture.probes().expect("probes").name());
    capture.clear(std::process::id());
    capture.set(child.id(), Policy::Observe(None)).expect("a process");
    assert!(capture.watch_tls(child.id()).expect("a library") > 0);
    assert_eq!(capture.watch_tls(child.id()).expect("a library"), 0, "a file is watched once");
    child.stdin.take().expect("input").write_all(b"\n").expect("started");
    assert!(child.wait().expect("an end").success());

    let carried = |seen: &Seen, by: Option<&Stream>| -> Option<Stream> {
        let by = by?.id;
        let plain = seen.joins.iter().rfind(|(_, connection)| *connection == by)?.0;
        seen.streams.iter().find(|stream| stream.id == plain).cloned()
    };
    let mut seen = Seen::default();
    seen.until(&records, |seen| seen.is_over(port));
    drop(capture);
    seen.rest(&records);
    let (server, client) = seen.at(port);
    assert!(server.is_some_and(|stream| stream.encrypted && stream.pieces.is_empty() && stream.role == Role::Server));
    assert!(client.is_some_and(|stream| stream.encrypted && stream.pieces.is_empty() && stream.role == Role::Client));
    let (server, client) = (carried(&seen, server).expect("plaintext"), carried(&seen, client).expect("plaintext"));
    let twice = |text: &str| text.repeat(2);
    assert_eq!(server.text(Direction::Receive), twice(REQUEST), "{:?}", server.outline());
    assert_eq!(server.text(Direction::Send), twice(RESPONSE));
    assert_eq!(client.text(Direction::Send), twice(REQUEST));
    assert_eq!(client.text(Direction::Receive), twice(RESPONSE));
    assert!(client.pieces.iter().all(|piece| piece.turn && piece.call_start && piece.head.pid == child.id()));
    assert_eq!(client.pieces[2].offset, REQUEST.len() as u64);
    assert_eq!(seen.lost, []);
}

#[test]
fn plaintext_of_blocking_sockets_is_seen() {
    exchange_is_seen_in_plain(BLOCKING, None);
}

#[test]
fn plaintext_of_memory_buffers_is_seen() {
    exchange_is_seen_in_plain(LOOP, None);
}

#[test]
fn probes_through_tracefs_see_the_same_and_leave_nothing_behind() {
    if !Kernel::running().tracefs {
        println!("left out: there is no tracefs");
        return;
    }
    exchange_is_seen_in_plain(BLOCKING, Some(vec![ProbeKind::Tracefs]));
    let left = std::fs::read_to_string("/sys/kernel/tracing/uprobe_events").unwrap_or_default();
    assert!(!left.contains(&format!("/p{}_", std::process::id())), "{left}");
}
