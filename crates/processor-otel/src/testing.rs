//! Requests and consumers for this crate's tests.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use corten_component::{BoxFuture, Consume, Fanout, Port, Refusal};
use corten_proto::otlp::collector::ExportLogsServiceRequest;
use corten_proto::otlp::common::{AnyValue, KeyValue, any_value::Value};
use corten_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use corten_signal::otlp::{Batch, Message, SignalKind};

use crate::OutputArguments;

/// Keeps what it takes.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<Batch>>);

impl Sink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(Batch::items).collect()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        let decode = |batch: &Batch| Message::decode(batch.kind(), batch.rope().reader()).unwrap();
        self.0.lock().unwrap().iter().map(decode).collect()
    }
}

impl Consume<Batch> for Sink {
    fn consume(&self, mut item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        item.take_receipt().settle(corten_component::Outcome::Delivered);
        self.0.lock().unwrap().push(item);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The sink for all signals.
pub(crate) fn output(sink: &Arc<Sink>) -> OutputArguments {
    let to = Fanout::new([Port::to(sink.clone() as Arc<dyn Consume<Batch>>)]);
    OutputArguments { metrics: to.clone(), logs: to.clone(), traces: to }
}

pub(crate) fn text(value: &str) -> Value {
    Value::StringValue(value.into())
}

pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

pub(crate) fn get<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

/// A message as a batch.
pub(crate) fn batch(message: &Message, items: usize) -> Batch {
    Batch::new(message.kind(), Bytes::from(message.encode()), items)
}

/// A request of so many empty records, without a resource.
pub(crate) fn logs(count: usize) -> Batch {
    let scope = ScopeLogs { log_records: vec![LogRecord::default(); count], ..ScopeLogs::default() };
    let resource_logs = vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }];
    let batch = batch(&Message::Logs(ExportLogsServiceRequest { resource_logs }), count);
    assert_eq!(batch.kind(), SignalKind::Logs);
    batch
}
