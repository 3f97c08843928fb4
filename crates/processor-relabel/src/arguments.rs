//! What the user writes.

use std::time::Duration;

use corten_component::{Arguments, Fanout, Invalid};
use corten_signal::relabel::RuleArguments;
use corten_signal::samples::Samples;

/// Shorter, looking for what has expired would be most of the work.
const SHORTEST: Duration = Duration::from_secs(60);

/// The arguments of `prometheus.relabel`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct RelabelArguments {
    /// Where samples go.
    #[arg(required)]
    pub forward_to: Fanout<Samples>,
    /// What to do, in this order.
    #[arg(block, name = "rule")]
    pub rules: Vec<RuleArguments>,
    /// Series whose result is remembered; the one that was not seen for the longest time gives way. Must be 0 to use
    /// `cache_ttl`.
    pub max_cache_size: i64,
    /// Remember the result of any number of series, each until it was not seen for this long. At least a minute.
    pub cache_ttl: Duration,
}

impl Default for RelabelArguments {
    fn default() -> Self {
        Self { forward_to: Fanout::default(), rules: Vec::new(), max_cache_size: 100_000, cache_ttl: Duration::ZERO }
    }
}

impl RelabelArguments {
    fn validate(&self) -> Result<(), Invalid> {
        let (size, ttl) = (self.max_cache_size, self.cache_ttl);
        if size < 0 {
            return Err(Invalid::at("max_cache_size", format!("max_cache_size must be >= 0; got {size}")));
        }
        match (size > 0, ttl > Duration::ZERO) {
            (true, true) => Err(Invalid::at("cache_ttl", "max_cache_size and cache_ttl are mutually exclusive")
                .with_help("write max_cache_size = 0 to use cache_ttl")),
            (false, false) => Err(Invalid::at("max_cache_size", "one of max_cache_size or cache_ttl must be set")),
            (false, true) if ttl < SHORTEST => {
                Err(Invalid::at("cache_ttl", format!("cache_ttl must be at least 1m when set; got {ttl:?}")))
            }
            _ => Ok(()),
        }
    }

    /// The size of a bounded cache.
    pub(crate) fn bound(&self) -> Option<usize> {
        usize::try_from(self.max_cache_size).ok().filter(|size| *size > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_to_bound_the_cache_is_needed() {
        let validate = |max_cache_size, seconds| {
            let cache_ttl = Duration::from_secs(seconds);
            RelabelArguments { max_cache_size, cache_ttl, ..RelabelArguments::default() }.validate().is_ok()
        };
        assert!(validate(100_000, 0) && validate(0, 60));
        assert!(!validate(100_000, 60) && !validate(0, 0) && !validate(-1, 0) && !validate(0, 59));
    }
}
