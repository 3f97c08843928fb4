//! Floods that HTTP/2 makes cheap for a client.

use std::net::SocketAddr;
use std::time::Duration;

use corten_testkit::{Collector, Sink, free_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::BINARY;
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice};
use crate::verdict::{conserved, drained};

const MB: u64 = 1_000_000;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[derive(Debug, Clone, Copy)]
enum Flood {
    /// Requests that are taken back at once.
    Reset,
    /// Headers that never end.
    Continuation,
    /// Questions whose answers nobody reads.
    Ping,
    Settings,
    /// Requests whose bodies never come.
    Open,
    /// Bodies of nothing.
    Empty,
}

impl Flood {
    /// Whether no client that means well does this: of gRPC, which says how often it may be asked whether it is there.
    fn must_end(self, grpc: bool) -> bool {
        matches!(self, Self::Reset | Self::Continuation) || (grpc && matches!(self, Self::Ping))
    }
}

const FLOODS: [Flood; 6] = [Flood::Reset, Flood::Continuation, Flood::Ping, Flood::Settings, Flood::Open, Flood::Empty];

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// POST /v1/traces over plain HTTP, as literals of HPACK.
fn head() -> Vec<u8> {
    let mut head = vec![0x83, 0x86, 0x04, 10];
    head.extend_from_slice(b"/v1/traces");
    head.extend_from_slice(&[0x01, 1, b'x', 0x0f, 0x10, 22]);
    head.extend_from_slice(b"application/x-protobuf");
    head
}

/// Sends frames until the collector hangs up, or `frames` are sent; how many it bore.
async fn flood(door: SocketAddr, flood: Flood, frames: usize, grpc: bool) -> std::io::Result<(usize, bool)> {
    let mut stream = TcpStream::connect(door).await?;
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut out, SETTINGS, 0, 0, &[]);
    if matches!(flood, Flood::Continuation | Flood::Empty) {
        let flags = if matches!(flood, Flood::Empty) { END_HEADERS } else { 0 };
        frame(&mut out, HEADERS, flags, 1, &head());
    }
    let mut sent = 0;
    let mut ended = false;
    let mut answers = vec![0; 64 << 10];
    let mut scratch = Vec::new();
    let mut more = vec![0x00, 5];
    more.extend_from_slice(b"x-abc");
    more.push(90);
    more.extend_from_slice(&[b'.'; 90]);
    while sent < frames && !ended {
        for _ in 0..100 {
            let number = 1 + 2 * sent as u32;
            match flood {
                Flood::Reset => {
                    frame(&mut out, HEADERS, END_HEADERS, number, &head());
                    frame(&mut out, RST_STREAM, 0, number, &8u32.to_be_bytes());
                }
                Flood::Continuation => frame(&mut out, CONTINUATION, 0, 1, &more),
                Flood::Ping => frame(&mut out, PING, 0, 0, &[7; 8]),
                Flood::Settings => frame(&mut out, SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
                Flood::Open => frame(&mut out, HEADERS, END_HEADERS, number, &head()),
                Flood::Empty => frame(&mut out, DATA, 0, 1, &[]),
            }
            sent += 1;
        }
        scratch.clear();
        std::mem::swap(&mut out, &mut scratch);
        // A collector that reads no more, because nobody reads its answers, is safe as well.
        let written = tokio::time::timeout(Duration::from_secs(5), stream.write_all(&scratch)).await;
        ended = !matches!(written, Ok(Ok(())));
        if !matches!(flood, Flood::Ping | Flood::Settings) {
            while let Ok(read) = stream.try_read(&mut answers) {
                ended |= read == 0;
                if read == 0 {
                    break;
                }
            }
        }
    }
    if !ended {
        // What it has to say to the last of them.
        let patience = if flood.must_end(grpc) { Duration::from_secs(60) } else { Duration::from_millis(500) };
        let rest = async { while !matches!(stream.read(&mut answers).await, Ok(0) | Err(_)) {} };
        ended = tokio::time::timeout(patience, rest).await.is_ok();
    }
    Ok((sent, ended))
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_cost_little() {
    let (seed, _) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let frames = count(20_000);
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let to = [Destination::memory("sink", sink.url())];
    // The same on the port of gRPC.
    let grpc = free_address();
    let config = config(door, false, storage.path(), &to);
    let config = config.replacen("  http {", &format!("  grpc {{ endpoint = \"{grpc}\" }}\n  http {{"), 1);
    let collector = Collector::start(BINARY, &config);
    let load = Load::start(door, "span", Shape { pause: Duration::from_millis(2), ..Shape::default() });
    load.more(200);
    let doors = FLOODS.into_iter().flat_map(|kind| [(kind, door, false), (kind, grpc, true)]);
    for (kind, at, is_grpc) in doors {
        let protocol = if is_grpc { "gRPC" } else { "HTTP" };
        let (before, ticks) = (collector.resident(), collector.cpu_ticks());
        let clients: Vec<_> = (0..4).map(|_| tokio::spawn(flood(at, kind, frames, is_grpc))).collect();
        let mut borne = Vec::new();
        for client in clients {
            borne.push(client.await.unwrap().unwrap_or((0, true)));
        }
        load.more(50);
        let grown = collector.resident().saturating_sub(before);
        assert!(grown < 32 * MB, "{what}: {} MB more after {kind:?} over {protocol}", grown / MB);
        if kind.must_end(is_grpc) {
            assert!(borne.iter().all(|(_, ended)| *ended), "{what}: {kind:?} was borne with: {borne:?}");
        }
        let ticks = collector.cpu_ticks() - ticks;
        println!(
            "{kind:?} over {protocol}: frames borne (and hung up): {borne:?}; {} kB more, {ticks} hundredths of a second of CPU, load included",
            grown / 1000
        );
    }
    let mut book = load.finish().await;
    drained(&collector, door, &[&sink], &mut book).await;
    conserved(&collector, "sink", &what);
    assert_eq!((book.refused, book.doubtful), (0, 0), "{what}: {book}");
    book.compare(&sink.span_names(), 0, &what);
    println!("meanwhile: {book}; p99 {:?}", book.p99());
}
