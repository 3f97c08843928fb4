//! What the user writes, and the limits that follow from it.

use std::time::Duration;

use corten_component::arguments::ByteSize;
use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;

use crate::OutputArguments;

/// The arguments of `otelcol.processor.memory_limiter`.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct MemoryLimiterArguments {
    /// How often memory is looked at.
    #[arg(required)]
    pub check_interval: Duration,
    /// The most memory the process should take.
    pub limit: ByteSize,
    /// The room kept below `limit` for what arrives between two looks; a fifth of `limit` when not written.
    pub spike_limit: ByteSize,
    /// The most memory the process should take, in percent of the machine's or the cgroup's.
    pub limit_percentage: u32,
    /// The room kept below `limit_percentage`, in percent of the same total.
    pub spike_limit_percentage: u32,
    /// Where data goes.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

/// The memory from which on data is refused, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The limit itself.
    pub hard: u64,
    /// The limit less the room for spikes: from here on data is refused.
    pub soft: u64,
}

impl MemoryLimiterArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.check_interval.is_zero() {
            let invalid = Invalid::at("check_interval", "check_interval must be greater than zero");
            return Err(invalid.with_help("\"1s\" is a good start"));
        }
        match (self.limit.0 > 0, self.limit_percentage > 0) {
            (true, true) => {
                Err(Invalid::at("limit_percentage", "either limit or limit_percentage must be set, but not both"))
            }
            (false, false) => Err(Invalid::new("either limit or limit_percentage must be set to greater than zero")
                .with_help("for example limit = \"150MiB\"")),
            (true, false) if self.spike_limit >= self.limit => {
                Err(Invalid::at("spike_limit", "spike_limit must be less than limit"))
            }
            (true, false) => Ok(()),
            (false, true) => self.validate_percentages(),
        }
    }

    fn validate_percentages(&self) -> Result<(), Invalid> {
        for (name, percentage) in
            [("limit_percentage", self.limit_percentage), ("spike_limit_percentage", self.spike_limit_percentage)]
        {
            if !(1..=100).contains(&percentage) {
                let message = format!("{name} must be greater than 0 and less than or equal to 100");
                let help = "with limit_percentage, spike_limit_percentage must be written too";
                return Err(Invalid::at(name, message).with_help(help));
            }
        }
        if self.spike_limit_percentage >= self.limit_percentage {
            let message = "spike_limit_percentage must be less than limit_percentage";
            return Err(Invalid::at("spike_limit_percentage", message));
        }
        Ok(())
    }

    /// The limits on a machine (or in a cgroup) with so many bytes.
    pub fn limit_of(&self, total: u64) -> Limit {
        let (hard, spike) = if self.limit.0 > 0 {
            (self.limit.0, if self.spike_limit.0 > 0 { self.spike_limit.0 } else { self.limit.0 / 5 })
        } else {
            (percent(total, self.limit_percentage), percent(total, self.spike_limit_percentage))
        };
        Limit { hard, soft: hard.saturating_sub(spike) }
    }
}

fn percent(total: u64, percentage: u32) -> u64 {
    (u128::from(total) * u128::from(percentage) / 100).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> MemoryLimiterArguments {
        MemoryLimiterArguments { check_interval: Duration::from_secs(1), ..MemoryLimiterArguments::default() }
    }

    #[test]
    fn a_spike_is_a_fifth_unless_written() {
        let mut args = MemoryLimiterArguments { limit: ByteSize::mib(100), ..arguments() };
        assert_eq!(args.validate(), Ok(()));
        assert_eq!(args.limit_of(0), Limit { hard: 100 << 20, soft: 80 << 20 });
        args.spike_limit = ByteSize::mib(30);
        assert_eq!(args.limit_of(0).soft, 70 << 20);
        args.spike_limit = ByteSize::mib(100);
        assert_eq!(args.validate().unwrap_err().field.as_deref(), Some("spike_limit"));
    }

    #[test]
    fn percentages_come_in_pairs() {
        let mut args = MemoryLimiterArguments { limit_percentage: 80, ..arguments() };
        assert_eq!(args.validate().unwrap_err().field.as_deref(), Some("spike_limit_percentage"));
        args.spike_limit_percentage = 15;
        assert_eq!(args.validate(), Ok(()));
        assert_eq!(args.limit_of(1000), Limit { hard: 800, soft: 650 });
        args.limit_percentage = 101;
        assert_eq!(args.validate().unwrap_err().field.as_deref(), Some("limit_percentage"));
        args.limit = ByteSize::mib(1);
        assert!(args.validate().unwrap_err().message.contains("not both"));
    }

    #[test]
    fn one_limit_and_an_interval_are_needed() {
        assert!(arguments().validate().unwrap_err().message.contains("limit_percentage"));
        let args = MemoryLimiterArguments { limit: ByteSize::mib(1), ..MemoryLimiterArguments::default() };
        assert_eq!(args.validate().unwrap_err().field.as_deref(), Some("check_interval"));
    }
}
