//! The floor: the least that a collector which checks and counts must do, on one thread.
//!
//! It reads a request, checks it with Corten's own check, counts, appends it to a batch and answers; a batch that is
//! full or old enough is posted. Compression is Corten's own codec. It has no configuration, no queue beyond a few
//! batches, no retry and no accounting that anybody could read: the difference to it is what a collector costs.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use corten_net::codec::{self, Encoding, Level};
use corten_signal::otlp::{SignalKind, check};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Batches that may wait for each destination.
const WAITING: usize = 16;
/// Largest body.
const LIMIT: usize = 64 << 20;
const KINDS: [(SignalKind, &str); 3] =
    [(SignalKind::Traces, "/v1/traces"), (SignalKind::Metrics, "/v1/metrics"), (SignalKind::Logs, "/v1/logs")];

/// What it relays, and where to.
pub struct Floor {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where each batch goes.
    pub destinations: Vec<SocketAddr>,
    /// How bodies leave.
    pub encoding: Encoding,
    /// Items after which a batch is sent.
    pub batch: usize,
    /// Age at which it is sent in any case.
    pub timeout: Duration,
}

struct Relay {
    floor: Floor,
    batches: [RefCell<(Vec<u8>, usize)>; 3],
    outputs: Vec<mpsc::Sender<(Bytes, Bytes)>>,
    items: Cell<u64>,
}

/// Runs until its listener fails.
///
/// # Errors
/// The address cannot be had.
pub async fn run(floor: Floor) -> Result<()> {
    let listener = TcpListener::bind(floor.listen).await.context("binding")?;
    let local = tokio::task::LocalSet::new();
    let outputs = floor.destinations.iter().map(|address| {
        let (send, batches) = mpsc::channel(WAITING);
        let address = *address;
        local.spawn_local(async move {
            if let Err(error) = post(address, batches).await {
                #[allow(clippy::print_stderr, reason = "a program's only words")]
                {
                    eprintln!("floor: {address}: {error:#}");
                }
            }
        });
        send
    });
    let outputs = outputs.collect();
    let timeout = floor.timeout;
    let relay = Rc::new(Relay { floor, batches: Default::default(), outputs, items: Cell::new(0) });
    let old = Rc::clone(&relay);
    local.spawn_local(async move {
        let mut tick = tokio::time::interval(timeout);
        loop {
            tick.tick().await;
            for kind in 0..KINDS.len() {
                old.flush(kind).await.ok();
            }
        }
    });
    local
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await.context("accepting")?;
                stream.set_nodelay(true)?;
                // A client that goes away is its own affair.
                tokio::task::spawn_local(serve(stream, Rc::clone(&relay)));
            }
        })
        .await
}

impl Relay {
    async fn flush(&self, kind: usize) -> Result<()> {
        let (body, items) = std::mem::take(&mut *self.batches[kind].borrow_mut());
        if items == 0 {
            return Ok(());
        }
        let encoding = self.floor.encoding;
        let body = match encoding {
            Encoding::Identity => Bytes::from(body),
            _ => codec::encode(encoding, Level::Default, [&*body])?,
        };
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: sink\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n",
            KINDS[kind].1,
            body.len()
        );
        if encoding != Encoding::Identity {
            head.push_str(&format!("content-encoding: {}\r\n", encoding.http_name()));
        }
        head.push_str("\r\n");
        let head = Bytes::from(head);
        for output in &self.outputs {
            output.send((head.clone(), body.clone())).await.ok().context("the destination is gone")?;
        }
        Ok(())
    }

    async fn take(&self, request: Message) -> Result<u16> {
        let Some(at) = KINDS.iter().position(|(_, path)| request.path == *path) else { return Ok(404) };
        let body = match request.encoding {
            Encoding::Identity => request.body,
            other => match codec::decode(other, [request.body], LIMIT, &mut |_| true) {
                Ok(body) => body.into(),
                Err(_) => return Ok(400),
            },
        };
        let Ok(found) = check(KINDS[at].0, &body) else { return Ok(400) };
        self.items.set(self.items.get() + found.items as u64);
        let full = {
            let mut batch = self.batches[at].borrow_mut();
            if batch.0.is_empty() {
                // As much as the last ones took.
                batch.0.reserve(body.len() * (self.floor.batch / found.items.max(1) + 1));
            }
            batch.0.extend_from_slice(&body);
            batch.1 += found.items;
            batch.1 >= self.floor.batch
        };
        if full {
            self.flush(at).await?;
        }
        Ok(200)
    }
}

async fn serve(mut stream: TcpStream, relay: Rc<Relay>) -> Result<()> {
    let mut buffer = BytesMut::with_capacity(64 << 10);
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        let answer = match relay.take(request).await? {
            200 => "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n".to_owned(),
            status => format!("HTTP/1.1 {status} Refused\r\ncontent-length: 0\r\n\r\n"),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

async fn post(address: SocketAddr, mut batches: mpsc::Receiver<(Bytes, Bytes)>) -> Result<()> {
    let mut connection: Option<TcpStream> = None;
    let mut buffer = BytesMut::new();
    while let Some((head, body)) = batches.recv().await {
        let stream = match &mut connection {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        let mut both = head.chain(body);
        while both.has_remaining() {
            stream.write_buf(&mut both).await?;
        }
        if read(stream, &mut buffer).await?.is_none() {
            bail!("no answer");
        }
    }
    Ok(())
}

/// A request, or an answer (whose `path` is its status).
struct Message {
    path: String,
    encoding: Encoding,
    body: Bytes,
}

/// Reads one message with a `Content-Length`; `None` at the end of the connection.
async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Option<Message>> {
    let end = loop {
        if let Some(at) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > 16 << 10 {
            bail!("a head without an end");
        }
        buffer.reserve(16 << 10);
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = buffer.split_to(end);
    let head = std::str::from_utf8(&head).context("a head of text")?;
    let mut message = Message {
        path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
        encoding: Encoding::Identity,
        body: Bytes::new(),
    };
    let mut length = 0;
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().context("a length")?;
        } else if name.eq_ignore_ascii_case("content-encoding") {
            message.encoding = Encoding::from_http(value).context("a known encoding")?;
        }
    }
    if length > LIMIT {
        bail!("a body of {length} bytes");
    }
    buffer.reserve(length.saturating_sub(buffer.len()));
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    message.body = buffer.split_to(length).freeze();
    Ok(Some(message))
}
