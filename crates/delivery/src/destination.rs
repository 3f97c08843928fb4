//! What sends the items of a queue, and how it may fail.

use std::borrow::Cow;
use std::time::Duration;

use corten_component::BoxFuture;

/// A back end as a queue sees it. Queues call it from one task, several sends at a time.
pub trait Destination<T>: Send + Sync + 'static {
    /// Sends one item. Dropping the future gives the attempt up; the queue bounds it in time.
    fn send(&self, item: T) -> BoxFuture<'_, Result<Accepted, SendError>>;

    /// Whether a connection can be made now, for items of this data type. It is asked about once a second while nobody can
    /// be reached, so it sends nothing and answers within seconds. `None` where a connection says nothing of the back
    /// end, as on the way through a proxy.
    fn reach(&self, _data_type: usize) -> BoxFuture<'_, Option<bool>> {
        Box::pin(async { None })
    }
}

/// The back end took the item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Items that it rejected all the same (partial success); they must not be sent again.
    pub rejected: u64,
    /// What it said of that, or a warning.
    pub message: String,
}

/// The back end did not take the item. `why` is for a person, and without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nobody is there: not reached, or the connection broke. Try again.
    #[error("{why}")]
    Unreachable {
        /// What happened.
        why: Cow<'static, str>,
    },
    /// Somebody is there and cannot take it now, or says nothing in time. Try again.
    #[error("{why}")]
    Silent {
        /// What happened.
        why: Cow<'static, str>,
    },
    /// The back end asks to try again.
    #[error("{why}")]
    Busy {
        /// The earliest time for it, if it said one.
        after: Option<Duration>,
        /// What it said.
        why: Cow<'static, str>,
    },
    /// The back end will never take this.
    #[error("{why}")]
    Rejected {
        /// Whether the fault may lie in one part of the item, so that the rest is worth another try.
        divisible: bool,
        /// What it said.
        why: Cow<'static, str>,
    },
    /// The back end would take less at once.
    #[error("{why}")]
    TooLarge {
        /// What it said.
        why: Cow<'static, str>,
    },
    /// It could not even be sent; trying again would change nothing.
    #[error("{why}")]
    Failed {
        /// What is wrong.
        why: Cow<'static, str>,
    },
}

impl SendError {
    /// A connection that was not made, or broke.
    pub fn unreachable(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unreachable { why: why.into() }
    }

    /// No answer in time.
    pub fn silent(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Silent { why: why.into() }
    }

    /// A local failure.
    pub fn failed(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed { why: why.into() }
    }

    /// Whether another attempt makes sense.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Busy { .. })
    }
}
