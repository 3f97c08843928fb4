//! A small tree, for documents of a few values such as the answers of back ends.

use super::JsonError;
use super::lexer::Lexer;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(document: &[u8]) -> Result<Self, JsonError> {
        let mut lexer = Lexer::new(document)?;
        let value = Self::value(&mut lexer, 0)?;
        lexer.finish()?;
        Ok(value)
    }

    fn value(lexer: &mut Lexer<'_>, depth: u32) -> Result<Self, JsonError> {
        Ok(match lexer.peek() {
            Some(b'"') => Self::String(lexer.string("a string")?.into_owned()),
            Some(b'{') => {
                let mut members = Vec::new();
                lexer.object(depth, |lexer, key, depth| {
                    members.push((key.into_owned(), Self::value(lexer, depth)?));
                    Ok(())
                })?;
                Self::Object(members)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                lexer.array(depth, |lexer, _, depth| {
                    items.push(Self::value(lexer, depth)?);
                    Ok(())
                })?;
                Self::Array(items)
            }
            Some(b't' | b'f') => Self::Bool(lexer.bool()?),
            Some(b'n') if lexer.null() => Self::Null,
            _ => Self::Number(lexer.number()?.to_owned()),
        })
    }

    /// A member of an object; the last of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value).filter(|value| **value != Self::Null)
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    pub(crate) fn string(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// An integer, as number or string.
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(text) | Self::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}
