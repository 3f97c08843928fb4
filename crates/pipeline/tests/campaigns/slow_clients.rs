//! Many clients that send one byte a second, beside some that do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corten_testkit::{Collector, Sink, eventually, free_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::BINARY;
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, is_long};
use crate::verdict::{conserved, drained};

const MB: u64 = 1_000_000;

/// Sends a head or a body drop by drop until the collector has had enough; how long that took.
async fn slow(door: SocketAddr, number: usize, open: Arc<AtomicUsize>) -> Duration {
    let Ok(mut stream) = TcpStream::connect(door).await else { return Duration::ZERO };
    let begun = Instant::now();
    open.fetch_add(1, Ordering::SeqCst);
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n";
    let (at_once, later) = match number % 3 {
        0 => (String::new(), format!("{head}{}", "x-more: 1\r\n".repeat(1000))),
        1 => (format!("{head}content-length: 100000\r\n\r\n"), ".".repeat(1000)),
        // Connected, and nothing.
        _ => (String::new(), String::new()),
    };
    let mut buffer = [0; 1024];
    if stream.write_all(at_once.as_bytes()).await.is_ok() {
        let mut bytes = later.bytes();
        loop {
            let closed = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await;
            if matches!(closed, Ok(Ok(0) | Err(_))) {
                break;
            }
            if let Some(byte) = bytes.next()
                && stream.write_all(&[byte]).await.is_err()
            {
                break;
            }
        }
    }
    open.fetch_sub(1, Ordering::SeqCst);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_no_burden_to_others() {
    let (seed, _) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let clients = count(300);
    let (sink, door, storage) = (Sink::start(), free_address(), tempfile::tempdir().unwrap());
    sink.forget_requests();
    let to = [Destination::memory("sink", sink.url())];
    let collector = Collector::start(BINARY, &config(door, false, storage.path(), &to));
    let load = Load::start(door, "span", Shape { pause: Duration::from_millis(2), ..Shape::default() });
    load.more(500);
    let before = collector.resident();
    let open = Arc::new(AtomicUsize::new(0));
    let slow: Vec<_> = (0..clients).map(|number| tokio::spawn(slow(door, number, Arc::clone(&open)))).collect();
    tokio::task::block_in_place(|| {
        eventually("the slow ones", || (open.load(Ordering::SeqCst) * 10 >= clients * 9).then_some(()));
    });
    load.more(500);
    let grown = collector.resident().saturating_sub(before);
    assert!(grown < 32 * MB, "{what}: {} MB more for {clients} slow clients", grown / MB);
    let mut longest = Duration::ZERO;
    if is_long() {
        for client in slow {
            longest = longest.max(client.await.unwrap());
        }
        // Half a minute, and the second in which a client notices, on a machine that is busy.
        assert!(longest < Duration::from_secs(45), "{what}: a slow client was borne with for {longest:?}");
    } else {
        slow.into_iter().for_each(|client| client.abort());
    }
    let mut book = load.finish().await;
    drained(&collector, door, &[&sink], &mut book).await;
    conserved(&collector, "sink", &what);
    assert_eq!((book.refused, book.doubtful), (0, 0), "{what}: {book}");
    book.compare(&sink.span_names(), 0, &what);
    println!(
        "{clients} slow clients: {book}; {} MB more, p99 of the others {:?}, cut after {longest:?} at most",
        grown / MB,
        book.p99()
    );
}
