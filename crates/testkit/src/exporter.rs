//! One exporter of OTLP batches, made from a file's text, without an engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_component::arguments::Body;
use corten_component::metrics::Registry;
use corten_component::node::{Control, Node, Phase, Services, control};
use corten_component::{Attribute, BuildContext, BuildError, Consume, NodeId, Port, Registration};
use corten_signal::otlp::{Batch, SignalKind};
use corten_syntax::ast::Statement;
use corten_syntax::{Object, SourceMap, parse};
use prost::Message;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{Samples, data};

/// A running exporter; its label is `x`.
pub struct Exporter {
    node: Arc<Node>,
    port: Port<Batch>,
    registry: Registry,
    control: Control,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts one with the arguments of `text`, which may refer to what is in `scope`. An error says why they are not
    /// accepted, all mistakes in one.
    pub async fn start(
        registration: &Registration,
        text: &str,
        scope: &Object,
        services: Services,
    ) -> Result<Self, String> {
        let mut map = SourceMap::default();
        let (file, found) = parse(&mut map, "test.alloy", &format!("{} \"x\" {{\n{text}\n}}", registration.name));
        assert!(found.is_empty(), "{found:?}");
        let Statement::Block(block) = &file.body[0] else { panic!("a block") };
        let arguments =
            registration.decode(&Body::evaluate(block, scope).expect("text with values")).map_err(|found| {
                found.iter().map(|diagnostic| diagnostic.message.clone()).collect::<Vec<_>>().join("; ")
            })?;
        let registry = Registry::new();
        let id = NodeId::root(format!("{}.x", registration.name));
        let scope = registry.node(&id);
        let node = Node::new(id, PathBuf::from("/nonexistent"), scope, services, |_| {});
        let mut cx = BuildContext::new(&node);
        let built = registration.build(Arc::clone(&arguments), &mut cx).await;
        let built = built.map_err(|BuildError { message, .. }| message)?;
        cx.into_pending().installs.into_iter().for_each(|install| install());
        node.gates().iter().for_each(|gate| gate.open());
        let port = Port::from_value(&built.exports["input"]).expect("a port");
        let (control, state) = control(&node, arguments);
        let run = built.instance.run(None, state);
        let task = tokio::spawn(async move {
            let (carry, result) = run.await;
            drop(carry);
            result.expect("an exporter that ends well");
        });
        Ok(Self { node, port, registry, control, task })
    }

    /// Hands it a batch, which it must take.
    pub async fn send(&self, batch: Batch) {
        self.port.consume(batch).await.expect("a batch that is taken");
    }

    /// One of the services that it was started with.
    pub fn service<S: Send + Sync + 'static>(&self) -> Arc<S> {
        self.node.services().get().expect("one of the services")
    }

    /// A metric's value, summed over what the labels leave open.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        Samples::parse(&self.registry.render()).sum(name, labels)
    }

    /// Ends it within this time.
    pub async fn stop(self, within: Duration) -> Registry {
        self.control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + within });
        self.task.await.expect("an exporter that ends");
        self.registry
    }
}

/// Spans of these names.
pub fn traces(names: &[&str]) -> Batch {
    let request = data::traces(names.iter().map(ToString::to_string), 0);
    Batch::new(SignalKind::Traces, Bytes::from(request.encode_to_vec()), names.len())
}

/// So many spans of some size.
pub fn large(spans: usize) -> Batch {
    let request = data::traces((0..spans).map(|n| format!("span-{n}")), 100);
    Batch::new(SignalKind::Traces, Bytes::from(request.encode_to_vec()), spans)
}

/// Records with these bodies.
pub fn logs(bodies: &[&str]) -> Batch {
    let request = data::logs(bodies.iter().map(ToString::to_string));
    Batch::new(SignalKind::Logs, Bytes::from(request.encode_to_vec()), bodies.len())
}

/// Points with these values.
pub fn metrics(values: &[i64]) -> Batch {
    let request = data::metrics(values.iter().copied());
    Batch::new(SignalKind::Metrics, Bytes::from(request.encode_to_vec()), values.len())
}
