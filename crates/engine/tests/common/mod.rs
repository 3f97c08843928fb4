//! Small components for tests: sources, stages and sinks of numbered items.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corten_component::node::Services;
use corten_component::{
    Arguments, BoxFuture, BuildContext, BuildError, Component, Consume, Exports, Fanout, Kinds, Lease, NoExports, Note,
    Outcome, Port, Receipt, Refusal, Registration, Registry, Resource, ResourceError, RunContext, RunError, Signal,
};
use corten_engine::{Engine, LoadError, LoadReport, Settings, Source};
use corten_syntax::{Secret, SourceMap, Value};
use tokio::sync::{Notify, watch};

/// An item with a number.
#[derive(Clone)]
pub struct Item {
    pub number: u64,
    receipt: Arc<Mutex<Receipt>>,
    own: Receipt,
}

impl Item {
    pub fn new(number: u64) -> Self {
        Self { number, receipt: Arc::default(), own: Receipt::none() }
    }
}

impl Signal for Item {
    const CAPSULE: &'static str = "test.Consumer";
    fn items(&self) -> u64 {
        1
    }
    fn kind(&self) -> Kinds {
        Kinds(if self.number.is_multiple_of(2) { 1 } else { 2 })
    }
    fn kind_name(place: usize) -> &'static str {
        ["even", "odd"][place]
    }
    fn output(field: &str) -> Option<Kinds> {
        match field {
            "even" => Some(Kinds(1)),
            "odd" => Some(Kinds(2)),
            _ => None,
        }
    }
    fn receipt(&self) -> &Receipt {
        &self.own
    }
    fn replace_receipt(&mut self, receipt: Receipt) -> Receipt {
        std::mem::replace(&mut self.own, receipt)
    }
}

/// What tests and components share.
#[derive(Default)]
pub struct Hub {
    /// What each sink has received.
    pub received: Mutex<BTreeMap<String, Vec<u64>>>,
    /// Ports by the name of the source that holds them.
    pub sources: Mutex<BTreeMap<String, Fanout<Item>>>,
    /// Events in order: `start ID`, `stop ID`, `build ID`.
    pub events: Mutex<Vec<String>>,
    /// Values to publish, by id.
    pub publish: Mutex<BTreeMap<String, watch::Sender<String>>>,
    /// Resources that are held now.
    pub held: Mutex<Vec<String>>,
    /// Lets builds of `test.slow` go on.
    pub go: Notify,
    /// Tells that a build of `test.slow` has begun.
    pub begun: Notify,
}

impl Hub {
    pub fn log(&self, what: &str, id: impl std::fmt::Display) {
        self.events.lock().unwrap().push(format!("{what} {id}"));
    }
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
    pub fn received(&self, id: &str) -> Vec<u64> {
        self.received.lock().unwrap().get(id).cloned().unwrap_or_default()
    }
    pub async fn send(&self, source: &str, number: u64) -> Result<(), Refusal> {
        let fanout = self.sources.lock().unwrap().get(source).cloned().expect("a source of this name");
        fanout.consume(Item::new(number)).await
    }
    pub fn publish(&self, id: &str, value: &str) {
        self.publish.lock().unwrap()[id].send_replace(value.to_owned());
    }
}

fn hub<'a>(cx: &BuildContext<'a>) -> Arc<Hub> {
    cx.service().expect("the hub")
}

#[derive(Exports)]
pub struct Input {
    /// Takes items.
    pub input: Port<Item>,
}

/// Keeps what it receives.
#[derive(Arguments, Default)]
pub struct SinkArguments {
    /// Anything.
    pub tag: String,
    /// Anything inside.
    #[arg(block)]
    pub client: Option<Client>,
    /// A secret.
    pub password: Option<Secret>,
}

/// A block.
#[derive(Arguments, Default)]
pub struct Client {
    /// Where.
    #[arg(required)]
    pub endpoint: String,
}

pub struct Sink(Arc<Hub>);

struct SinkInput(Arc<Hub>, String, Kinds);

impl Consume<Item> for SinkInput {
    fn consume(&self, item: Item) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            // A call that takes a while, so that reloads find it inside.
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0.received.lock().unwrap().entry(self.1.clone()).or_default().push(item.number);
            item.own.settle(Outcome::Delivered);
            Ok(())
        })
    }
    fn kinds(&self) -> Kinds {
        self.2
    }
}

impl Component for Sink {
    const NAME: &'static str = "test.sink";
    const DOC: &'static str = "Keeps items.";
    type Arguments = SinkArguments;
    type Exports = Input;
    type Carry = ();
    fn notes(args: &SinkArguments) -> Vec<Note> {
        match args.tag.as_str() {
            "" => vec![Note::new(["tag", "client"], "the sink has no tag").with_help("write one")],
            _ => Vec::new(),
        }
    }
    async fn build(args: Arc<SinkArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Input), BuildError> {
        let hub = hub(cx);
        hub.log("build", cx.id());
        match args.tag.as_str() {
            "bad" => return Err(BuildError::at("tag", "the tag is bad").with_help("write a good one")),
            "boom" => panic!("boom while building"),
            _ => {}
        }
        cx.metrics().counter("test_sink_total", "Items.", &[]);
        let kinds = if args.tag == "odd only" { Kinds(2) } else { Kinds::ALL };
        let input = cx.port("input", Arc::new(SinkInput(Arc::clone(&hub), cx.id().to_string(), kinds)));
        Ok((Self(hub), Input { input }))
    }
    async fn run(self, _carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        self.0.log("start", cx.id());
        cx.stopping().await;
        self.0.log("stop", cx.id());
        ((), Ok(()))
    }
}

/// Passes items on from a queue that is handed to the next instance.
#[derive(Arguments, Default)]
pub struct PassArguments {
    /// Where to.
    #[arg(required)]
    pub forward_to: Fanout<Item>,
    /// Anything.
    pub tag: String,
}

pub struct Pass {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    to: Fanout<Item>,
    panics: bool,
}

#[derive(Default)]
struct Queue {
    items: Mutex<VecDeque<Item>>,
    more: Notify,
}

impl Consume<Item> for Queue {
    fn consume(&self, item: Item) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.items.lock().unwrap().push_back(item);
            self.more.notify_one();
            Ok(())
        })
    }
}

impl Component for Pass {
    const NAME: &'static str = "test.pass";
    const DOC: &'static str = "Passes items on.";
    type Arguments = PassArguments;
    type Exports = Input;
    type Carry = VecDeque<Item>;
    async fn build(args: Arc<PassArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Input), BuildError> {
        let panics = args.tag == "panic";
        let queue = Arc::<Queue>::default();
        let input = cx.port("input", Arc::clone(&queue) as Arc<dyn Consume<Item>>);
        Ok((Self { hub: hub(cx), queue, to: args.forward_to.clone(), panics }, Input { input }))
    }
    async fn run(self, carry: VecDeque<Item>, cx: RunContext<Self>) -> (VecDeque<Item>, Result<(), RunError>) {
        self.hub.log("start", cx.id());
        assert!(!self.panics, "boom while running");
        {
            let mut items = self.queue.items.lock().unwrap();
            carry.into_iter().rev().for_each(|item| items.push_front(item));
        }
        // What is left at the end is for the next instance, if there is one.
        while !(cx.deadline().is_some() && cx.is_inherited()) {
            let next = self.queue.items.lock().unwrap().pop_front();
            match next {
                Some(item) => {
                    let number = item.number;
                    if let Err(why) = self.to.consume(item).await {
                        self.hub.log(&format!("lost {number}: {why:?}"), cx.id());
                    }
                }
                None if cx.deadline().is_some() => break,
                None => tokio::select! {
                    () = self.queue.more.notified() => {}
                    () = cx.stopping() => {}
                },
            }
        }
        self.hub.log("stop", cx.id());
        let rest = std::mem::take(&mut *self.queue.items.lock().unwrap());
        (rest, Ok(()))
    }
}

/// Sends what the test sends; takes new destinations while it runs.
#[derive(Arguments, Default)]
pub struct SourceArguments {
    /// Where to.
    #[arg(required)]
    pub forward_to: Fanout<Item>,
}

pub struct TestSource(Arc<Hub>);

impl Component for TestSource {
    const NAME: &'static str = "test.source";
    const DOC: &'static str = "Sends items.";
    type Arguments = SourceArguments;
    type Exports = NoExports;
    type Carry = ();
    async fn build(_args: Arc<SourceArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, NoExports), BuildError> {
        Ok((Self(hub(cx)), NoExports))
    }
    async fn run(self, _carry: (), mut cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        self.0.log("start", cx.id());
        let mut args = cx.arguments();
        loop {
            self.0.sources.lock().unwrap().insert(cx.id().to_string(), args.forward_to.clone());
            let mut phase = cx.phase();
            tokio::select! {
                _ = phase.wait_for(|phase| *phase != corten_component::node::Phase::Running) => break,
                new = cx.changed() => args = new,
            }
            self.0.log("update", cx.id());
        }
        self.0.log("stop", cx.id());
        ((), Ok(()))
    }
    fn absorbs(_old: &SourceArguments, _new: &SourceArguments) -> bool {
        true
    }
}

/// Parts items: what goes where has a name.
#[derive(Arguments, Default)]
pub struct PartArguments {
    /// Consumers.
    #[arg(block)]
    pub output: PartOutput,
}

/// Consumers by kind.
#[derive(Arguments, Default)]
pub struct PartOutput {
    /// Of even numbers.
    pub even: Fanout<Item>,
    /// Of odd numbers.
    pub odd: Fanout<Item>,
}

pub struct Part;

impl Component for Part {
    const NAME: &'static str = "test.part";
    const DOC: &'static str = "Parts items.";
    type Arguments = PartArguments;
    type Exports = NoExports;
    type Carry = ();
    async fn build(_: Arc<PartArguments>, _: &mut BuildContext<'_>) -> Result<(Self, NoExports), BuildError> {
        Ok((Self, NoExports))
    }
}

/// Exports a value that tests change.
#[derive(Arguments, Default)]
pub struct ValueArguments {
    /// The first value.
    pub initial: String,
    /// Whether building waits for the test.
    pub slow: bool,
}

#[derive(Exports)]
pub struct ValueExports {
    /// The value.
    pub value: String,
}

pub struct TestValue(Arc<Hub>, String);

impl Component for TestValue {
    const NAME: &'static str = "test.value";
    const DOC: &'static str = "Exports a value.";
    type Arguments = ValueArguments;
    type Exports = ValueExports;
    type Carry = ();
    async fn build(args: Arc<ValueArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, ValueExports), BuildError> {
        let hub = hub(cx);
        if args.slow {
            hub.begun.notify_one();
            hub.go.notified().await;
        }
        Ok((Self(hub, args.initial.clone()), ValueExports { value: args.initial.clone() }))
    }
    async fn run(self, _carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let (sender, mut receiver) = watch::channel(self.1);
        self.0.publish.lock().unwrap().insert(cx.id().to_string(), sender);
        loop {
            tokio::select! {
                () = cx.stopping() => return ((), Ok(())),
                _ = receiver.changed() => cx.publish(&ValueExports { value: receiver.borrow_and_update().clone() }),
            }
        }
    }
}

/// Ends in the way that its arguments say.
#[derive(Arguments, Default)]
pub struct EndArguments {
    /// `panic`, `error`, `clean`, `hang`.
    pub how: String,
}

pub struct End(Arc<EndArguments>);

impl Component for End {
    const NAME: &'static str = "test.end";
    const DOC: &'static str = "Ends.";
    type Arguments = EndArguments;
    type Exports = NoExports;
    type Carry = ();
    async fn build(args: Arc<EndArguments>, _cx: &mut BuildContext<'_>) -> Result<(Self, NoExports), BuildError> {
        Ok((Self(args), NoExports))
    }
    async fn run(self, _carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        match self.0.how.as_str() {
            "panic" => panic!("boom while running"),
            "error" => ((), Err(RunError::new("out of luck"))),
            "hang" => {
                cx.stopping().await;
                std::future::pending().await
            }
            _ => ((), Ok(())),
        }
    }
}

/// A lock on a name.
pub struct Lock(String, Arc<Hub>);

static HUBS: Mutex<BTreeMap<String, Arc<Hub>>> = Mutex::new(BTreeMap::new());

impl Resource for Lock {
    type Key = String;
    const KIND: &'static str = "lock";
    async fn acquire(key: String) -> Result<Self, ResourceError> {
        // Keys are `TEST/NAME`: each test has a hub of its own.
        let hub = HUBS.lock().unwrap().get(key.split('/').next().unwrap()).cloned().unwrap();
        if key.ends_with("taken") {
            return Err(ResourceError::new(format!("{key} is in use by another process")));
        }
        let mut held = hub.held.lock().unwrap();
        assert!(!held.contains(&key), "{key} is acquired twice");
        held.push(key.clone());
        drop(held);
        Ok(Self(key, hub))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.1.held.lock().unwrap().retain(|key| *key != self.0);
    }
}

pub fn hub_of_locks(test: &str, hub: &Arc<Hub>) {
    HUBS.lock().unwrap().insert(test.to_owned(), Arc::clone(hub));
}

/// Holds a lock.
#[derive(Arguments, Default)]
pub struct HolderArguments {
    /// The lock.
    #[arg(required)]
    pub lock: String,
    /// Anything.
    pub tag: String,
}

pub struct Holder(Lease<Lock>, Arc<Hub>);

impl Component for Holder {
    const NAME: &'static str = "test.holder";
    const DOC: &'static str = "Holds a lock.";
    type Arguments = HolderArguments;
    type Exports = NoExports;
    type Carry = ();
    async fn build(args: Arc<HolderArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, NoExports), BuildError> {
        Ok((Self(cx.resource(args.lock.clone()), hub(cx)), NoExports))
    }
    async fn run(self, _carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        assert!(self.0.get().is_some(), "the lease is filled before run");
        self.1.log("start", cx.id());
        cx.stopping().await;
        self.1.log("stop", cx.id());
        ((), Ok(()))
    }
}

pub const COMPONENTS: &[Registration] = &[
    Registration::of::<Sink>(),
    Registration::of::<Pass>(),
    Registration::of::<TestSource>(),
    Registration::of::<Part>(),
    Registration::of::<TestValue>(),
    Registration::of::<End>(),
    Registration::of::<Holder>(),
];

/// An engine with the test components.
pub struct Bench {
    pub engine: Engine,
    pub hub: Arc<Hub>,
    pub settings: Settings,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let hub = Arc::<Hub>::default();
        let mut settings = Settings::new(Registry::new().with(COMPONENTS).unwrap());
        let mut services = Services::default();
        services.insert(Arc::clone(&hub));
        settings.services = services;
        change(&mut settings);
        Self { engine: Engine::new(settings.clone()), hub, settings }
    }

    pub async fn load(&self, text: &str) -> Result<LoadReport, LoadError> {
        self.engine.load(Source::text("test.alloy", text)).await
    }

    /// Loads what must be right.
    pub async fn good(&self, text: &str) -> LoadReport {
        match self.load(text).await {
            Ok(report) => report,
            Err(error) => panic!("{}", lines(&error.source_map, &error.diagnostics).join("\n")),
        }
    }

    /// Loads what must be right: `LINE:COL message` of each warning.
    pub async fn warned(&self, text: &str) -> Vec<String> {
        let report = self.good(text).await;
        lines(&report.source_map, &report.warnings)
    }

    /// Loads what must be wrong: `LINE:COL message` of each diagnostic.
    pub async fn bad(&self, text: &str) -> Vec<String> {
        let error = self.load(text).await.expect_err("a load that fails");
        lines(&error.source_map, &error.diagnostics)
    }

    pub fn health(&self, id: &str) -> String {
        let info = self.engine.component(id).expect("a node of this id");
        format!("{}: {}", info.health.state.as_str(), info.health.message)
    }

    /// Waits until a condition holds; paused time makes this quick, a stuck one ends the test.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..10_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("never: {what}");
    }

    pub fn argument(&self, id: &str, name: &str) -> String {
        let info = self.engine.component(id).expect("a node of this id");
        let found = info.arguments.iter().find_map(|statement| match statement {
            corten_engine::InfoStatement::Attribute { name: known, value } if known == name => Some(value.clone()),
            _ => None,
        });
        match found {
            Some(Value::String(text)) => text.to_string(),
            other => format!("{other:?}"),
        }
    }
}

pub fn lines(map: &SourceMap, diagnostics: &[corten_syntax::Diagnostic]) -> Vec<String> {
    let line = |diagnostic: &corten_syntax::Diagnostic| {
        let place = diagnostic.span.and_then(|span| {
            let at = map.get(span.file)?.position(span.start);
            Some(format!("{}:{} ", at.line, at.column))
        });
        let help = diagnostic.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{}{}{help}", place.unwrap_or_default(), diagnostic.message)
    };
    diagnostics.iter().map(line).collect()
}

impl Bench {
    /// Like [`Bench::until`], for what happens only every few seconds of paused time.
    pub async fn until_slow(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..1000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never: {what}");
    }
}
