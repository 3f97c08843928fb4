//! A node of the component, made from a file's text, without an engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_component::arguments::Body;
use corten_component::metrics::Registry;
use corten_component::node::{Control, Node, Phase, Services, control};
use corten_component::{Attribute, BoxFuture, BuildContext, BuildError, Consume, NodeId, Port, Registration};
use corten_delivery::{Arena, Budget};
use corten_exporter_otlphttp::COMPONENTS;
use corten_net::auth::{AuthError, AuthHandle, Authenticator};
use corten_net::http::{HeaderMap, HeaderValue};
use corten_signal::otlp::{Batch, Meta, SignalKind};
use corten_syntax::ast::Statement;
use corten_syntax::{Object, SourceMap, parse};
use corten_testkit::{Samples, data};
use prost::Message;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const ID: &str = "otelcol.exporter.otlphttp.x";

/// A running exporter.
pub(crate) struct Exporter {
    pub(crate) arena: Arc<Arena>,
    port: Port<Batch>,
    registry: Registry,
    control: Control,
    task: JoinHandle<()>,
}

/// What the argument text may refer to as `credentials`.
struct Credentials;

impl Authenticator for Credentials {
    fn apply<'a>(&'a self, headers: &'a mut HeaderMap, _: Option<&'a Meta>) -> BoxFuture<'a, Result<(), AuthError>> {
        headers.insert("authorization", HeaderValue::from_static("Bearer canary"));
        Box::pin(async { Ok(()) })
    }
}

/// Why the text is not accepted, all mistakes in one.
pub(crate) async fn refused(text: &str) -> String {
    match build(text).await {
        Ok(_) => panic!("accepted: {text}"),
        Err(why) => why,
    }
}

type Parts = (Arc<Node>, Registry, corten_component::Built, Arc<dyn std::any::Any + Send + Sync>);

async fn build(text: &str) -> Result<Parts, String> {
    let registration: &Registration = &COMPONENTS[0];
    let mut map = SourceMap::default();
    let (file, found) = parse(&mut map, "test.alloy", &format!("{} \"x\" {{\n{text}\n}}", registration.name));
    assert!(found.is_empty(), "{found:?}");
    let Statement::Block(block) = &file.body[0] else { panic!("a block") };
    let auth: AuthHandle = AuthHandle::to(Arc::new(Credentials));
    let scope = Object::from([("credentials".into(), auth.to_value())]);
    let body = Body::evaluate(block, &scope).unwrap();
    let arguments = registration
        .decode(&body)
        .map_err(|found| found.iter().map(|diagnostic| diagnostic.message.clone()).collect::<Vec<_>>().join("; "))?;
    let registry = Registry::new();
    let id = NodeId::root(ID);
    let scope = registry.node(&id);
    let mut services = Services::default();
    services.insert(Arena::new(Budget::new(64 << 20)));
    let node = Node::new(id, PathBuf::from("/nonexistent"), scope, services, |_| {});
    let mut cx = BuildContext::new(&node);
    let built = registration.build(Arc::clone(&arguments), &mut cx).await;
    let built = built.map_err(|BuildError { message, .. }| message)?;
    cx.into_pending().installs.into_iter().for_each(|install| install());
    Ok((node, registry, built, arguments))
}

impl Exporter {
    /// Starts with these arguments.
    pub(crate) async fn start(text: &str) -> Self {
        let (node, registry, built, arguments) = build(text).await.unwrap();
        node.gates().iter().for_each(|gate| gate.open());
        let port = Port::from_value(&built.exports["input"]).unwrap();
        let (control, state) = control(&node, arguments);
        let run = built.instance.run(None, state);
        let task = tokio::spawn(async move {
            let (carry, result) = run.await;
            drop(carry);
            result.unwrap();
        });
        let arena = node.services().get().unwrap();
        Self { arena, port, registry, control, task }
    }

    pub(crate) async fn send(&self, batch: Batch) {
        self.port.consume(batch).await.unwrap();
    }

    /// A metric's value, summed over what the labels leave open.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        Samples::parse(&self.registry.render()).sum(name, labels)
    }

    /// Ends it within this time.
    pub(crate) async fn stop(self, within: Duration) -> Registry {
        self.control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + within });
        self.task.await.unwrap();
        self.registry
    }
}

pub(crate) fn traces(names: &[&str]) -> Batch {
    let request = data::traces(names.iter().map(ToString::to_string), 0);
    Batch::new(SignalKind::Traces, Bytes::from(request.encode_to_vec()), names.len())
}

pub(crate) fn large(spans: usize) -> Batch {
    let request = data::traces((0..spans).map(|n| format!("span-{n}")), 100);
    Batch::new(SignalKind::Traces, Bytes::from(request.encode_to_vec()), spans)
}

pub(crate) fn logs(bodies: &[&str]) -> Batch {
    let request = data::logs(bodies.iter().map(ToString::to_string));
    Batch::new(SignalKind::Logs, Bytes::from(request.encode_to_vec()), bodies.len())
}

pub(crate) fn metrics(values: &[i64]) -> Batch {
    let request = data::metrics(values.iter().copied());
    Batch::new(SignalKind::Metrics, Bytes::from(request.encode_to_vec()), values.len())
}
