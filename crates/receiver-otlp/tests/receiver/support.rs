//! A receiver on free ports, with a consumer that remembers and answers as told.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use corten_component::metrics::Registry;
use corten_component::node::{Control, Node, Phase, ResourceId, Services, control};
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Fanout, NodeId, Port, Refusal, RunContext, RunError,
};
use corten_net::client::{Answer, ClientOptions, HttpClient, Versions};
use corten_net::grpc::{Endpoint, GrpcClient, GrpcOptions};
use corten_net::http::{HeaderMap, Request, Uri};
use corten_net::server::Listener;
use corten_net::{Address, Body};
use corten_proto::otlp::collector::ExportTraceServiceRequest;
use corten_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use corten_receiver_otlp::{Grpc, Http, OtlpArguments, OtlpReceiver, OutputArguments};
use corten_signal::otlp::Batch;
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Remembers what it took.
pub(crate) struct Consumer {
    pub(crate) taken: Mutex<Vec<Batch>>,
    pub(crate) answer: Mutex<Result<(), Refusal>>,
    pub(crate) room: Mutex<Result<(), Refusal>>,
    /// Calls wait until this is true.
    pub(crate) open: watch::Sender<bool>,
    /// Calls that have begun.
    pub(crate) begun: watch::Sender<usize>,
}

impl Consumer {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            answer: Mutex::new(Ok(())),
            room: Mutex::new(Ok(())),
            open: watch::Sender::new(true),
            begun: watch::Sender::new(0),
        })
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        *self.answer.lock().unwrap() = Err(refusal);
    }

    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.taken.lock().unwrap().iter().map(Batch::to_bytes).collect()
    }

    pub(crate) fn items(&self) -> usize {
        self.taken.lock().unwrap().iter().map(Batch::items).sum()
    }
}

impl Consume<Batch> for Consumer {
    fn admit(&self, _bytes: usize) -> Result<(), Refusal> {
        self.room.lock().unwrap().clone()
    }

    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.begun.send_modify(|count| *count += 1);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
            let answer = self.answer.lock().unwrap().clone();
            if answer.is_ok() {
                self.taken.lock().unwrap().push(item);
            }
            answer
        })
    }
}

/// A node with its resources, as an engine keeps them.
pub(crate) struct Harness {
    pub(crate) node: Arc<Node>,
    pub(crate) registry: Registry,
    pub(crate) consumer: Arc<Consumer>,
    resources: HashMap<ResourceId, Arc<dyn Any + Send + Sync>>,
    running: Option<(Control, JoinHandle<Result<(), RunError>>)>,
}

impl Harness {
    /// A running receiver.
    pub(crate) async fn start(args: OtlpArguments) -> Self {
        let mut harness = Self::idle();
        harness.replace(args).await.unwrap();
        harness
    }

    pub(crate) fn idle() -> Self {
        let id = NodeId::root("otelcol.receiver.otlp.default");
        let registry = Registry::new();
        let node = Node::new(id.clone(), "/nowhere".into(), registry.node(&id), Services::default(), |_| {});
        Self { node, registry, consumer: Consumer::new(), resources: HashMap::new(), running: None }
    }

    /// Plan, prepare, commit.
    pub(crate) async fn replace(&mut self, mut args: OtlpArguments) -> Result<(), BuildError> {
        if args.output == OutputArguments::default() {
            let traces = Fanout::new([Port::to(self.consumer.clone() as Arc<dyn Consume<Batch>>)]);
            args.output = OutputArguments { traces, ..OutputArguments::default() };
        }
        let args = Arc::new(args);
        let mut cx = BuildContext::new(&self.node);
        let (receiver, _) = OtlpReceiver::build(Arc::clone(&args), &mut cx).await?;
        for request in cx.into_pending().requests {
            if !self.resources.contains_key(&request.id) {
                let resource = (request.acquire)().await.map_err(|error| BuildError::new(error.message))?;
                self.resources.insert(request.id.clone(), resource);
            }
            (request.fill)(Arc::clone(&self.resources[&request.id]));
        }
        self.stop().await;
        let (control, state) = control(&self.node, args as Arc<dyn Any + Send + Sync>);
        let task = tokio::spawn(async move {
            let ((), result) = receiver.run((), RunContext::new(state)).await;
            result
        });
        self.running = Some((control, task));
        Ok(())
    }

    pub(crate) async fn stop(&mut self) {
        if let Some((control, task)) = self.running.take() {
            control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + LONG });
            task.await.unwrap().unwrap();
        }
    }

    /// How an instance ended that nobody has stopped.
    pub(crate) async fn ended(&mut self) -> Result<(), RunError> {
        let (_control, task) = self.running.take().unwrap();
        task.await.unwrap()
    }

    /// Gives the resources up, as an engine does when their last user has gone.
    pub(crate) fn release(&mut self) {
        self.resources.clear();
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        let listeners = self.resources.values().filter_map(|found| Arc::clone(found).downcast::<Listener>().ok());
        listeners.map(|listener| listener.local_addr().clone()).collect()
    }

    pub(crate) fn address(&self) -> Address {
        self.addresses().remove(0)
    }

    pub(crate) fn url(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.address()).parse().unwrap()
    }

    pub(crate) async fn post(&self, content_type: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post(self.url("/v1/traces")).header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(body.into()).unwrap()).await
    }

    pub(crate) fn grpc(&self, options: GrpcOptions) -> GrpcClient {
        GrpcClient::new(Endpoint::parse(&self.address().to_string(), true).unwrap(), options).unwrap()
    }

    /// The value of the first series whose line begins with `name` and holds all of `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let text = self.registry.render();
        let line = text.lines().find(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
                && labels.iter().all(|label| line.contains(label))
        })?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}

pub(crate) async fn send(request: Request<Body>) -> Answer {
    client(Versions::Http1).send(request, LONG, 1 << 20).await.unwrap()
}

pub(crate) fn client(versions: Versions) -> HttpClient {
    HttpClient::new(ClientOptions { versions, ..ClientOptions::default() }).unwrap()
}

pub(crate) fn http(http: Http) -> OtlpArguments {
    let endpoint = http.endpoint.clone().or(Some("127.0.0.1:0".to_owned()));
    OtlpArguments { http: Some(Http { endpoint, ..http }), ..OtlpArguments::default() }
}

pub(crate) fn grpc(grpc: Grpc) -> OtlpArguments {
    let endpoint = grpc.endpoint.clone().or(Some("127.0.0.1:0".to_owned()));
    OtlpArguments { grpc: Some(Grpc { endpoint, ..grpc }), ..OtlpArguments::default() }
}

/// A request with so many spans.
pub(crate) fn spans(count: usize) -> Bytes {
    request((0..count).map(|index| format!("span {index}")))
}

pub(crate) fn request(names: impl IntoIterator<Item = String>) -> Bytes {
    let spans =
        names.into_iter().map(|name| Span { trace_id: vec![1; 16], span_id: vec![2; 8], name, ..Span::default() });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

/// A gRPC call without headers.
pub(crate) async fn call(
    client: &GrpcClient,
    message: Bytes,
) -> Result<corten_net::grpc::Reply, corten_net::grpc::Status> {
    client.unary(TRACES, HeaderMap::new(), vec![message], false, LONG, 1 << 20).await
}
