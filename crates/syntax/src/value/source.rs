//! Values as they are written in a file.

use std::fmt::Write;

use super::Value;
use crate::{is_identifier, quote};

fn push(out: &mut String, escape: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(escape);
}

impl Value {
    /// The value as it could be written in a file, on one line. Secrets are `(secret)`, functions and capsules a
    /// description.
    pub fn to_source(&self) -> String {
        let mut out = String::new();
        self.write_source(&mut out);
        out
    }

    fn write_source(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => push(out, format_args!("{number}")),
            Self::String(text) => out.push_str(&quote(text)),
            Self::Bytes(bytes) => {
                out.push('[');
                for (i, byte) in bytes.iter().enumerate() {
                    push(out, format_args!("{}{byte}", if i > 0 { ", " } else { "" }));
                }
                out.push(']');
            }
            Self::Array(elements) => {
                out.push('[');
                for (i, element) in elements.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    element.write_source(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    if is_identifier(key) {
                        out.push_str(key);
                    } else {
                        out.push_str(&quote(key));
                    }
                    out.push_str(" = ");
                    value.write_source(out);
                }
                out.push('}');
            }
            Self::Function(function) => out.push_str(function.name),
            Self::Secret(_) => out.push_str("(secret)"),
            Self::OptionalSecret(text) => match text.plain() {
                Some(text) => out.push_str(&quote(text)),
                None => out.push_str("(secret)"),
            },
            Self::Capsule(capsule) => match capsule.as_object() {
                Some(fields) => Self::Object(fields).write_source(out),
                None => out.push_str(&self.describe()),
            },
        }
    }
}
