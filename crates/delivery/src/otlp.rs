//! OTLP batches in queues.

use corten_signal::otlp::{Batch, SignalKind};

use crate::log::{self, Record};
use crate::{Arena, DataType, OverBudget, Payload};

const fn data_type(kind: SignalKind) -> DataType {
    DataType { name: kind.name(), items: kind.items_name() }
}

impl Payload for Batch {
    const DATA_TYPES: &'static [DataType] = &[
        data_type(SignalKind::Traces),
        data_type(SignalKind::Metrics),
        data_type(SignalKind::Logs),
        data_type(SignalKind::Profiles),
    ];

    fn data_type(&self) -> usize {
        self.kind() as usize
    }

    fn bytes(&self) -> usize {
        self.len()
    }

    fn memory(&self) -> usize {
        self.len() + self.encoded().map_or(0, |encoded| encoded.body.len())
    }

    fn forwarded(self, encoding: Option<&str>) -> Self {
        let wanted = self.encoded().filter(|encoded| Some(encoded.encoding) == encoding).cloned();
        self.with_encoded(wanted)
    }

    fn keep(mut self, arena: &Arena) -> Result<Self, (Self, OverBudget)> {
        // A body as it came is worth keeping only if it needs no copy: it saves compressing, not memory.
        if self.encoded().is_some_and(|encoded| !arena.owns(&encoded.body)) {
            self = self.with_encoded(None);
        }
        if self.home() == Some(arena.number()) {
            return Ok(self);
        }
        if self.rope().chunks().all(|part| arena.owns(part)) {
            return Ok(self.with_home(arena.number()));
        }
        // Everything is stored before anything is replaced, so that a refusal changes nothing.
        let stored: Result<Vec<_>, _> = self.rope().chunks().map(|part| arena.keep(part.clone())).collect();
        match stored {
            Ok(stored) => {
                let mut stored = stored.into_iter();
                Ok(self.map_bytes(|part| stored.next().unwrap_or(part)).with_home(arena.number()))
            }
            Err(over) => Err((self, over)),
        }
    }

    fn compact(&mut self, arena: &Arena) -> bool {
        let stray_body = self.encoded().is_some_and(|encoded| arena.is_straggler(&encoded.body));
        if !stray_body && !self.rope().chunks().any(|part| arena.is_straggler(part)) {
            return false;
        }
        let empty = Batch::new(self.kind(), bytes::Bytes::new(), 0);
        let old = std::mem::replace(self, empty);
        *self = old.map_bytes(|part| if arena.is_straggler(&part) { arena.copy_out(part) } else { part });
        true
    }

    fn append(&mut self, other: Self) -> Result<(), Self> {
        Batch::append(self, other)
    }

    fn split_at(mut self, items: u64) -> Result<(Self, Self), Self> {
        match usize::try_from(items) {
            Ok(count) if count > 0 && count < self.items() => {
                let first = self.take(count);
                Ok((first, self))
            }
            _ => Err(self),
        }
    }

    fn halve(self) -> Result<(Self, Self), Self> {
        Batch::halve(self)
    }

    fn to_record(&self) -> Option<Record> {
        Some(log::otlp::to_record(self))
    }

    fn from_record(record: &Record) -> Option<Self> {
        log::otlp::from_record(record)
    }
}
