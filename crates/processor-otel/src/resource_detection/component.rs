//! Detecting once, then adding to what passes.

use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::MetricDoc;
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Durable, Kinds, Refusal, RunContext, RunError,
};
use corten_proto::otlp::common::KeyValue;
use corten_proto::otlp::resource::Resource;
use corten_signal::otlp::{Batch, Message};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::arguments::ResourceDetectionArguments;
use super::host::Host;
use super::{environment, system};
use crate::InputExports;
use crate::stage::{self, Stage};

/// What was found, once it was looked for.
type Detected = Option<Arc<[KeyValue]>>;

/// `otelcol.processor.resourcedetection`.
pub struct ResourceDetection {
    arguments: Arc<ResourceDetectionArguments>,
    detected: watch::Sender<Detected>,
}

impl Component for ResourceDetection {
    const NAME: &'static str = "otelcol.processor.resourcedetection";
    const DOC: &'static str = "Adds what is known of the machine to resources.\n\n\
        Detection runs once, when the component starts; data waits for it, at most for `timeout`. A detector that \
        fails is logged and left out. Corten has the detectors `env` (the variable OTEL_RESOURCE_ATTRIBUTES) and \
        `system`.";
    const METRICS: &'static [MetricDoc] = &stage::DOCS;
    type Arguments = ResourceDetectionArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let (detected, receiver) = watch::channel(None);
        let processor = Processor {
            stage: Stage::new("resourcedetection", cx.id().local(), args.output.clone(), cx.metrics()),
            replace: args.r#override,
            patience: args.timeout + Duration::from_secs(1),
            detected: receiver,
        };
        let input = cx.port("input", Arc::new(processor));
        Ok((Self { arguments: args, detected }, InputExports { input }))
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let (found, failed) = detect(&self.arguments, Host::at("/")).await;
        for why in &failed {
            tracing::warn!(component_id = %cx.id(), "resource detection: {why}");
        }
        if !failed.is_empty() && self.arguments.fail_on_missing_metadata {
            return ((), Err(RunError::new(failed.join("; "))));
        }
        match failed.as_slice() {
            [] => cx.health().healthy(format!("{} resource attributes detected", found.len())),
            failed => cx.health().unhealthy(failed.join("; ")),
        }
        self.detected.send_replace(Some(found.into()));
        cx.stopping().await;
        ((), Ok(()))
    }
}

/// Asks all detectors at once; earlier ones win. Also gives why some failed.
async fn detect(arguments: &Arc<ResourceDetectionArguments>, host: Host) -> (Vec<KeyValue>, Vec<String>) {
    let deadline = Instant::now() + arguments.timeout;
    let asked: Vec<_> = arguments
        .detectors
        .iter()
        .map(|detector| {
            let (name, arguments, host) = (detector.clone(), Arc::clone(arguments), host.clone());
            // The resolver blocks.
            tokio::task::spawn_blocking(move || match name.as_str() {
                "env" => environment::detect(),
                _ => system::detect(&arguments.system, &host),
            })
        })
        .collect();
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for (detector, answer) in arguments.detectors.iter().zip(asked) {
        match timeout_at(deadline, answer).await {
            Ok(Ok(Ok(attributes))) => {
                merge(&mut found, &attributes, false);
            }
            Ok(Ok(Err(why))) => failed.push(format!("detector {detector:?} failed: {why}")),
            Ok(Err(error)) => failed.push(format!("detector {detector:?} failed: {error}")),
            Err(_) => failed.push(format!("detector {detector:?} did not answer within {:?}", arguments.timeout)),
        }
    }
    (found, failed)
}

/// Adds attributes; says whether anything changed.
fn merge(to: &mut Vec<KeyValue>, from: &[KeyValue], replace: bool) -> bool {
    let mut changed = false;
    for pair in from {
        match to.iter_mut().find(|known| known.key == pair.key) {
            None => to.push(pair.clone()),
            Some(known) if replace && known.value != pair.value => known.value.clone_from(&pair.value),
            Some(_) => continue,
        }
        changed = true;
    }
    changed
}

struct Processor {
    stage: Stage,
    /// Whether what was detected replaces what is there.
    replace: bool,
    /// How long data waits for detection.
    patience: Duration,
    detected: watch::Receiver<Detected>,
}

impl Processor {
    async fn detected(&self) -> Result<Arc<[KeyValue]>, Refusal> {
        let mut detected = self.detected.clone();
        let found = match timeout(self.patience, detected.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.clone(),
            _ => None,
        };
        found.ok_or_else(|| Refusal::retry("the resource has not been detected"))
    }

    async fn take(&self, mut batch: Batch) -> Result<(), Refusal> {
        let found = match self.detected().await {
            Ok(found) => found,
            Err(refusal) => {
                batch.take_receipt().release();
                return Err(refusal);
            }
        };
        let edit = |message: &mut Message| add(message, &found, self.replace);
        self.stage.pass(batch, (!found.is_empty()).then_some(edit)).await
    }
}

/// Adds attributes to all resources of a request.
fn add(message: &mut Message, found: &[KeyValue], replace: bool) -> bool {
    let merge =
        |resource: &mut Option<Resource>| merge(&mut resource.get_or_insert_default().attributes, found, replace);
    match message {
        Message::Traces(request) => {
            request.resource_spans.iter_mut().fold(false, |any, each| any | merge(&mut each.resource))
        }
        Message::Metrics(request) => {
            request.resource_metrics.iter_mut().fold(false, |any, each| any | merge(&mut each.resource))
        }
        Message::Logs(request) => {
            request.resource_logs.iter_mut().fold(false, |any, each| any | merge(&mut each.resource))
        }
        Message::Profiles(_) => false,
    }
}

impl Consume<Batch> for Processor {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        self.stage.output().admit(bytes)
    }

    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.take(item))
    }

    fn kinds(&self) -> Kinds {
        self.stage.output().kinds().into()
    }

    fn durable(&self) -> Vec<Durable> {
        self.stage.output().durable()
    }
}

#[cfg(test)]
mod tests {
    use corten_component::metrics::Registry;

    use super::*;
    use crate::testing::{Sink, get, logs, output, pair, text};

    fn processor(sink: &Arc<Sink>, replace: bool) -> (Processor, watch::Sender<Detected>) {
        let (sender, detected) = watch::channel(None);
        let stage = Stage::new("resourcedetection", "x", output(sink), &Registry::new().process());
        (Processor { stage, replace, patience: Duration::from_secs(6), detected }, sender)
    }

    fn resource(sink: &Sink, number: usize) -> Vec<KeyValue> {
        let Message::Logs(request) = &sink.messages()[number] else { panic!("another signal") };
        request.resource_logs[0].resource.clone().unwrap_or_default().attributes
    }

    #[tokio::test(start_paused = true)]
    async fn data_waits_for_detection() {
        let sink = Sink::new();
        let (processor, sender) = processor(&sink, true);
        let refusal = processor.consume(logs(1)).await.unwrap_err();
        assert!(refusal.is_retryable());
        let waiting = processor.consume(logs(2));
        let detecting = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            sender.send_replace(Some([pair("host.name", text("shop"))].into()));
        };
        let (answer, ()) = tokio::join!(waiting, detecting);
        answer.unwrap();
        assert_eq!(get(&resource(&sink, 0), "host.name"), Some(&text("shop")));
    }

    #[tokio::test]
    async fn override_decides_who_wins() {
        for (replace, expected) in [(true, "detected"), (false, "sent")] {
            let sink = Sink::new();
            let (processor, sender) = processor(&sink, replace);
            sender.send_replace(Some([pair("a", text("sent")), pair("b", text("b"))].into()));
            processor.consume(logs(1)).await.unwrap();
            sender.send_replace(Some([pair("a", text("detected"))].into()));
            let sent = crate::testing::batch(&sink.messages()[0], 1);
            processor.consume(sent).await.unwrap();
            assert_eq!(get(&resource(&sink, 1), "a"), Some(&text(expected)));
            assert_eq!(get(&resource(&sink, 1), "b"), Some(&text("b")));
        }
    }

    #[test]
    fn earlier_detectors_win() {
        let mut found = vec![pair("host.name", text("env"))];
        assert!(merge(&mut found, &[pair("host.name", text("system")), pair("os.type", text("linux"))], false));
        assert_eq!(found, [pair("host.name", text("env")), pair("os.type", text("linux"))]);
    }

    #[tokio::test]
    async fn a_detector_that_fails_is_left_out_and_named() {
        let system =
            super::super::SystemArguments { hostname_sources: Vec::new(), ..super::super::SystemArguments::default() };
        let detectors = vec!["system".into()];
        let arguments = Arc::new(ResourceDetectionArguments { detectors, system, ..Default::default() });
        let (found, failed) = detect(&arguments, Host::at("/")).await;
        assert!(found.is_empty());
        assert!(failed[0].contains("system") && failed[0].contains("hostname"), "{failed:?}");
    }
}
