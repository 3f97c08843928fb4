//! Looking on while data passes: what a component sends, and how much flows where, as endless streams.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use corten_component::{Edge, NodeId, Tap, Watching};
use corten_engine::{ComponentInfo, Engine, Flow, NodeKind};
use corten_net::Body;
use http::StatusCode;
use http_body::Frame;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::reply::Reply;
use crate::run::Control;
use crate::traces::Ids;

/// Between records.
const SEPARATOR: &str = "|;|";
const TICK: Duration = Duration::from_secs(1);
/// Of what passes within a second, so many records and bytes are shown.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 1 << 20;
/// How long a client that does not read keeps its stream.
const PATIENCE: Duration = Duration::from_secs(30);
const MOST_STREAMS: usize = 16;

/// Whether live debugging is allowed, and who looks.
#[derive(Clone, Default)]
pub(crate) struct Debugging(Arc<State>);

#[derive(Default)]
struct State {
    enabled: AtomicBool,
    streams: AtomicUsize,
}

impl Debugging {
    /// As the `livedebugging` block says.
    pub(crate) fn enable(&self, enabled: bool) {
        self.0.enabled.store(enabled, Ordering::Relaxed);
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.0.enabled.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Option<Stream> {
        let streams = self.0.streams.fetch_add(1, Ordering::Relaxed);
        let stream = Stream(Arc::clone(&self.0));
        (streams < MOST_STREAMS).then_some(stream)
    }
}

/// A stream that runs.
struct Stream(Arc<State>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether data can be seen to pass at a component.
pub(super) fn can_be_debugged(info: &ComponentInfo) -> bool {
    info.kind == NodeKind::Component && !(info.data_flow_edges_to.is_empty() && info.referenced_by.is_empty())
}

/// `debug/{id}`: the text of what a component sends; of one that sends nothing on, of what it is sent.
pub(super) fn debug(control: &Arc<Control>, id: &str, query: &str) -> Reply {
    let refuse = |why: String| Reply::text(StatusCode::INTERNAL_SERVER_ERROR, why);
    if !control.debugging.is_enabled() {
        return refuse("live debugging is disabled; write livedebugging { enabled = true } to enable it\n".to_owned());
    }
    let Some(info) = control.engine.component(id) else {
        return Reply::text(StatusCode::NOT_FOUND, format!("there is no component {id:?}\n"));
    };
    if edges_of(&control.engine.flows(), &info.node).is_empty() {
        return refuse(format!("live debugging is not supported for {id:?}: no data passes it\n"));
    }
    let probability = match parameter(query, "sampleProb") {
        None => 1.0,
        Some(text) => match text.parse::<f64>() {
            Ok(probability) if (0.0..=1.0).contains(&probability) => probability,
            _ => return Reply::text(StatusCode::BAD_REQUEST, "sampleProb must be a number from 0 to 1\n"),
        },
    };
    stream(control, |control, sender| show(control, info.node, probability, sender))
}

/// `graph[/{module}]`: how many items a second pass each edge of a module, once in each window.
pub(super) fn graph(control: &Arc<Control>, module: &str, query: &str) -> Reply {
    let window = match parameter(query, "window").map(str::parse::<u64>) {
        None => 5,
        Some(Ok(seconds @ 1..=60)) => seconds,
        Some(_) => return Reply::text(StatusCode::BAD_REQUEST, "window must be a number of seconds from 1 to 60\n"),
    };
    let path: Arc<str> = format!("/{module}").into();
    let window = Duration::from_secs(window);
    stream(control, |control, sender| count(control, path, window, sender))
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Starts the task that feeds a stream; it ends when the client has gone or the process stops.
fn stream<F>(control: &Arc<Control>, feed: impl FnOnce(Arc<Control>, mpsc::Sender<Bytes>) -> F) -> Reply
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(one) = control.debugging.begin() else {
        return Reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{MOST_STREAMS} streams are open already\n"));
    };
    let (sender, receiver) = mpsc::channel(1);
    let gone = sender.clone();
    let feed = feed(Arc::clone(control), sender);
    tokio::spawn(async move {
        tokio::select! {
            () = feed => {}
            () = gone.closed() => {}
        }
        drop(one);
    });
    Reply::stream("text/plain; charset=utf-8", Body::stream(Records(receiver)))
}

struct Records(mpsc::Receiver<Bytes>);

impl http_body::Body for Records {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// `false`: nobody reads.
async fn send(sender: &mpsc::Sender<Bytes>, text: String) -> bool {
    matches!(tokio::time::timeout(PATIENCE, sender.send(text.into())).await, Ok(Ok(())))
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Those that lead away from a component; if there are none, those that lead to it.
fn edges_of(flows: &[Flow], id: &NodeId) -> Vec<Arc<Edge>> {
    let edges = |wanted: &dyn Fn(&Flow) -> bool| -> Vec<Arc<Edge>> {
        flows.iter().filter(|flow| wanted(flow)).map(|flow| Arc::clone(&flow.edge)).collect()
    };
    let out = edges(&|flow| flow.from == *id);
    if out.is_empty() { edges(&|flow| flow.to == *id) } else { out }
}

/// What passed since the last tick.
struct Feed {
    ids: Ids,
    probability: f64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    records: Vec<Arc<str>>,
    bytes: usize,
    left_out: usize,
}

impl Feed {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records since the last call, each followed by the separator.
    fn take(&self) -> String {
        let Kept { records, left_out, .. } = std::mem::take(&mut *self.kept());
        let mut text = String::new();
        for record in &records {
            // What is in the data must not end a record.
            text.push_str(&record.replace(SEPARATOR, "| ; |"));
            text.push_str(SEPARATOR);
        }
        if left_out > 0 {
            text.push_str(&format!("({left_out} more were left out){SEPARATOR}"));
        }
        text
    }
}

impl Tap for Feed {
    fn wants(&self) -> bool {
        if !self.ids.chance(self.probability) {
            return false;
        }
        let mut kept = self.kept();
        let room = kept.records.len() < MOST_RECORDS && kept.bytes < MOST_BYTES;
        kept.left_out += usize::from(!room);
        room
    }

    fn take(&self, text: &Arc<str>) {
        let mut kept = self.kept();
        kept.bytes += text.len();
        kept.records.push(Arc::clone(text));
    }
}

async fn show(control: Arc<Control>, id: NodeId, probability: f64, sender: mpsc::Sender<Bytes>) {
    let feed = Arc::new(Feed { ids: Ids::new(), probability, kept: Mutex::default() });
    let look = |engine: &Engine, mut known: Vec<Watching>| {
        let edges = edges_of(&engine.flows(), &id);
        known.retain(|watching| edges.iter().any(|edge| Arc::ptr_eq(edge, watching.edge())));
        let new = edges.into_iter().filter(|edge| !known.iter().any(|known| Arc::ptr_eq(edge, known.edge())));
        let new: Vec<_> = new.map(|edge| edge.tap(Arc::clone(&feed) as Arc<dyn Tap>)).collect();
        known.into_iter().chain(new).collect::<Vec<_>>()
    };
    let mut watching = look(&control.engine, Vec::new());
    let mut loads = control.loads();
    let mut ticks = ticks(TICK);
    while control.debugging.is_enabled() && !control.is_stopping() {
        tokio::select! {
            _ = ticks.tick() => {
                let text = feed.take();
                if !text.is_empty() && !send(&sender, text).await {
                    return;
                }
                // Exports that changed make new edges without a load.
                watching = look(&control.engine, watching);
            }
            _ = loads.changed() => watching = look(&control.engine, watching),
        }
    }
}

async fn count(control: Arc<Control>, path: Arc<str>, window: Duration, sender: mpsc::Sender<Bytes>) {
    let mut known: Vec<(Flow, Watching, HashMap<&'static str, u64>)> = Vec::new();
    let look = |engine: &Engine, known: &mut Vec<(Flow, Watching, HashMap<&'static str, u64>)>| {
        let flows = engine.flows();
        known.retain(|(old, ..)| flows.iter().any(|flow| Arc::ptr_eq(&flow.edge, &old.edge)));
        for flow in flows {
            let is_inside = lift(&path, &flow.from).is_some() || lift(&path, &flow.to).is_some();
            if is_inside && !known.iter().any(|(old, ..)| Arc::ptr_eq(&flow.edge, &old.edge)) {
                let (watching, before) = (flow.edge.watch(), flow.edge.counts().into_iter().collect());
                known.push((flow, watching, before));
            }
        }
    };
    look(&control.engine, &mut known);
    let mut ticks = ticks(window);
    while !control.is_stopping() {
        ticks.tick().await;
        let mut sums: HashMap<(String, String, &'static str), u64> = HashMap::new();
        for (flow, _, before) in &mut known {
            let name = |id: &NodeId| lift(&path, id).unwrap_or_else(|| id.to_string());
            let (from, to) = (name(&flow.from), name(&flow.to));
            for (kind, count) in flow.edge.counts() {
                let passed = count - before.insert(kind, count).unwrap_or(0);
                // What stays inside a module is seen in the module.
                if passed > 0 && from != to {
                    *sums.entry((from.clone(), to.clone(), kind)).or_default() += passed;
                }
            }
        }
        let mut rows: Vec<_> = sums.into_iter().collect();
        rows.sort();
        let rows: Vec<Json> = rows
            .into_iter()
            .map(|((from, to, kind), passed)| {
                let rate = passed as f64 / window.as_secs_f64();
                json!({ "componentID": from, "targetComponentIDs": [to], "type": kind, "rate": rate })
            })
            .collect();
        if !send(&sender, format!("{}{SEPARATOR}", Json::Array(rows))).await {
            return;
        }
        look(&control.engine, &mut known);
    }
}

/// What a node is called in the graph of a module: its own name, or that of the module inside which it is.
fn lift(module: &str, id: &NodeId) -> Option<String> {
    if id.path() == module {
        return Some(id.local().to_owned());
    }
    let below = id.path().strip_prefix(module.trim_end_matches('/'))?.strip_prefix('/')?;
    below.split('/').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_inside_modules_are_seen_as_the_module() {
        let id = |path: &str| NodeId::new(path, "x.y");
        assert_eq!(lift("/", &id("/")), Some("x.y".into()));
        assert_eq!(lift("/", &id("/lib.a/deep.b")), Some("lib.a".into()));
        assert_eq!(lift("/lib.a", &id("/lib.a/deep.b")), Some("deep.b".into()));
        assert_eq!(lift("/lib.a", &id("/lib.a")), Some("x.y".into()));
        assert_eq!(lift("/lib.a", &id("/")), None);
        assert_eq!(lift("/lib.a", &id("/lib.ab")), None);
    }

    #[test]
    fn what_passes_in_a_second_is_bounded_and_framed() {
        let feed = Feed { ids: Ids::new(), probability: 1.0, kept: Mutex::default() };
        let text: Arc<str> = "a|;|b".into();
        for _ in 0..MOST_RECORDS + 3 {
            if feed.wants() {
                Tap::take(&feed, &text);
            }
        }
        let out = Feed::take(&feed);
        let records: Vec<&str> = out.split(SEPARATOR).collect();
        assert_eq!(records.len(), MOST_RECORDS + 2);
        assert_eq!((records[0], records[MOST_RECORDS]), ("a| ; |b", "(3 more were left out)"));
        assert_eq!(Feed::take(&feed), "");
        let none = Feed { probability: 0.0, ..feed };
        assert!(!none.wants());
    }
}
