//! Data as text for people. The wording may change between versions; names and ids stand in it as they are.

mod logs;
mod metrics;
mod page;
mod profiles;
mod traces;
mod value;

use corten_component::Enumeration;
use corten_signal::otlp::{Batch, Message, SignalKind};
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

use page::Page;

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Verbosity {
    /// One line a batch, with counts.
    #[default]
    Basic,
    /// One line an item.
    Normal,
    /// Everything.
    Detailed,
}

/// A batch as text: one part per item, which is never divided, and parts for what encloses items.
#[derive(Debug)]
pub struct Rendered {
    kind: SignalKind,
    verbosity: Verbosity,
    parts: Vec<String>,
}

/// The text of a batch.
pub fn render(batch: &Batch, verbosity: Verbosity) -> Rendered {
    let kind = batch.kind();
    let parts = match verbosity {
        Verbosity::Basic => vec![summary(batch)],
        Verbosity::Normal | Verbosity::Detailed => match Message::decode(kind, batch.rope().reader()) {
            Ok(message) => {
                let mut page = Page::new(verbosity == Verbosity::Detailed);
                match &message {
                    Message::Traces(request) => traces::write(&mut page, request),
                    Message::Metrics(request) => metrics::write(&mut page, request),
                    Message::Logs(request) => logs::write(&mut page, request),
                    Message::Profiles(request) => profiles::write(&mut page, request),
                }
                page.into_parts()
            }
            Err(error) => vec![format!("{} (cannot be decoded: {error})", summary(batch))],
        },
    };
    Rendered { kind, verbosity, parts }
}

impl Rendered {
    /// The text in records of at most about `limit` bytes, divided between items only.
    pub fn records(&self, limit: usize) -> Vec<String> {
        let mut records: Vec<String> = Vec::new();
        for part in &self.parts {
            match records.last_mut() {
                Some(record) if record.len() + 1 + part.len() <= limit => {
                    record.push('\n');
                    record.push_str(part);
                }
                _ => records.push(part.clone()),
            }
        }
        records
    }

    /// What counts as the same text when sampling: counts differ from batch to batch and do not matter.
    pub fn sampled_as<'a>(&self, record: &'a str) -> &'a str {
        match self.verbosity {
            Verbosity::Basic => self.kind.name(),
            Verbosity::Normal | Verbosity::Detailed => record,
        }
    }
}

fn summary(batch: &Batch) -> String {
    let (title, resources, items) = match batch.kind() {
        SignalKind::Traces => ("Traces", "resource spans", "spans"),
        SignalKind::Metrics => ("Metrics", "resource metrics", "data points"),
        SignalKind::Logs => ("Logs", "resource logs", "log records"),
        SignalKind::Profiles => ("Profiles", "resource profiles", "samples"),
    };
    format!("{title}: {} {resources}, {} {items}", resource_count(batch), batch.items())
}

/// The resources in a batch, counted without decoding: each is one field 1 of the request.
fn resource_count(batch: &Batch) -> usize {
    let mut count = 0;
    for part in batch.rope().chunks() {
        let mut rest: &[u8] = part;
        while let Ok((number, wire_type)) = decode_key(&mut rest) {
            count += usize::from(number == 1 && wire_type == WireType::LengthDelimited);
            if skip_field(wire_type, number, &mut rest, DecodeContext::default()).is_err() {
                break;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests;
