//! Reading requests in place: iterators over resources, scopes, spans, metrics, points and log records that copy nothing.
//!
//! ```
//! # use corten_signal::otlp::Batch;
//! # fn names(batch: &Batch) -> Vec<String> {
//! let mut names = Vec::new();
//! for resource in batch.resources() {
//!     let service = resource.attribute("service.name").map(|value| value.to_string()).unwrap_or_default();
//!     for span in resource.scopes().flat_map(|scope| scope.spans()) {
//!         names.push(format!("{service}: {}", span.name()));
//!     }
//! }
//! # names
//! # }
//! ```
//!
//! A view walks its message at every call (some 2 ns a field), so a value that is needed twice is better kept. Views are for bytes
//! that passed the door; on others they end early, and never panic.

mod metrics;
mod records;
mod value;

pub use metrics::{BucketsView, ExemplarView, MetricData, MetricType, MetricView, NumberView, PointView};
pub use records::{EventView, LinkView, LogView, ProfileView, SpanHead, SpanView, StatusView};
pub use value::{AttributeView, Hex, ValueView};

use super::wire::{Fields, Value};
use super::{Batch, SignalKind};

/// The bytes of one message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

impl<'a> Body<'a> {
    /// The value of a singular field.
    fn find(self, number: u32) -> Option<Value<'a>> {
        Fields::new(self.0).find(|field| field.number == number).map(|field| field.value)
    }

    fn bytes(self, number: u32) -> &'a [u8] {
        self.find(number).map_or(&[], Value::bytes)
    }

    fn text(self, number: u32) -> &'a str {
        text(self.bytes(number))
    }

    fn number(self, number: u32) -> u64 {
        self.find(number).map_or(0, Value::number)
    }

    fn double(self, number: u32) -> Option<f64> {
        self.find(number).map(|value| f64::from_bits(value.number()))
    }

    fn message(self, number: u32) -> Option<Self> {
        self.find(number).map(|value| Self(value.bytes()))
    }

    /// The values of a repeated field of messages, strings or bytes.
    fn each(self, number: u32) -> impl Iterator<Item = Self> + Clone + 'a {
        Fields::new(self.0).filter(move |field| field.number == number).map(|field| Self(field.value.bytes()))
    }

    fn attributes(self, number: u32) -> impl Iterator<Item = AttributeView<'a>> + Clone + 'a {
        self.each(number).map(AttributeView::new)
    }

    fn attribute(self, number: u32, key: &str) -> Option<ValueView<'a>> {
        self.attributes(number).find(|attribute| attribute.key() == key).map(|attribute| attribute.value())
    }

    /// The values of a repeated field of 64-bit numbers or varints, packed or not.
    fn numbers(self, number: u32) -> impl Iterator<Item = u64> + 'a {
        Fields::new(self.0).filter(move |field| field.number == number).flat_map(|field| match field.value {
            Value::Len(packed) => Numbers::Packed(packed),
            single => Numbers::Single(Some(single.number())),
        })
    }

    /// As [`numbers`](Self::numbers), for varints: packed ones are read as varints, not as 8 bytes each.
    fn varints(self, number: u32) -> impl Iterator<Item = u64> + 'a {
        Fields::new(self.0).filter(move |field| field.number == number).flat_map(|field| match field.value {
            Value::Len(packed) => Numbers::Varints(packed),
            single => Numbers::Single(Some(single.number())),
        })
    }
}

enum Numbers<'a> {
    Packed(&'a [u8]),
    Varints(&'a [u8]),
    Single(Option<u64>),
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        match self {
            Self::Packed(bytes) => {
                let (number, rest) = bytes.split_first_chunk::<8>()?;
                *bytes = rest;
                Some(u64::from_le_bytes(*number))
            }
            Self::Varints(bytes) => {
                let (number, next) = super::wire::varint(bytes, 0)?;
                *bytes = &bytes[next..];
                Some(number)
            }
            Self::Single(number) => number.take(),
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Methods that read one field each.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $ty:tt $number:literal,)*) => { $($crate::otlp::views::fields!(@ $name $ty $number [$(#[$doc])*]);)* };
    (@ $name:ident text $number:literal [$($doc:tt)*]) => { $($doc)* pub fn $name(&self) -> &'a str { self.0.text($number) } };
    (@ $name:ident id $number:literal [$($doc:tt)*]) => { $($doc)* pub fn $name(&self) -> $crate::otlp::views::Hex<'a> { $crate::otlp::views::Hex(self.0.bytes($number)) } };
    (@ $name:ident u64 $number:literal [$($doc:tt)*]) => { $($doc)* pub fn $name(&self) -> u64 { self.0.number($number) } };
    (@ $name:ident u32 $number:literal [$($doc:tt)*]) => { $($doc)* pub fn $name(&self) -> u32 { self.0.number($number) as u32 } };
    (@ $name:ident i32 $number:literal [$($doc:tt)*]) => { $($doc)* pub fn $name(&self) -> i32 { self.0.number($number) as i32 } };
    (@ $name:ident attributes $number:literal [$($doc:tt)*]) => {
        $($doc)* pub fn $name(&self) -> impl Iterator<Item = $crate::otlp::views::AttributeView<'a>> + Clone + use<'a> { self.0.attributes($number) }
    };
}
pub(crate) use fields;

impl Batch {
    /// The resources of all requests, in order. A resource that stands twice comes twice.
    pub fn resources(&self) -> impl Iterator<Item = ResourceView<'_>> {
        let kind = self.kind();
        self.rope().chunks().flat_map(|part| Body(part).each(1)).map(move |body| ResourceView { kind, body })
    }
}

/// An entry of a request: a resource with what it produced.
#[derive(Debug, Clone, Copy)]
pub struct ResourceView<'a> {
    kind: SignalKind,
    body: Body<'a>,
}

impl<'a> ResourceView<'a> {
    fn resource(&self) -> Body<'a> {
        self.body.message(1).unwrap_or(Body(&[]))
    }

    /// The attributes of the resource.
    pub fn attributes(&self) -> impl Iterator<Item = AttributeView<'a>> + Clone + use<'a> {
        self.resource().attributes(1)
    }

    /// One attribute of the resource.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.resource().attribute(1, key)
    }

    /// How many attributes the sender left out.
    pub fn dropped_attributes_count(&self) -> u32 {
        self.resource().number(2) as u32
    }

    /// The schema of the resource.
    pub fn schema_url(&self) -> &'a str {
        self.body.text(3)
    }

    /// What it produced, by scope.
    pub fn scopes(&self) -> impl Iterator<Item = ScopeView<'a>> + use<'a> {
        let kind = self.kind;
        self.body.each(2).map(move |body| ScopeView { kind, body })
    }
}

/// What one scope of a resource produced. Of the iterators over items, only that of the batch's signal has any.
#[derive(Debug, Clone, Copy)]
pub struct ScopeView<'a> {
    kind: SignalKind,
    body: Body<'a>,
}

impl<'a> ScopeView<'a> {
    fn scope(&self) -> Body<'a> {
        self.body.message(1).unwrap_or(Body(&[]))
    }

    fn items(&self, kind: SignalKind) -> impl Iterator<Item = Body<'a>> + use<'a> {
        Body(if self.kind == kind { self.body.0 } else { &[] }).each(2)
    }

    /// The scope's name; empty is unknown.
    pub fn name(&self) -> &'a str {
        self.scope().text(1)
    }

    /// The scope's version; empty is unknown.
    pub fn version(&self) -> &'a str {
        self.scope().text(2)
    }

    /// The attributes of the scope.
    pub fn attributes(&self) -> impl Iterator<Item = AttributeView<'a>> + Clone + use<'a> {
        self.scope().attributes(3)
    }

    /// One attribute of the scope.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.scope().attribute(3, key)
    }

    /// The schema of the scope and its items.
    pub fn schema_url(&self) -> &'a str {
        self.body.text(3)
    }

    /// Its spans.
    pub fn spans(&self) -> impl Iterator<Item = SpanView<'a>> + use<'a> {
        self.items(SignalKind::Traces).map(SpanView)
    }

    /// Its metrics.
    pub fn metrics(&self) -> impl Iterator<Item = MetricView<'a>> + use<'a> {
        self.items(SignalKind::Metrics).map(MetricView)
    }

    /// Its log records.
    pub fn logs(&self) -> impl Iterator<Item = LogView<'a>> + use<'a> {
        self.items(SignalKind::Logs).map(LogView)
    }

    /// Its profiles.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileView<'a>> + use<'a> {
        self.items(SignalKind::Profiles).map(ProfileView)
    }
}
