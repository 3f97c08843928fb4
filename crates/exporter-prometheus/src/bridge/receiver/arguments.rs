//! What the user writes.

use corten_component::Arguments;
use corten_net::args::DebugMetrics;
use corten_signal::otlp::OutputArguments;

/// The arguments of `otelcol.receiver.prometheus`.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct SamplesToOtlpArguments {
    /// Where metrics go.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}
