//! The messages of OTLP as tables: the one declaration behind the door's check, the splitter and both directions of JSON.
//!
//! Written from opentelemetry-proto 1.11. Property tests compare them with the prost messages: no field unknown, JSON and back equal.

mod enums;
mod tables;

#[cfg(test)]
pub(crate) use tables::ALL;
pub(crate) use tables::{ANY_VALUE, KEY_VALUE, LOGS, METRICS, PROFILES, TRACES};

/// The table of one message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) fields: &'static [Field],
    /// Field number -> position in `fields` plus one; 0 is unknown. All numbers of OTLP are below 32.
    index: [u8; 32],
}

/// What a message is to counting and splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Neither of the others.
    Plain,
    /// Holds items, directly or further down.
    Container,
    /// Is counted.
    Item,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// As in the .proto file.
    pub(crate) name: &'static str,
    /// lowerCamelCase.
    pub(crate) json: &'static str,
    pub(crate) presence: Presence,
    pub(crate) ty: Type,
    /// The wire type of one value.
    pub(crate) wire: u8,
    /// For fields that may be written once: one bit, shared by the members of a oneof. 0 for repeated fields.
    pub(crate) once: u32,
}

/// How often a field may stand, and whether its default is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Once; the default is not written.
    Implicit,
    /// Once; written if set.
    Explicit,
    /// A member of the message's oneof (no message of OTLP has two).
    Oneof,
    /// Any number of times; numbers also packed.
    Repeated,
}

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    Enum(&'static Enum),
    String,
    Bytes,
    /// Bytes of exactly this length, or none; hexadecimal in JSON.
    Id(u8),
    Message(&'static Message),
}

/// The names of an enumeration.
#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) name: &'static str,
    pub(crate) values: &'static [(&'static str, i32)],
}

pub(crate) const VARINT: u8 = 0;
pub(crate) const I64: u8 = 1;
pub(crate) const LEN: u8 = 2;
pub(crate) const START_GROUP: u8 = 3;
pub(crate) const END_GROUP: u8 = 4;
pub(crate) const I32: u8 = 5;

impl Type {
    const fn wire(self) -> u8 {
        match self {
            Self::Bool | Self::Int32 | Self::Int64 | Self::Uint32 | Self::Uint64 | Self::Sint32 | Self::Enum(_) => {
                VARINT
            }
            Self::Fixed64 | Self::Sfixed64 | Self::Double => I64,
            Self::Fixed32 => I32,
            Self::String | Self::Bytes | Self::Id(_) | Self::Message(_) => LEN,
        }
    }
}

impl Message {
    const fn new(name: &'static str, role: Role, fields: &'static [Field]) -> Self {
        let mut index = [0; 32];
        let mut i = 0;
        while i < fields.len() {
            index[fields[i].number as usize] = i as u8 + 1;
            i += 1;
        }
        Self { name, role, fields, index }
    }

    /// The field with this number.
    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let position = *self.index.get(number as usize)?;
        self.fields.get(usize::from(position).wrapping_sub(1))
    }
}

impl Field {
    const fn new(number: u32, name: &'static str, json: &'static str, presence: Presence, ty: Type) -> Self {
        let once = match presence {
            Presence::Implicit | Presence::Explicit => 1 << number,
            Presence::Oneof => 1,
            Presence::Repeated => 0,
        };
        Self { number, name, json, presence, ty, wire: ty.wire(), once }
    }

    /// Whether it is repeated.
    #[inline]
    pub(crate) fn repeated(&self) -> bool {
        matches!(self.presence, Presence::Repeated)
    }

    /// The message of a field that has one.
    pub(crate) fn message(&self) -> Option<&'static Message> {
        if let Type::Message(message) = self.ty { Some(message) } else { None }
    }
}

const fn camel_len(name: &str) -> usize {
    let (mut i, mut len) = (0, 0);
    while i < name.len() {
        len += (name.as_bytes()[i] != b'_') as usize;
        i += 1;
    }
    len
}

const fn camel<const N: usize>(name: &str) -> [u8; N] {
    let (mut out, mut i, mut len) = ([0; N], 0, 0);
    while i < name.len() {
        let mut byte = name.as_bytes()[i];
        if byte == b'_' {
            i += 1;
            byte = name.as_bytes()[i].to_ascii_uppercase();
        }
        out[len] = byte;
        len += 1;
        i += 1;
    }
    out
}

const fn text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

macro_rules! messages {
    ($($id:ident = $role:ident $name:literal { $($number:literal $field:literal $presence:ident $ty:expr,)* })*) => {
        $(pub(crate) static $id: $crate::otlp::schema::Message = {
            #[allow(unused_imports)]
            use {Type::*, Presence::*};
            $crate::otlp::schema::Message::new($name, Role::$role, &[$(
                Field::new($number, $field, { const NAME: [u8; camel_len($field)] = camel($field); text(&NAME) }, $presence, $ty)
            ),*])
        };)*
        /// Every table, for tests.
        #[cfg(test)]
        pub(crate) static ALL: &[&$crate::otlp::schema::Message] = &[$(&$id),*];
    };
}
use messages;

/// The request message of a signal.
pub(crate) fn request(kind: super::SignalKind) -> &'static Message {
    use super::SignalKind::*;
    match kind {
        Traces => &TRACES,
        Metrics => &METRICS,
        Logs => &LOGS,
        Profiles => &PROFILES,
    }
}

#[cfg(test)]
mod tests {
    use super::tables::SPAN;
    use super::*;

    #[test]
    fn names_in_json_follow_the_rule_and_indexes_agree() {
        for message in ALL {
            for field in message.fields {
                assert!(message.field(field.number).is_some_and(|found| found.number == field.number));
                assert!(!field.json.contains('_') && !field.json.is_empty(), "{}", field.json);
            }
            assert!(message.field(0).is_none() && message.field(31).is_none() && message.field(1 << 28).is_none());
        }
        assert_eq!(SPAN.field(7).map(|field| field.json), Some("startTimeUnixNano"));
        assert_eq!(SPAN.field(5).map(|field| field.json), Some("name"));
    }
}
