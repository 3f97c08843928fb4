//! What a component offers to the rest of the file.

use corten_syntax::Object;

/// One exported value.
#[derive(Debug, Clone, Copy)]
pub struct ExportField {
    /// Its name.
    pub name: &'static str,
    /// What it is, for the reference page.
    pub doc: &'static str,
    /// Its type's name.
    pub type_name: fn() -> String,
}

/// A struct whose fields are exported. Derive it.
pub trait Exports: Send + Sync + 'static {
    /// The declaration.
    fn fields() -> &'static [ExportField];
    /// The values.
    fn to_object(&self) -> Object;
}

/// For components that export nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExports;

impl Exports for NoExports {
    fn fields() -> &'static [ExportField] {
        &[]
    }

    fn to_object(&self) -> Object {
        Object::new()
    }
}
