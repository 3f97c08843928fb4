//! Bytes in several parts, so that batching copies nothing.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// A body in parts. Cloning shares the parts.
///
/// Empty parts are never kept, so that a vectored write makes progress with each part.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    parts: SmallVec<[Bytes; 1]>,
    len: usize,
}

impl Rope {
    /// An empty rope.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a part.
    pub fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push(part);
        }
    }

    /// Appends the parts of another rope.
    pub fn append(&mut self, other: Self) {
        self.len += other.len;
        self.parts.extend(other.parts);
    }

    /// The parts, in order.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.parts.iter()
    }

    /// The parts as a slice.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// All bytes in one buffer: shared if there is one part, copied otherwise.
    pub fn to_bytes(&self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            parts => {
                let mut whole = BytesMut::with_capacity(self.len);
                parts.iter().for_each(|part| whole.extend_from_slice(part));
                whole.freeze()
            }
        }
    }

    /// Reads the rope from its start, as [`Buf`] or [`io::Read`].
    pub fn reader(&self) -> RopeReader<'_> {
        RopeReader { parts: &self.parts, offset: 0, remaining: self.len }
    }
}

impl From<Bytes> for Rope {
    fn from(part: Bytes) -> Self {
        let mut rope = Self::new();
        rope.push(part);
        rope
    }
}

impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(parts: I) -> Self {
        let mut rope = Self::new();
        parts.into_iter().for_each(|part| rope.push(part));
        rope
    }
}

impl IntoIterator for Rope {
    type Item = Bytes;
    type IntoIter = smallvec::IntoIter<[Bytes; 1]>;

    fn into_iter(self) -> Self::IntoIter {
        self.parts.into_iter()
    }
}

/// Equal bytes, however they are divided into parts.
impl PartialEq for Rope {
    fn eq(&self, other: &Self) -> bool {
        if self.len != other.len {
            return false;
        }
        let (mut a, mut b) = (self.reader(), other.reader());
        while a.has_remaining() {
            let common = a.chunk().len().min(b.chunk().len());
            if a.chunk()[..common] != b.chunk()[..common] {
                return false;
            }
            a.advance(common);
            b.advance(common);
        }
        true
    }
}

impl Eq for Rope {}

/// A position in a [`Rope`].
#[derive(Debug, Clone)]
pub struct RopeReader<'a> {
    parts: &'a [Bytes],
    offset: usize,
    remaining: usize,
}

impl Buf for RopeReader<'_> {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.parts.first().map_or(&[], |part| &part[self.offset..])
    }

    /// As [`Buf`] requires, advancing past the end panics.
    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advance past the end of a rope");
        self.remaining -= count;
        while let Some(part) = self.parts.first() {
            let left = part.len() - self.offset;
            if count < left {
                self.offset += count;
                return;
            }
            count -= left;
            self.parts = &self.parts[1..];
            self.offset = 0;
        }
    }

    fn chunks_vectored<'b>(&'b self, out: &mut [io::IoSlice<'b>]) -> usize {
        let mut count = 0;
        for (slot, part) in out.iter_mut().zip(self.parts) {
            *slot = io::IoSlice::new(if count == 0 { &part[self.offset..] } else { part });
            count += 1;
        }
        count
    }
}

impl io::Read for RopeReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.chunk().len().min(out.len());
        out[..count].copy_from_slice(&self.chunk()[..count]);
        self.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn rope(parts: &[&'static str]) -> Rope {
        parts.iter().map(|part| Bytes::from_static(part.as_bytes())).collect()
    }

    #[test]
    fn reads_across_parts() {
        let rope = rope(&["ab", "", "cde", "f"]);
        assert_eq!(rope.len(), 6);
        assert_eq!(rope.chunks().len(), 3, "empty parts are not kept");
        assert_eq!(rope.to_bytes(), "abcdef");
        let mut text = String::new();
        rope.reader().read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcdef");
        let mut reader = rope.reader();
        reader.advance(3);
        assert_eq!(reader.copy_to_bytes(3), "def");
        let mut slices = [io::IoSlice::new(&[]); 4];
        let mut reader = rope.reader();
        reader.advance(1);
        assert_eq!(reader.chunks_vectored(&mut slices), 3);
        assert_eq!(&*slices[0], b"b");
        assert_eq!(&*slices[1], b"cde");
    }

    #[test]
    fn equality_ignores_how_bytes_are_divided() {
        assert_eq!(rope(&["ab", "c"]), rope(&["a", "bc"]));
        assert_ne!(rope(&["ab", "c"]), rope(&["a", "bd"]));
        assert_ne!(rope(&["ab"]), rope(&["a"]));
    }
}
