//! A node of the component, made from a file's text, without an engine; what it sends is kept.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use corten_component::arguments::Body;
use corten_component::metrics::Registry;
use corten_component::node::{Control, Node, Phase, Services, control};
use corten_component::{
    Attribute, BoxFuture, BuildContext, BuildError, Carry, Consume, NodeId, Port, Refusal, Registration,
};
use corten_signal::exposition::Routes;
use corten_signal::samples::{Sample, SampleValue, Samples};
use corten_signal::targets::Targets;
use corten_source_scrape::COMPONENTS;
use corten_syntax::ast::Statement;
use corten_syntax::{Object, SourceMap, parse};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Keeps all rows.
#[derive(Default)]
pub(crate) struct Kept {
    rows: Mutex<Vec<Sample>>,
    more: Notify,
}

impl Consume<Samples> for Kept {
    fn consume(&self, batch: Samples) -> BoxFuture<'_, Result<(), Refusal>> {
        self.rows.lock().unwrap().extend_from_slice(batch.rows());
        self.more.notify_waiters();
        Box::pin(async { Ok(()) })
    }
}

impl Kept {
    pub(crate) fn rows(&self) -> Vec<Sample> {
        self.rows.lock().unwrap().clone()
    }

    /// Waits until there are rows of which this is true.
    pub(crate) async fn until(&self, what: &str, mut is_there: impl FnMut(&[Sample]) -> bool) -> Vec<Sample> {
        let wait = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                let rows = self.rows();
                if is_there(&rows) {
                    return rows;
                }
                more.await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), wait).await;
        waited.unwrap_or_else(|_| panic!("waited in vain for {what}; there is:\n{}", text(&self.rows())))
    }
}

/// Rows as lines; what ends a series has the value `stale`.
pub(crate) fn text(rows: &[Sample]) -> String {
    rows.iter().map(|row| format!("{} {}\n", row.labels, value(row))).collect()
}

pub(crate) fn value(row: &Sample) -> String {
    match &row.value {
        value if value.is_stale() => "stale".to_owned(),
        SampleValue::Float(value) => value.to_string(),
        SampleValue::Histogram(histogram) => format!("histogram of {}", histogram.count()),
    }
}

/// The values of a series by name, in order.
pub(crate) fn values(rows: &[Sample], name: &str) -> Vec<String> {
    rows.iter().filter(|row| row.labels.name() == name).map(value).collect()
}

/// A running scraper.
pub(crate) struct Scraper {
    pub(crate) kept: Arc<Kept>,
    pub(crate) registry: Registry,
    pub(crate) routes: Arc<Routes>,
    node: Arc<Node>,
    control: Control,
    task: JoinHandle<Carry>,
}

pub(crate) type Arguments = Arc<dyn Any + Send + Sync>;

/// The arguments that a text means; `targets` in it are those given.
pub(crate) fn decode(text: &str, targets: &Targets, kept: &Arc<Kept>) -> Result<Arguments, String> {
    let registration: &Registration = &COMPONENTS[0];
    let text = format!("{} \"x\" {{\ntargets = given\nforward_to = [kept]\n{text}\n}}", registration.name);
    let mut map = SourceMap::default();
    let (file, found) = parse(&mut map, "test.alloy", &text);
    assert!(found.is_empty(), "{found:?}");
    let Statement::Block(block) = &file.body[0] else { panic!("a block") };
    let kept: Port<Samples> = Port::to(Arc::clone(kept) as Arc<dyn Consume<Samples>>);
    let scope = Object::from([("given".into(), targets.to_value()), ("kept".into(), kept.to_value())]);
    let body = Body::evaluate(block, &scope).unwrap();
    let messages = |found: corten_syntax::Diagnostics| {
        found.iter().map(|diagnostic| diagnostic.message.clone()).collect::<Vec<_>>().join("; ")
    };
    registration.decode(&body).map_err(messages)
}

impl Scraper {
    /// Starts with these arguments.
    pub(crate) async fn start(text: &str, targets: &Targets) -> Self {
        let kept = Arc::new(Kept::default());
        let routes = Arc::new(Routes::default());
        let arguments = decode(text, targets, &kept).unwrap();
        let registry = Registry::new();
        let id = NodeId::root("prometheus.scrape.x");
        let scope = registry.node(&id);
        let mut services = Services::default();
        services.insert(Arc::clone(&routes));
        let node = Node::new(id, PathBuf::from("/nonexistent"), scope, services, |_| {});
        let (control, task) = launch(&node, arguments, None).await.unwrap();
        Self { kept, registry, routes, node, control, task }
    }

    /// Gives a running instance other targets.
    pub(crate) fn retarget(&self, text: &str, targets: &Targets) {
        let arguments = decode(text, targets, &self.kept).unwrap();
        self.control.arguments.send_replace(arguments);
    }

    /// Replaces the instance, as a reload with other arguments does.
    pub(crate) async fn replace(self, text: &str, targets: &Targets) -> Self {
        let arguments = decode(text, targets, &self.kept).unwrap();
        self.control.inherited.store(true, std::sync::atomic::Ordering::SeqCst);
        let Self { kept, registry, routes, node, control, task } = self;
        stop(&control);
        let carry = task.await.unwrap();
        let (control, task) = launch(&node, arguments, Some(carry)).await.unwrap();
        Self { kept, registry, routes, node, control, task }
    }

    /// Ends it for good.
    pub(crate) async fn stop(self) -> Vec<Sample> {
        stop(&self.control);
        self.task.await.unwrap();
        self.kept.rows()
    }

    /// What its health says.
    pub(crate) fn health(&self) -> String {
        self.node.health().report().map(|report| report.message).unwrap_or_default()
    }

    /// A metric's value.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        corten_testkit::Samples::parse(&self.registry.render()).sum(name, &[])
    }
}

fn stop(control: &Control) {
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    control.phase.send_replace(Phase::Stopping { deadline });
}

async fn launch(
    node: &Arc<Node>,
    arguments: Arguments,
    carry: Option<Carry>,
) -> Result<(Control, JoinHandle<Carry>), String> {
    let mut cx = BuildContext::new(node);
    let built = COMPONENTS[0].build(Arc::clone(&arguments), &mut cx).await;
    let built = built.map_err(|BuildError { message, .. }| message)?;
    cx.into_pending().installs.into_iter().for_each(|install| install());
    let (control, state) = control(node, arguments);
    let run = built.instance.run(carry, state);
    let task = tokio::spawn(async move {
        let (carry, result) = run.await;
        result.unwrap();
        carry
    });
    Ok((control, task))
}
