//! A block that is taken and not looked into.

use std::any::Any;

use corten_syntax::Diagnostics;

use super::BlockItem;
use super::schema::{Repeat, Schema};
use super::slot::BlockSlot;

/// The settings of something that Corten does not have: whatever stands in the block is let pass, so that a file which
/// configures it without using it loads. Whoever declares it refuses its use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread;

static SCHEMA: Schema =
    Schema { doc: "Its settings are not looked at.", fields: &[], default: || Box::new(Unread), check: |_| Ok(()) };

impl BlockSlot for Unread {
    const REPEAT: Repeat = Repeat::Once;

    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn take(&mut self, _: &BlockItem, _: &mut Diagnostics) {}

    fn view(&self) -> Vec<(Option<&str>, &dyn Any)> {
        Vec::new()
    }
}
