//! The clients: each with a connection of its own and one request under way, until all have been taken or refused for
//! good.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use corten_net::codec::{self, Encoding, Level};
use corten_signal::otlp::SignalKind;
use corten_testkit::{Answered, Protocol, Sender};
use http_body_util::Full;
use hyper::Request;
use tokio::task::spawn_local;

use crate::ledger::Ledger;
use crate::payload::Payloads;
use crate::row::{Input, Job, Row};

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long each answer took.
    pub(crate) answers: Vec<Duration>,
    /// Answers that asked to come again; the request was sent again, but for a back end that is dead.
    pub(crate) refused: u64,
    /// Until the last answer.
    pub(crate) took: Duration,
    /// What was answered first that was neither.
    pub(crate) problem: Option<String>,
}

/// Requests in the form in which they are sent. Compressed ones are made before the clock starts.
pub(crate) struct Requests {
    payloads: Payloads,
    ready: Vec<Bytes>,
    row: Row,
}

impl Requests {
    pub(crate) fn new(row: &Row, run: u32) -> Result<Self> {
        let payloads = Payloads::new(row.kind, run, row.per_request);
        let mut requests = Self { payloads, ready: Vec::new(), row: row.clone() };
        if row.encoding != Encoding::Identity {
            requests.ready = (0..row.requests()).map(|number| requests.make(number)).collect::<Result<_>>()?;
        }
        Ok(requests)
    }

    fn make(&self, number: u64) -> Result<Bytes> {
        let body = self.payloads.body(number);
        let compressed = self.row.encoding != Encoding::Identity;
        let body = if compressed { codec::encode(self.row.encoding, Level::Default, [&*body])? } else { body.into() };
        Ok(match self.row.input {
            Input::Http => body,
            Input::Grpc => {
                let mut framed = BytesMut::with_capacity(body.len() + 5);
                framed.put_u8(u8::from(compressed));
                framed.put_u32(u32::try_from(body.len())?);
                framed.extend_from_slice(&body);
                framed.freeze()
            }
        })
    }

    fn get(&self, number: u64) -> Result<Request<Full<Bytes>>> {
        let body = match self.ready.get(number as usize) {
            Some(body) => body.clone(),
            None => self.make(number)?,
        };
        let (path, service) = match self.row.kind {
            SignalKind::Metrics => ("/v1/metrics", "metrics.v1.MetricsService"),
            SignalKind::Logs => ("/v1/logs", "logs.v1.LogsService"),
            _ => ("/v1/traces", "trace.v1.TraceService"),
        };
        let compressed = self.row.encoding != Encoding::Identity;
        let mut request = match self.row.input {
            Input::Http => Request::post(path).header("content-type", "application/x-protobuf"),
            Input::Grpc => Request::post(format!("/opentelemetry.proto.collector.{service}/Export"))
                .header("content-type", "application/grpc")
                .header("te", "trailers"),
        };
        if compressed {
            let header = if self.row.input == Input::Http { "content-encoding" } else { "grpc-encoding" };
            request = request.header(header, self.row.encoding.http_name());
        }
        Ok(request.body(Full::from(body))?)
    }
}

/// Sends all requests.
pub(crate) async fn run(row: &Row, requests: Requests, to: SocketAddr, ledger: &Rc<Ledger>) -> Result<Seen> {
    let requests = Rc::new(requests);
    let (next, seen) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Seen::default())));
    let start = Instant::now();
    let clients: Vec<_> = (0..row.connections)
        .map(|_| {
            let client = Client {
                row: row.clone(),
                requests: Rc::clone(&requests),
                next: Rc::clone(&next),
                seen: Rc::clone(&seen),
                ledger: Rc::clone(ledger),
                start,
            };
            spawn_local(client.run(to))
        })
        .collect();
    for client in clients {
        client.await??;
    }
    let mut seen = seen.take();
    seen.took = start.elapsed();
    match seen.problem.take() {
        Some(problem) => bail!("a request was answered with {problem}"),
        None => Ok(seen),
    }
}

struct Client {
    row: Row,
    requests: Rc<Requests>,
    next: Rc<Cell<u64>>,
    seen: Rc<RefCell<Seen>>,
    ledger: Rc<Ledger>,
    start: Instant,
}

impl Client {
    async fn run(self, to: SocketAddr) -> Result<()> {
        let protocol = if self.row.input == Input::Http { Protocol::Http1 } else { Protocol::Grpc };
        let mut sender = Sender::new(to, protocol);
        loop {
            let number = self.next.get();
            if number == self.row.requests() || self.seen.borrow().problem.is_some() {
                return Ok(());
            }
            self.next.set(number + 1);
            if let Job::Rate(items) | Job::Dead(items) | Job::Outage(items) = self.row.job {
                let due = Duration::from_secs_f64((number * self.row.per_request) as f64 / items as f64);
                tokio::time::sleep_until((self.start + due).into()).await;
            }
            self.ledger.sent(number);
            self.send(&mut sender, number).await?;
        }
    }

    async fn send(&self, sender: &mut Sender, number: u64) -> Result<()> {
        loop {
            let asked = Instant::now();
            let answer = sender.request(self.requests.get(number)?).await;
            if self.done(number, asked.elapsed(), answer) || matches!(self.row.job, Job::Dead(_)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Books an answer; false if the request is to be sent again.
    fn done(&self, number: u64, took: Duration, answer: Result<Answered, String>) -> bool {
        let mut seen = self.seen.borrow_mut();
        seen.answers.push(took);
        match answer {
            Ok(answer) if answer.is_success() => self.ledger.acknowledged(number),
            Ok(answer) if matches!(answer.status, 429 | 502..=504) || matches!(answer.grpc, Some(8 | 14)) => {
                seen.refused += 1;
                return false;
            }
            Ok(answer) => seen.problem = Some(format!("{} (gRPC: {:?})", answer.status, answer.grpc)),
            Err(error) => seen.problem = Some(format!("a broken connection: {error}")),
        }
        true
    }
}
