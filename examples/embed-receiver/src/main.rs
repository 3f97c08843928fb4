//! Takes OTLP with Corten's receiver and prints it as JSON, without the engine: `embed-receiver [ENDPOINT]`.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::Registry;
use corten_component::node::{Node, Phase, Services, control};
use corten_component::{
    BoxFuture, BuildContext, Component, Consume, Fanout, NodeId, Outcome, Port, Refusal, RunContext,
};
use corten_receiver_otlp::{Http, OtlpArguments, OtlpReceiver, OutputArguments};
use corten_signal::otlp::{Batch, json};
use tokio::time::Instant;

struct Printer;

impl Consume<Batch> for Printer {
    fn consume(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        let text = json::encode(batch.kind(), batch.rope());
        println!("{} {}: {}", batch.items(), batch.kind().items_name(), String::from_utf8_lossy(&text));
        batch.take_receipt().settle(Outcome::Delivered);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4318".to_owned());
    let to = Fanout::new([Port::to(Arc::new(Printer))]);
    let arguments = Arc::new(OtlpArguments {
        http: Some(Http { endpoint: Some(endpoint.clone()), ..Http::default() }),
        output: OutputArguments { traces: to.clone(), metrics: to.clone(), logs: to },
        ..OtlpArguments::default()
    });
    // What the engine does for each node of a file: build, acquire what was asked for and keep it, run.
    let (id, metrics) = (NodeId::root("receiver"), Registry::new());
    let node = Node::new(id.clone(), PathBuf::new(), metrics.node(&id), Services::default(), |_| {});
    let mut cx = BuildContext::new(&node);
    let (receiver, _) = OtlpReceiver::build(Arc::clone(&arguments), &mut cx).await?;
    let mut listeners = Vec::new();
    for request in cx.into_pending().requests {
        let listener = (request.acquire)().await?;
        (request.fill)(Arc::clone(&listener));
        listeners.push(listener);
    }
    let (control, state) = control(&node, arguments);
    let running = tokio::spawn(receiver.run((), RunContext::new(state)));
    println!("OTLP goes to http://{endpoint}; Ctrl-C ends");
    tokio::signal::ctrl_c().await?;
    control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + Duration::from_secs(5) });
    Ok(running.await?.1?)
}
