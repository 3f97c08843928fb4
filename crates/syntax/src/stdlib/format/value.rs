//! Which verb does what to which type.

use std::borrow::Cow;

use super::Printer;
use crate::value::{Number, Value};

/// The type's name as Go prints it.
pub(super) fn type_name(value: &Value) -> Cow<'static, str> {
    Cow::Borrowed(match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(Number::Int(_)) => "int",
        Value::Number(Number::Uint(_)) => "uint64",
        Value::Number(Number::Float(_)) => "float64",
        Value::String(_) | Value::OptionalSecret(_) => "string",
        Value::Bytes(_) | Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Capsule(capsule) if capsule.as_object().is_some() => "map[string]interface {}",
        Value::Function(_) => "function",
        other => return Cow::Owned(other.describe()),
    })
}

impl Printer {
    /// Writes an argument.
    pub(super) fn argument(&mut self, arg: &Value, verb: char) {
        match (arg, verb) {
            (Value::Null, 'T' | 'v') => self.pad("<nil>"),
            (_, 'T') => self.text(&type_name(arg)),
            _ => self.value(arg, verb, 0),
        }
    }

    /// Writes a value or, at a depth, an element.
    pub(super) fn value(&mut self, value: &Value, verb: char, depth: usize) {
        match value {
            _ if verb == 'w' => self.bad_verb(value, verb),
            Value::Null if depth > 0 && self.flags.sharp_v => self.out.push_str("interface {}(nil)"),
            Value::Null if depth > 0 => self.out.push_str("<nil>"),
            Value::Bool(flag) if matches!(verb, 't' | 'v') => self.pad(if *flag { "true" } else { "false" }),
            Value::Number(Number::Float(n)) => self.float_verb(*n, verb, value),
            Value::Number(n) => self.integer_verb(*n, verb, value),
            Value::String(text) => self.text_verb(text, verb, value),
            Value::OptionalSecret(text) => self.text_verb(text.plain().unwrap_or_default(), verb, value),
            Value::Bytes(_) | Value::Array(_) if !matches!(verb, 'p' | 'T') => self.list(value, verb, depth),
            Value::Function(_) | Value::Capsule(_) | Value::Object(_) if !matches!(verb, 'p' | 'T') => {
                match value.as_object() {
                    Some(fields) => self.fields(&fields, verb, depth),
                    None if matches!(verb, 'v' | 's') => self.text(&value.describe()),
                    None => self.bad_verb(value, verb),
                }
            }
            _ => self.bad_verb(value, verb),
        }
    }

    fn list(&mut self, value: &Value, verb: char, depth: usize) {
        let (open, between, close) = if self.flags.sharp_v { ("[]interface {}{", ", ", "}") } else { ("[", " ", "]") };
        self.out.push_str(open);
        for index in 0..value.array_len().unwrap_or(0) {
            self.out.push_str(if index > 0 { between } else { "" });
            self.value(&value.element(index).unwrap_or_default(), verb, depth + 1);
        }
        self.out.push_str(close);
    }

    fn fields(&mut self, fields: &crate::Object, verb: char, depth: usize) {
        let (open, between, close) =
            if self.flags.sharp_v { ("map[string]interface {}{", ", ", "}") } else { ("map[", " ", "]") };
        self.out.push_str(open);
        for (index, (key, field)) in fields.iter().enumerate() {
            self.out.push_str(if index > 0 { between } else { "" });
            self.value(&Value::String(key.clone()), verb, depth + 1);
            self.out.push(':');
            self.value(field, verb, depth + 1);
        }
        self.out.push_str(close);
    }

    /// `%!d(string=x)`
    pub(super) fn bad_verb(&mut self, value: &Value, verb: char) {
        self.out.push_str("%!");
        self.out.push(verb);
        self.out.push('(');
        if matches!(value, Value::Null) {
            self.out.push_str("<nil>");
        } else {
            self.out.push_str(&type_name(value));
            self.out.push('=');
            self.value(value, 'v', 0);
        }
        self.out.push(')');
    }

    fn text_verb(&mut self, text: &str, verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.text(text),
            'x' => self.hex(text.as_bytes(), false),
            'X' => self.hex(text.as_bytes(), true),
            'q' => self.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn integer_verb(&mut self, n: Number, verb: char, value: &Value) {
        let (negative, magnitude) = match n {
            Number::Int(n) => (n < 0, n.unsigned_abs()),
            n => (false, n.as_u64()),
        };
        match verb {
            'v' if self.flags.sharp_v && matches!(n, Number::Uint(_)) => {
                self.flags.sharp = true;
                self.integer(negative, magnitude, 16, 'v');
                self.flags.sharp = false;
            }
            'v' | 'd' => self.integer(negative, magnitude, 10, verb),
            'b' => self.integer(negative, magnitude, 2, verb),
            'o' | 'O' => self.integer(negative, magnitude, 8, verb),
            'x' | 'X' => self.integer(negative, magnitude, 16, verb),
            // Go reinterprets negative numbers here as huge ones, which are no characters.
            'c' => self.character(code(n)),
            'q' => self.quoted_character(code(n)),
            'U' => self.unicode(n.as_u64()),
            _ => self.bad_verb(value, verb),
        }
    }

    fn float_verb(&mut self, n: f64, verb: char, value: &Value) {
        match verb {
            'v' => self.float(n, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.float(n, verb, None),
            'f' | 'e' | 'E' => self.float(n, verb, Some(6)),
            'F' => self.float(n, 'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }
}

fn code(n: Number) -> char {
    u32::try_from(n.as_u64()).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}
