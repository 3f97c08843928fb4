//! The blocks `sending_queue` and `retry_on_failure`.

use std::time::Duration;

use corten_component::{Arguments, Enumeration, Invalid};

use crate::storage::StorageHandle;

/// In what a queue or a batch is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Sizer {
    /// Whatever came in one call.
    #[default]
    Requests,
    /// Spans, data points, log records.
    Items,
    /// Bytes of protobuf before compression.
    Bytes,
}

/// What happens to data that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Overflow {
    /// The oldest that waits is dropped for the newest.
    DropOldest,
    /// The newest is refused; its sender may try again.
    #[default]
    Reject,
    /// The sender waits, up to a deadline, then is refused.
    Block,
}

/// Holds data until the destination has taken it.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct SendingQueue {
    /// Whether to hold data at all; without a queue the sender waits for the destination's answer.
    pub enabled: bool,
    /// What `queue_size` counts: `requests`, `items` or `bytes`.
    pub sizer: Sizer,
    /// How much may wait for each signal, counted as `sizer` says.
    pub queue_size: i64,
    /// How many requests of each signal are under way at once.
    pub num_consumers: i64,
    /// Whether a sender waits while the queue is full; the same as `overflow = "block"`.
    pub block_on_overflow: bool,
    /// What happens to data that does not fit: `drop_oldest`, `reject` or `block`. An extension of Corten.
    pub overflow: Option<Overflow>,
    /// Whether the sender waits until its data has been delivered.
    pub wait_for_result: bool,
    /// Where the queue is kept over a restart: the `handler` of an `otelcol.storage` component.
    pub storage: Option<StorageHandle>,
    /// Merges what waits into larger requests.
    #[arg(block)]
    pub batch: Option<BatchBlock>,
}

impl Default for SendingQueue {
    fn default() -> Self {
        Self {
            enabled: true,
            sizer: Sizer::Requests,
            queue_size: 1000,
            num_consumers: 10,
            block_on_overflow: false,
            overflow: None,
            wait_for_result: false,
            storage: None,
            batch: None,
        }
    }
}

impl SendingQueue {
    fn validate(&self) -> Result<(), Invalid> {
        if !self.enabled {
            return Ok(());
        }
        if self.queue_size <= 0 {
            return Err(Invalid::at("queue_size", "queue_size must be greater than zero"));
        }
        if self.num_consumers <= 0 {
            return Err(Invalid::at("num_consumers", "num_consumers must be greater than zero"));
        }
        if self.storage.is_some() && self.wait_for_result {
            let message = "wait_for_result and storage exclude each other";
            return Err(Invalid::at("wait_for_result", message)
                .with_help("data that is safe on disk needs no waiting for: remove one of the two"));
        }
        if self.block_on_overflow && self.overflow.is_some_and(|overflow| overflow != Overflow::Block) {
            let message = "block_on_overflow and overflow contradict each other";
            return Err(Invalid::at("overflow", message).with_help("remove block_on_overflow"));
        }
        if let Some(batch) = &self.batch
            && batch.sizer == self.sizer
            && batch.min_size > self.queue_size
        {
            return Err(Invalid::at("batch.min_size", "min_size must not be greater than queue_size")
                .with_help("the queue would be full before a batch is"));
        }
        Ok(())
    }
}

/// Merges what waits into larger requests.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct BatchBlock {
    /// How long data waits for more.
    pub flush_timeout: Duration,
    /// The size at which a batch is sent.
    pub min_size: i64,
    /// The size above which a batch is divided; 0 for no limit.
    pub max_size: i64,
    /// What both count: `items` or `bytes`.
    pub sizer: Sizer,
}

impl Default for BatchBlock {
    fn default() -> Self {
        Self { flush_timeout: Duration::from_millis(200), min_size: 2000, max_size: 3000, sizer: Sizer::Items }
    }
}

impl BatchBlock {
    fn validate(&self) -> Result<(), Invalid> {
        if self.sizer == Sizer::Requests {
            return Err(Invalid::at("sizer", "the sizer of a batch must be \"items\" or \"bytes\""));
        }
        if self.flush_timeout.is_zero() {
            return Err(Invalid::at("flush_timeout", "flush_timeout must be greater than zero"));
        }
        if self.min_size < 0 {
            return Err(Invalid::at("min_size", "min_size must not be negative"));
        }
        if self.max_size < 0 {
            return Err(Invalid::at("max_size", "max_size must not be negative"));
        }
        if self.max_size > 0 && self.max_size < self.min_size {
            return Err(Invalid::at("max_size", "max_size must not be less than min_size"));
        }
        Ok(())
    }
}

/// Tries again what a destination could not take for now.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct RetryOnFailure {
    /// Whether to try again at all.
    pub enabled: bool,
    /// How long to wait after the first failure.
    pub initial_interval: Duration,
    /// By what the wait grows with each failure.
    pub multiplier: f64,
    /// How much of the wait is left to chance, as a fraction.
    pub randomization_factor: f64,
    /// The longest wait.
    pub max_interval: Duration,
    /// After how long data is given up; 0 for never.
    pub max_elapsed_time: Duration,
}

impl Default for RetryOnFailure {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            multiplier: 1.5,
            randomization_factor: 0.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl RetryOnFailure {
    fn validate(&self) -> Result<(), Invalid> {
        if !self.enabled {
            return Ok(());
        }
        // Written so that NaN fails.
        if !(self.multiplier > 1.0 && self.multiplier.is_finite()) {
            return Err(Invalid::at("multiplier", "multiplier must be greater than 1"));
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            return Err(Invalid::at("randomization_factor", "randomization_factor must be within [0, 1]"));
        }
        if self.initial_interval.is_zero() {
            return Err(Invalid::at("initial_interval", "initial_interval must be greater than zero")
                .with_help("a destination that is down would be called without a pause"));
        }
        if self.max_interval < self.initial_interval {
            return Err(Invalid::at("max_interval", "max_interval must not be less than initial_interval"));
        }
        if !self.max_elapsed_time.is_zero() && self.max_elapsed_time < self.initial_interval {
            return Err(Invalid::at("max_elapsed_time", "max_elapsed_time must not be less than initial_interval"));
        }
        Ok(())
    }
}
