//! How a block field holds its blocks.

use std::any::Any;

use corten_syntax::Diagnostics;

use super::decode::decode_into;
use super::schema::{Repeat, Schema};
use super::{Arguments, BlockItem};

/// A block with its label.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labelled<B> {
    /// The label.
    pub label: String,
    /// The block.
    pub block: B,
}

/// A field type that holds blocks: `B`, `Option<B>`, `Vec<B>`, `Vec<Labelled<B>>`.
pub trait BlockSlot {
    /// How often the block may stand.
    const REPEAT: Repeat;
    /// The declaration of its inside.
    fn schema() -> &'static Schema;
    /// Takes a block.
    fn take(&mut self, block: &BlockItem, diagnostics: &mut Diagnostics);
    /// The blocks that are there.
    fn view(&self) -> Vec<(Option<&str>, &dyn Any)>;
}

fn decoded<B: Arguments>(mut target: B, block: &BlockItem, diagnostics: &mut Diagnostics) -> B {
    decode_into(&mut target, B::schema(), &block.body, diagnostics);
    target
}

impl<B: Arguments> BlockSlot for B {
    const REPEAT: Repeat = Repeat::Once;

    fn schema() -> &'static Schema {
        B::schema()
    }

    fn take(&mut self, block: &BlockItem, diagnostics: &mut Diagnostics) {
        // The parent's default may differ from the block's own.
        decode_into(self, B::schema(), &block.body, diagnostics);
    }

    fn view(&self) -> Vec<(Option<&str>, &dyn Any)> {
        vec![(None, self)]
    }
}

impl<B: Arguments> BlockSlot for Option<B> {
    const REPEAT: Repeat = Repeat::Once;

    fn schema() -> &'static Schema {
        B::schema()
    }

    fn take(&mut self, block: &BlockItem, diagnostics: &mut Diagnostics) {
        *self = Some(decoded(self.take().unwrap_or_default(), block, diagnostics));
    }

    fn view(&self) -> Vec<(Option<&str>, &dyn Any)> {
        self.iter().map(|block| (None, block as &dyn Any)).collect()
    }
}

impl<B: Arguments> BlockSlot for Vec<B> {
    const REPEAT: Repeat = Repeat::Many;

    fn schema() -> &'static Schema {
        B::schema()
    }

    fn take(&mut self, block: &BlockItem, diagnostics: &mut Diagnostics) {
        self.push(decoded(B::default(), block, diagnostics));
    }

    fn view(&self) -> Vec<(Option<&str>, &dyn Any)> {
        self.iter().map(|block| (None, block as &dyn Any)).collect()
    }
}

impl<B: Arguments> BlockSlot for Vec<Labelled<B>> {
    const REPEAT: Repeat = Repeat::Labelled;

    fn schema() -> &'static Schema {
        B::schema()
    }

    fn take(&mut self, block: &BlockItem, diagnostics: &mut Diagnostics) {
        let label = block.label.as_ref().map(|label| label.text.to_string()).unwrap_or_default();
        self.push(Labelled { label, block: decoded(B::default(), block, diagnostics) });
    }

    fn view(&self) -> Vec<(Option<&str>, &dyn Any)> {
        self.iter().map(|block| (Some(block.label.as_str()), &block.block as &dyn Any)).collect()
    }
}
