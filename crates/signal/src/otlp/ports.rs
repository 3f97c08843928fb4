//! The ends of an OTLP stage: the `output` block that names its consumers, and the `input` that it exports.

use corten_component::{Arguments, Consume, Durable, Exports, Fanout, Port, Refusal};

use super::{Batch, KindSet, SignalKind};

/// Consumers by signal. A signal without consumers is not served.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct OutputArguments {
    /// Consumers of metrics.
    pub metrics: Fanout<Batch>,
    /// Consumers of logs.
    pub logs: Fanout<Batch>,
    /// Consumers of traces.
    pub traces: Fanout<Batch>,
}

impl OutputArguments {
    /// The consumers of a signal, if there are any.
    pub fn of(&self, kind: SignalKind) -> Option<&Fanout<Batch>> {
        let fanout = match kind {
            SignalKind::Traces => &self.traces,
            SignalKind::Metrics => &self.metrics,
            SignalKind::Logs => &self.logs,
            SignalKind::Profiles => return None,
        };
        (!fanout.is_empty()).then_some(fanout)
    }

    /// The signals that have consumers.
    pub fn kinds(&self) -> KindSet {
        SignalKind::ALL
            .into_iter()
            .filter(|kind| self.of(*kind).is_some())
            .fold(KindSet::NONE, |all, kind| all.union(kind.into()))
    }

    /// The destinations behind it that keep on disk what they take.
    pub fn durable(&self) -> Vec<Durable> {
        let mut all: Vec<Durable> = Vec::new();
        for durable in [&self.metrics, &self.logs, &self.traces].into_iter().flat_map(Consume::durable) {
            if all.iter().all(|known| known.name != durable.name) {
                all.push(durable);
            }
        }
        all
    }

    /// Asks downstream: refused only if no signal's consumers would take it.
    pub fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        let mut answer = Ok(());
        for to in SignalKind::ALL.into_iter().filter_map(|kind| self.of(kind)) {
            match to.admit(bytes) {
                Ok(()) => return Ok(()),
                refused => answer = refused,
            }
        }
        answer
    }
}

/// What others refer to.
#[derive(Debug, Clone, PartialEq, Exports)]
pub struct InputExports {
    /// Takes traces, metrics and logs, as far as there are consumers for them.
    pub input: Port<Batch>,
}
