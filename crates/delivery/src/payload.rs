//! What a queue must know of the items that it holds.

use corten_component::Signal;

use crate::log::Record;
use crate::{Arena, OverBudget};

/// A lane of a queue: one of the signals of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataType {
    /// The label `data_type`: `traces`.
    pub name: &'static str,
    /// What its items are called in metric names: `spans`.
    pub items: &'static str,
}

/// An item that can wait in a queue, be merged and be divided.
///
/// Operations that give two items for one share the receipt between them; those that make one of two join it.
pub trait Payload: Signal {
    /// The signals of the family, each with a lane of its own.
    const DATA_TYPES: &'static [DataType];

    /// The item's place in [`Self::DATA_TYPES`].
    fn data_type(&self) -> usize;

    /// Its size on the wire before compression, in bytes.
    fn bytes(&self) -> usize;

    /// What it holds in memory: its bytes, and whatever it keeps beside them.
    fn memory(&self) -> usize {
        self.bytes()
    }

    /// Lets go of a body that was kept as it came, unless it is in the encoding that a destination sends.
    #[must_use]
    fn forwarded(self, _encoding: Option<&str>) -> Self {
        self
    }

    /// Moves its bytes into the arena where they are not there yet.
    ///
    /// # Errors
    /// The item as it was, when the budget has no room.
    fn keep(self, arena: &Arena) -> Result<Self, (Self, OverBudget)>;

    /// Copies bytes out of segments that are mostly empty. Returns whether anything moved.
    fn compact(&mut self, arena: &Arena) -> bool;

    /// Puts another item of the same data type behind this one.
    ///
    /// # Errors
    /// The other item, if the two cannot be one.
    fn append(&mut self, other: Self) -> Result<(), Self>;

    /// Divides into the first `items` items and the rest.
    ///
    /// # Errors
    /// The item as it was, if it has no more than that, or none are asked for.
    fn split_at(self, items: u64) -> Result<(Self, Self), Self>;

    /// Divides a merged item in two halves, between two of the requests that it was made of.
    ///
    /// # Errors
    /// The item as it was, if it is one request.
    fn halve(self) -> Result<(Self, Self), Self>;

    /// What a log on disk keeps of it; `None` if it cannot be kept. Its kind is [`Self::data_type`]; secrets are left
    /// out.
    fn to_record(&self) -> Option<Record> {
        None
    }

    /// The item that a record is; `None` if it is none.
    fn from_record(_record: &Record) -> Option<Self> {
        None
    }
}
