//! What the user writes.

use std::time::Duration;

use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;
use corten_signal::otlp::OutputArguments;

/// The arguments of `otelcol.processor.batch`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct BatchArguments {
    /// How long an item waits at most before its batch is sent whatever its size; 0 sends every request at once.
    pub timeout: Duration,
    /// Items (spans, data points, log records) at which a batch is sent before the timeout; 0 sends every request at
    /// once.
    pub send_batch_size: usize,
    /// Items that a batch has at most: larger ones are divided. 0 means no limit.
    pub send_batch_max_size: usize,
    /// Names of request metadata (headers): requests with different values are batched apart.
    pub metadata_keys: Vec<String>,
    /// Combinations of values of `metadata_keys` that are batched; requests with further ones are refused for good.
    /// 0 means no limit.
    pub metadata_cardinality_limit: usize,
    /// Where batches go.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl Default for BatchArguments {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 2000,
            send_batch_max_size: 3000,
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1000,
            output: OutputArguments::default(),
            debug_metrics: DebugMetrics::default(),
        }
    }
}

impl BatchArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.send_batch_max_size > 0 && self.send_batch_max_size < self.send_batch_size {
            let message = format!(
                "send_batch_max_size ({}) must be greater than or equal to send_batch_size ({})",
                self.send_batch_max_size, self.send_batch_size
            );
            let help = "raise send_batch_max_size, or lower send_batch_size (2000 when not written)";
            return Err(Invalid::at("send_batch_max_size", message).with_help(help));
        }
        for (index, key) in self.metadata_keys.iter().enumerate() {
            if self.metadata_keys[..index].iter().any(|earlier| earlier.eq_ignore_ascii_case(key)) {
                let message = format!("duplicate entry in metadata_keys: {:?} (ignoring case)", key.to_lowercase());
                return Err(Invalid::at("metadata_keys", message));
            }
        }
        Ok(())
    }

    /// Whether requests pass at once, divided but never collected.
    pub(crate) fn passes_at_once(&self) -> bool {
        self.timeout.is_zero() || self.send_batch_size == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_must_fit_its_limit() {
        let mut args = BatchArguments { send_batch_max_size: 1999, ..BatchArguments::default() };
        let invalid = args.validate().unwrap_err();
        assert_eq!(invalid.field.as_deref(), Some("send_batch_max_size"));
        assert!(invalid.message.contains("1999") && invalid.message.contains("2000"));
        args.send_batch_max_size = 0;
        assert_eq!(args.validate(), Ok(()), "0 is no limit");
    }

    #[test]
    fn metadata_keys_are_distinct_whatever_their_case() {
        let keys = |keys: [&str; 2]| BatchArguments {
            metadata_keys: keys.map(str::to_owned).to_vec(),
            ..BatchArguments::default()
        };
        assert!(keys(["X-Tenant", "x-tenant"]).validate().unwrap_err().message.contains("x-tenant"));
        assert_eq!(keys(["x-tenant", "x-team"]).validate(), Ok(()));
    }
}
