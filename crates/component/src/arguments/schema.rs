//! The table that a derive makes of a struct.

use std::any::Any;

use corten_syntax::{Diagnostics, Value};

use super::{BlockItem, ValueError};

/// The declaration of a block's statements.
pub struct Schema {
    /// What the block is for.
    pub doc: &'static str,
    /// Its fields in declaration order.
    pub fields: &'static [Field],
    /// A fresh value with all defaults.
    pub default: fn() -> Box<dyn Any>,
    /// Runs the cross-field checks.
    pub check: fn(&dyn Any) -> Result<(), super::Invalid>,
}

/// One attribute or block of a [`Schema`].
pub struct Field {
    /// Its name in the file.
    pub name: &'static str,
    /// What it does, with the unit.
    pub doc: &'static str,
    /// Whether it must be written.
    pub required: bool,
    /// What it is.
    pub kind: FieldKind,
}

/// What a field is.
pub enum FieldKind {
    /// `name = value`
    Attribute(AttributeField),
    /// `name { ... }`
    Block(BlockField),
    /// Another struct's fields at this level.
    Flatten(FlattenField),
}

/// How an attribute is read and written.
pub struct AttributeField {
    /// The type's name.
    pub type_name: fn() -> String,
    /// The only texts allowed, for enumerations.
    pub choices: fn() -> &'static [&'static str],
    /// Puts a value into the struct.
    pub set: fn(&mut dyn Any, &Value) -> Result<(), ValueError>,
    /// Tries a value without a struct.
    pub try_value: fn(&Value) -> Result<(), ValueError>,
    /// The value in the struct.
    pub get: fn(&dyn Any) -> Value,
}

/// How often a block may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// At most once.
    Once,
    /// Any number of times.
    Many,
    /// Any number of times, each with a label.
    Labelled,
}

/// How a block is read and written.
pub struct BlockField {
    /// How often it may stand.
    pub repeat: Repeat,
    /// The declaration of its inside.
    pub schema: fn() -> &'static Schema,
    /// Decodes a block into the struct; mistakes are added.
    pub decode: fn(&mut dyn Any, &BlockItem, &mut Diagnostics),
    /// The blocks in the struct: label and value.
    pub get: for<'a> fn(&'a dyn Any) -> Vec<(Option<&'a str>, &'a dyn Any)>,
}

/// Where the flattened struct is.
pub struct FlattenField {
    /// Its declaration.
    pub schema: fn() -> &'static Schema,
    /// The struct inside the struct.
    pub get: fn(&dyn Any) -> &dyn Any,
    /// The same, to write to.
    pub get_mut: fn(&mut dyn Any) -> &mut dyn Any,
}

impl Schema {
    /// The field of a name with the way to its struct: flattened schemas are searched too.
    pub fn find(&self, name: &str) -> Option<&'static Field> {
        let fields: &'static [Field] = self.fields;
        fields.iter().find_map(|field| match &field.kind {
            FieldKind::Flatten(flatten) => (flatten.schema)().find(name),
            _ => (field.name == name).then_some(field),
        })
    }

    /// All fields, flattened ones in their place.
    pub fn all_fields(&self) -> Vec<&'static Field> {
        let fields: &'static [Field] = self.fields;
        fields
            .iter()
            .flat_map(|field| match &field.kind {
                FieldKind::Flatten(flatten) => (flatten.schema)().all_fields(),
                _ => vec![field],
            })
            .collect()
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all_fields().iter().map(|field| field.name)).finish()
    }
}
