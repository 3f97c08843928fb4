//! The component as its neighbours see it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use corten_component::metrics::Registry;
use corten_component::node::{Node, Phase, Services, control};
use corten_component::{BuildContext, Component, Consume, NodeId, Receipt, RunContext, Settled, Signal};
use corten_signal::otlp::{Batch, SignalKind};
use tokio::time::Instant;

use crate::{Debug, DebugArguments};

fn logs() -> (Batch, Arc<Mutex<Option<Settled>>>) {
    // One resource with one scope with two empty records.
    let mut batch = Batch::new(SignalKind::Logs, Bytes::from_static(b"\x0a\x06\x12\x04\x12\x00\x12\x00"), 2);
    let seen = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&seen);
    batch.replace_receipt(Receipt::new(move |settled| *sink.lock().unwrap() = Some(settled))).release();
    (batch, seen)
}

async fn exchange(arguments: DebugArguments, registry: &Registry) -> Result<Option<Settled>, String> {
    let id = NodeId::root("otelcol.exporter.debug.x");
    let node = Node::new(id.clone(), PathBuf::new(), registry.node(&id), Services::default(), |_| {});
    let arguments = Arc::new(arguments);
    let mut cx = BuildContext::new(&node);
    let (instance, exports) = Debug::build(Arc::clone(&arguments), &mut cx).await.unwrap();
    cx.into_pending().installs.into_iter().for_each(|install| install());
    node.gates().iter().for_each(|gate| gate.open());
    let (control, state) = control(&node, arguments);
    let running = tokio::spawn(instance.run((), RunContext::new(state)));
    let (batch, seen) = logs();
    let answer = exports.input.consume(batch).await;
    control.phase.send_replace(Phase::Stopping { deadline: Instant::now() + Duration::from_secs(5) });
    let (_, result) = running.await.unwrap();
    result.map_err(|error| error.message)?;
    answer.map_err(|refusal| refusal.to_string())?;
    Ok(*seen.lock().unwrap())
}

#[tokio::test]
async fn files_are_appended_to_and_settle_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.txt");
    let arguments = DebugArguments {
        use_internal_logger: false,
        output_paths: vec![path.display().to_string()],
        ..DebugArguments::default()
    };
    let registry = Registry::new();
    for _ in 0..2 {
        let settled = exchange(arguments.clone(), &registry).await.unwrap();
        assert!(settled.unwrap().is_safe());
    }
    let line = "Logs: 1 resource logs, 2 log records\n";
    assert_eq!(std::fs::read_to_string(path).unwrap(), line.repeat(2));
    let sent = "otelcol_exporter_sent_log_records_total{component_id=\"otelcol.exporter.debug.x\",component_path=\"/\",\
                exporter=\"debug/otelcol.exporter.debug.x\"} 4";
    assert!(registry.render().contains(sent));
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let arguments = DebugArguments {
        use_internal_logger: false,
        output_paths: vec!["/nonexistent/out.txt".into()],
        ..DebugArguments::default()
    };
    let message = exchange(arguments, &Registry::new()).await.unwrap_err();
    assert!(message.contains("/nonexistent/out.txt"), "{message}");
}

#[tokio::test]
async fn the_log_settles_at_once() {
    let settled = exchange(DebugArguments::default(), &Registry::new()).await.unwrap();
    assert!(settled.unwrap().is_safe());
}
