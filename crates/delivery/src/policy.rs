//! What a queue does, decided from the blocks that are written or not.

use std::time::Duration;

use corten_component::BuildError;

use crate::StorageHandle;
use crate::arguments::{BatchBlock, Overflow, RetryOnFailure, SendingQueue, Sizer};

/// What waits for a destination at most when nobody says otherwise, all signals together.
const DEFAULT_BYTES: u64 = 100 << 20;

/// Requests under way at once for each signal when nobody says otherwise.
const DEFAULT_CONSUMERS: usize = 10;

/// The same where there is no queue: the callers are the limit, and this the limit of callers.
const UNQUEUED_CONSUMERS: usize = 256;

/// How a queue behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// In what `size` is counted.
    pub sizer: Sizer,
    /// How much may be held, including what is under way.
    pub size: u64,
    /// Whether each data type may hold so much, or all together.
    pub each: bool,
    /// What happens to what does not fit.
    pub overflow: Overflow,
    /// Sends under way at once for each data type.
    pub consumers: usize,
    /// Whether senders wait for the outcome.
    pub wait_for_result: bool,
    /// Merging, if any.
    pub batch: Option<Batching>,
    /// Trying again, if at all.
    pub retry: Option<Retry>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long a sender waits for room or for a result.
    pub patience: Duration,
    /// Where it is kept over a restart.
    pub storage: Option<StorageHandle>,
    /// The encoding in which a body is sent on as it came; what came in another is not kept.
    pub forwards: Option<&'static str>,
}

/// When what waits is merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Batching {
    /// How long something waits for more.
    pub flush_timeout: Duration,
    /// Enough to be sent.
    pub min: u64,
    /// Divided above this.
    pub max: u64,
    /// What both count: items or bytes.
    pub sizer: Sizer,
}

/// When what failed is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// The growth.
    pub multiplier: f64,
    /// The share of chance.
    pub randomization: f64,
    /// When an item is given up; `None` for never.
    pub max_elapsed: Option<Duration>,
}

impl Default for Policy {
    /// Neither block is written: 100 MiB for all signals together, the oldest dropped, tried for ever.
    fn default() -> Self {
        Self {
            sizer: Sizer::Bytes,
            size: DEFAULT_BYTES,
            each: false,
            overflow: Overflow::DropOldest,
            consumers: DEFAULT_CONSUMERS,
            wait_for_result: false,
            batch: None,
            retry: Some(Retry::default()),
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            storage: None,
            forwards: None,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        let written = Self::from(&RetryOnFailure::default());
        Self { max_elapsed: None, ..written }
    }
}

impl From<&RetryOnFailure> for Retry {
    fn from(block: &RetryOnFailure) -> Self {
        Self {
            initial: block.initial_interval,
            max: block.max_interval,
            multiplier: block.multiplier,
            randomization: block.randomization_factor,
            max_elapsed: Some(block.max_elapsed_time).filter(|time| !time.is_zero()),
        }
    }
}

impl From<&BatchBlock> for Batching {
    fn from(block: &BatchBlock) -> Self {
        let max = positive(block.max_size);
        Self {
            flush_timeout: block.flush_timeout,
            min: positive(block.min_size),
            max: if max == 0 { u64::MAX } else { max },
            sizer: block.sizer,
        }
    }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Policy {
    /// What the blocks mean. `timeout` bounds one attempt.
    ///
    /// # Errors
    /// None at present.
    pub fn new(
        queue: Option<&SendingQueue>,
        retry: Option<&RetryOnFailure>,
        timeout: Duration,
    ) -> Result<Self, BuildError> {
        let mut policy = Self { timeout, ..Self::default() };
        if let Some(retry) = retry {
            policy.retry = retry.enabled.then(|| Retry::from(retry));
            if let Some(max_elapsed) = policy.retry.as_ref().and_then(|retry| retry.max_elapsed) {
                policy.patience = policy.patience.max(max_elapsed);
            }
        }
        policy.patience = policy.patience.max(timeout);
        let Some(queue) = queue else { return Ok(policy) };
        if !queue.enabled {
            return Ok(Self {
                overflow: Overflow::Reject,
                consumers: UNQUEUED_CONSUMERS,
                wait_for_result: true,
                ..policy
            });
        }
        Ok(Self {
            sizer: queue.sizer,
            size: positive(queue.queue_size),
            each: true,
            overflow: match queue.overflow {
                Some(overflow) => overflow,
                None if queue.block_on_overflow => Overflow::Block,
                None => Overflow::Reject,
            },
            consumers: usize::try_from(queue.num_consumers).unwrap_or(DEFAULT_CONSUMERS).clamp(1, 1000),
            wait_for_result: queue.wait_for_result,
            batch: queue.batch.as_ref().map(Batching::from),
            storage: queue.storage.clone(),
            ..policy
        })
    }
}

#[cfg(test)]
mod tests {
    use corten_component::Arguments as _;

    use super::*;

    #[test]
    fn what_is_not_written_holds_100_mib_and_drops_the_oldest() {
        let policy = Policy::new(None, None, Duration::from_secs(5)).unwrap();
        assert_eq!((policy.sizer, policy.size, policy.each), (Sizer::Bytes, 104_857_600, false));
        assert_eq!(policy.overflow, Overflow::DropOldest);
        assert_eq!(policy.retry.unwrap().max_elapsed, None);
        assert_eq!(policy.timeout, Duration::from_secs(5));
    }

    #[test]
    fn what_is_written_means_what_it_always_meant() {
        let (queue, retry) = (SendingQueue::default(), RetryOnFailure::default());
        let policy = Policy::new(Some(&queue), Some(&retry), Duration::from_secs(5)).unwrap();
        assert_eq!((policy.sizer, policy.size, policy.each), (Sizer::Requests, 1000, true));
        assert_eq!((policy.overflow, policy.consumers), (Overflow::Reject, 10));
        assert_eq!(policy.retry.unwrap().max_elapsed, Some(Duration::from_secs(300)));
        let blocking = SendingQueue { block_on_overflow: true, ..queue.clone() };
        assert_eq!(Policy::new(Some(&blocking), None, Duration::ZERO).unwrap().overflow, Overflow::Block);
        let off = SendingQueue { enabled: false, ..queue };
        let policy =
            Policy::new(Some(&off), Some(&RetryOnFailure { enabled: false, ..retry }), Duration::ZERO).unwrap();
        assert!(policy.wait_for_result && policy.retry.is_none());
    }

    #[test]
    fn contradictions_are_refused_where_they_stand() {
        let field = |queue: SendingQueue| queue.check().unwrap_err().field.unwrap();
        let queue = SendingQueue::default;
        assert_eq!(field(SendingQueue { queue_size: 0, ..queue() }), "queue_size");
        assert_eq!(field(SendingQueue { num_consumers: 0, ..queue() }), "num_consumers");
        let overflow = Some(Overflow::DropOldest);
        assert_eq!(field(SendingQueue { block_on_overflow: true, overflow, ..queue() }), "overflow");
        let batch = Some(BatchBlock { min_size: 11, ..BatchBlock::default() });
        let small = SendingQueue { queue_size: 10, batch: batch.clone(), ..queue() };
        assert!(small.check().is_ok(), "the sizers differ");
        assert_eq!(field(SendingQueue { sizer: Sizer::Items, ..small }), "batch.min_size");
        assert!(SendingQueue { enabled: false, queue_size: 0, ..queue() }.check().is_ok());
        let batch = BatchBlock { sizer: Sizer::Requests, ..BatchBlock::default() };
        assert_eq!(batch.check().unwrap_err().field.unwrap(), "sizer");
        let retry = |multiplier| RetryOnFailure { multiplier, ..RetryOnFailure::default() };
        assert!(retry(1.0).check().is_err() && retry(f64::NAN).check().is_err() && retry(1.1).check().is_ok());
    }
}
