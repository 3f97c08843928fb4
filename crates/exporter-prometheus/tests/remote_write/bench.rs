//! A node of the component, made from a file's text, without an engine; it may be reloaded, stopped and killed.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corten_component::arguments::Body;
use corten_component::metrics::Registry;
use corten_component::node::{Control, Node, Phase, Services, control};
use corten_component::{Attribute, BuildContext, BuildError, Consume, NodeId, Port, Registration};
use corten_exporter_prometheus::COMPONENTS;
use corten_signal::labels::Labels;
use corten_signal::samples::{Sample, SampleValue, Samples};
use corten_syntax::ast::Statement;
use corten_syntax::{Object, SourceMap, parse};
use corten_testkit::{Received, Sink, WrittenSeries, eventually};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const ID: &str = "prometheus.remote_write.x";

type Carry = Box<dyn Any + Send>;

/// A running component.
pub(crate) struct Writer {
    node: Arc<Node>,
    port: Port<Samples>,
    registry: Registry,
    control: Control,
    task: JoinHandle<Carry>,
}

/// An endpoint block that sends at once.
pub(crate) fn endpoint(sink: &Sink, rest: &str) -> String {
    format!(
        "endpoint {{\n url = \"{}/api/v1/write\"\n queue_config {{\n batch_send_deadline = \"20ms\"\n \
         min_backoff = \"5ms\"\n max_backoff = \"20ms\"\n }}\n {rest}\n}}\n",
        sink.url()
    )
}

async fn build(node: &Arc<Node>, text: &str) -> Result<(corten_component::Built, Arc<dyn Any + Send + Sync>), String> {
    let registration: &Registration =
        COMPONENTS.iter().find(|component| component.name == "prometheus.remote_write").unwrap();
    let mut map = SourceMap::default();
    let (file, found) = parse(&mut map, "test.alloy", &format!("{} \"x\" {{\n{text}\n}}", registration.name));
    assert!(found.is_empty(), "{found:?}");
    let Statement::Block(block) = &file.body[0] else { panic!("a block") };
    let body = Body::evaluate(block, &Object::new()).unwrap();
    let arguments = registration
        .decode(&body)
        .map_err(|found| found.iter().map(|diagnostic| diagnostic.message.clone()).collect::<Vec<_>>().join("; "))?;
    let mut cx = BuildContext::new(node);
    let built = registration.build(Arc::clone(&arguments), &mut cx).await;
    let built = built.map_err(|BuildError { message, .. }| message)?;
    cx.into_pending().installs.into_iter().for_each(|install| install());
    Ok((built, arguments))
}

/// Why the text is not accepted, all mistakes in one.
pub(crate) async fn refused(text: &str) -> String {
    let node = Node::new(NodeId::root(ID), "/nonexistent".into(), Default::default(), Services::default(), |_| {});
    match build(&node, text).await {
        Ok(_) => panic!("accepted: {text}"),
        Err(why) => why,
    }
}

impl Writer {
    /// Starts with these arguments and this directory.
    pub(crate) async fn start(directory: &Path, text: &str) -> Self {
        let registry = Registry::new();
        let id = NodeId::root(ID);
        let scope = registry.node(&id);
        let node = Node::new(id, directory.to_owned(), scope, Services::default(), |_| {});
        Self::on(node, registry, text, None).await
    }

    async fn on(node: Arc<Node>, registry: Registry, text: &str, carry: Option<Carry>) -> Self {
        let (built, arguments) = build(&node, text).await.unwrap();
        node.gates().iter().for_each(|gate| gate.open());
        let port = Port::from_value(&built.exports["receiver"]).unwrap();
        let (control, state) = control(&node, arguments);
        let run = built.instance.run(carry, state);
        let task = tokio::spawn(async move {
            let (carry, result) = run.await;
            result.unwrap();
            carry
        });
        Self { node, port, registry, control, task }
    }

    /// Replaces the instance, as a reload does.
    pub(crate) async fn reload(self, text: &str) -> Self {
        self.node.gates().iter().for_each(|gate| gate.shut());
        self.control.inherited.store(true, std::sync::atomic::Ordering::Release);
        self.control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + Duration::from_secs(20) });
        let carry = self.task.await.unwrap();
        Self::on(self.node, self.registry, text, Some(carry)).await
    }

    pub(crate) async fn send(&self, rows: Vec<Sample>) {
        self.port.consume(Samples::new(rows)).await.unwrap();
    }

    pub(crate) async fn send_batch(&self, batch: Samples) {
        self.port.consume(batch).await.unwrap();
    }

    /// A metric's value, summed over what the labels leave open.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        corten_testkit::Samples::parse(&self.registry.render()).sum(name, labels)
    }

    /// Accepted, delivered, rejected, dropped and queued samples of an endpoint, whose sum must be right.
    pub(crate) fn law(&self, url: &str) -> [u64; 5] {
        let text = corten_testkit::Samples::parse(&self.registry.render());
        let url = format!("{url}/api/v1/write");
        let labels = [("url", url.as_str())];
        let names = ["accepted_items_total", "delivered_items_total", "rejected_items_total", "dropped_items_total"];
        let read = |name: &str| text.sum(&format!("corten_delivery_{name}"), &labels) as u64;
        let [accepted, delivered, rejected, dropped] = names.map(read);
        [accepted, delivered, rejected, dropped, read("queued_items")]
    }

    /// Waits until nothing waits at an endpoint and the books balance: a scrape may come between two of their lines.
    pub(crate) fn settled(&self, sink: &Sink) -> [u64; 4] {
        let [accepted, delivered, rejected, dropped, _] = eventually("an empty queue and balanced books", || {
            let law = self.law(&sink.url());
            (law[0] > 0 && law[4] == 0 && law[0] == law[1] + law[2] + law[3]).then_some(law)
        });
        [accepted, delivered, rejected, dropped]
    }

    /// Waits until all that it took has been delivered; rejected and dropped samples. An instance that was killed in this
    /// process, unlike a process that was, may append its last records after its successor has counted what there is.
    pub(crate) fn emptied(&self, sink: &Sink) -> [u64; 2] {
        eventually("an empty queue", || {
            let [accepted, delivered, rejected, dropped, queued] = self.law(&sink.url());
            let gone = delivered + rejected + dropped;
            (accepted > 0 && queued == 0 && gone >= accepted).then_some([rejected, dropped])
        })
    }

    /// Ends it within this time.
    pub(crate) async fn stop(self) -> Registry {
        self.control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + Duration::from_secs(10) });
        self.task.await.unwrap();
        self.registry
    }

    /// Ends it without a chance to finish anything.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// A sample of a series.
pub(crate) fn row(series: &str, timestamp: i64, value: f64) -> Sample {
    let labels = Labels::from_pairs([("__name__", "metric"), ("series", series)]);
    Sample { labels, timestamp, start: 0, value: SampleValue::Float(value), metadata: None }
}

/// Now, in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

/// The requests so far, once they hold so many samples.
pub(crate) fn requests(sink: &Sink, rows: usize) -> Vec<Received> {
    eventually("the samples", || {
        let received = sink.received();
        let count: usize = received.iter().map(|request| request.write().rows()).sum();
        (count >= rows).then_some(received)
    })
}

/// All series of all requests so far, once they hold so many samples.
pub(crate) fn series(sink: &Sink, rows: usize) -> Vec<WrittenSeries> {
    requests(sink, rows).iter().flat_map(|request| request.write().series).collect()
}
