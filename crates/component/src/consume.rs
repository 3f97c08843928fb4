//! The edge between two components is a call whose answer says who is responsible.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use corten_syntax::Capsule;

use crate::Receipt;
use crate::handle::{Behaviour, Handle};

/// A boxed future, as object-safe traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What travels through ports. Cloning must be cheap: a fan-out clones the item for each branch.
pub trait Signal: Clone + Send + Sync + 'static {
    /// The capsule type's name, as diagnostics print it (`otelcol.Consumer`).
    const CAPSULE: &'static str;
    /// How many items it holds (spans, points, records, entries, samples), for counters.
    fn items(&self) -> u64;
    /// What kind it is, out of those that the family knows.
    fn kind(&self) -> Kinds {
        Kinds::ALL
    }
    /// What the kind at a place of [`Kinds`] is called where data is shown (`otel_trace`).
    fn kind_name(_place: usize) -> &'static str {
        Self::CAPSULE
    }
    /// The kinds that go to the consumers of an argument, if the family knows its name as one of an output (`traces`).
    /// What such an argument refers to must take them.
    fn output(_field: &str) -> Option<Kinds> {
        None
    }
    /// The item as text for people who look on; of bounded length, and without what is secret.
    fn describe(&self) -> String {
        format!("{} items", self.items())
    }
    /// The item's receipt.
    fn receipt(&self) -> &Receipt;
    /// The item with another receipt; the old one is returned.
    fn replace_receipt(&mut self, receipt: Receipt) -> Receipt;
}

/// A set of kinds within a signal family; which bit means what is the family's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(pub u8);

impl Kinds {
    /// Every kind.
    pub const ALL: Kinds = Kinds(u8::MAX);
    /// No kind.
    pub const NONE: Kinds = Kinds(0);

    /// Whether all of `other` is in the set.
    pub fn contains(self, other: Kinds) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn union(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

/// Something that takes items.
pub trait Consume<T: Signal>: Send + Sync + 'static {
    /// Whether an item of about this many bytes would be taken now. Never waits. A receiver asks before it reads a
    /// body, and again as decompression grows; transforms forward the question.
    fn admit(&self, _bytes: usize) -> Result<(), Refusal> {
        Ok(())
    }

    /// Takes the item. `Ok` means admitted: from then on somebody downstream holds its receipt. An error means that
    /// the responsibility stayed with the caller. Once begun, it is polled to its end even if the client has gone.
    fn consume(&self, item: T) -> BoxFuture<'_, Result<(), Refusal>>;

    /// The kinds that it takes; checked while planning.
    fn kinds(&self) -> Kinds {
        Kinds::ALL
    }

    /// The destinations on the way that keep on disk what they take. Transforms forward the question; whoever holds
    /// items upstream keeps them in a log for those ([`Receipt::keeping`]). Asked anew when [`wiring`](crate::wiring)
    /// says that something has changed.
    fn durable(&self) -> Vec<Durable> {
        Vec::new()
    }
}

/// A destination that keeps on disk what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Durable {
    /// The destination's name, as [`Receipt::is_kept_for`] knows it.
    pub name: Arc<str>,
    /// Its storage, whatever that is to whoever knows it.
    pub storage: Capsule,
    /// Whether a stage on the way keeps a log for it.
    pub held: bool,
}

impl Durable {
    /// A destination with a storage of its own.
    pub fn new<B: Behaviour + ?Sized>(name: impl Into<Arc<str>>, storage: &Handle<B>) -> Self {
        Self { name: name.into(), storage: Capsule::new(storage.clone()), held: false }
    }

    /// The handle of its storage, if it is of this kind.
    pub fn storage<B: Behaviour + ?Sized>(&self) -> Option<&Handle<B>> {
        self.storage.downcast()
    }
}

/// Why an item was not taken, in words for a client and a log.
pub type Reason = Cow<'static, str>;

/// An item was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Try again, after this time if one is given.
    Retry {
        /// The earliest sensible time for another try.
        after: Option<Duration>,
        /// Why.
        why: Reason,
    },
    /// Never send this again.
    Reject {
        /// Why.
        why: Reason,
    },
    /// The consumer is gone for good.
    Closed,
}

impl Refusal {
    /// A retryable refusal.
    pub fn retry(why: impl Into<Reason>) -> Self {
        Self::Retry { after: None, why: why.into() }
    }

    /// A permanent refusal.
    pub fn reject(why: impl Into<Reason>) -> Self {
        Self::Reject { why: why.into() }
    }

    /// Whether the sender should try again.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Reject { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { why, .. } | Self::Reject { why } => f.write_str(why),
            Self::Closed => f.write_str("the component has been stopped"),
        }
    }
}

impl std::error::Error for Refusal {}
