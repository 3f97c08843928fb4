//! `tracing`: traces of Corten itself.

use std::time::Duration;

use corten_component::{Arguments, Fanout, Invalid};
use corten_engine::{HostBlock, HostKind};
use corten_signal::otlp::{Batch, SignalKind};

use crate::traces::{Settings, Traces};

/// Traces of Corten itself: loads, evaluations and runs of components, requests received and sent.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
struct Tracing {
    /// The share of traces that is kept, 0 to 1.
    sampling_fraction: f64,
    /// Consumers that get the spans. Components behind them are not traced while they carry spans.
    write_to: Fanout<Batch>,
    /// Accepted and without effect: requests of exporters carry no trace context.
    send_traceparent: bool,
    /// Another way to sample.
    #[arg(block)]
    sampler: Sampler,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            sampling_fraction: 0.1,
            write_to: Fanout::default(),
            send_traceparent: false,
            sampler: Sampler::default(),
        }
    }
}

/// Another way to sample.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
struct Sampler {
    /// Asks Jaeger.
    #[arg(block)]
    jaeger_remote: Option<JaegerRemote>,
}

/// Sampling decisions of a Jaeger collector. Accepted and not implemented: `sampling_fraction` holds.
#[derive(Debug, Clone, PartialEq, Arguments)]
struct JaegerRemote {
    /// Where to ask.
    url: String,
    /// How many operations have a rate of their own.
    max_operations: u64,
    /// How often to ask.
    refresh_interval: Duration,
}

impl Default for JaegerRemote {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:5778/sampling".to_owned(),
            max_operations: 256,
            refresh_interval: Duration::from_secs(60),
        }
    }
}

impl Tracing {
    fn validate(&self) -> Result<(), Invalid> {
        match (0.0..=1.0).contains(&self.sampling_fraction) {
            true => Ok(()),
            false => Err(Invalid::at("sampling_fraction", "sampling_fraction must be a number from 0 to 1")),
        }
    }
}

pub(super) fn block(traces: Traces) -> HostBlock {
    HostBlock::new::<Tracing>("tracing", HostKind::Config, move |args| {
        let args = args.map(|args| (*args).clone()).unwrap_or_default();
        if args.sampler.jaeger_remote.is_some() {
            tracing::warn!(
                "tracing.sampler.jaeger_remote is not implemented by Corten: sampling_fraction decides which traces are kept"
            );
        }
        traces.configure(Settings { fraction: args.sampling_fraction, to: args.write_to });
        Ok(())
    })
    .sends("write_to", SignalKind::Traces.name())
}
