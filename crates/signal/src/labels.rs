//! A set of labels: sorted, immutable, cheap to clone and to compare.
//!
//! One allocation holds names and values behind length prefixes; the hash is computed once. A scrape of a million
//! series keeps a million of these, so that size counts. The hash differs from process to process (labels come from
//! strangers): never store it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// A sorted set of labels without empty values.
#[derive(Clone)]
pub struct Labels {
    packed: Arc<[u8]>,
    hash: u64,
}

impl Labels {
    /// Without labels.
    pub fn empty() -> Self {
        static EMPTY: OnceLock<Labels> = OnceLock::new();
        EMPTY.get_or_init(|| Self::pack(&[])).clone()
    }

    /// From pairs in any order. Empty values are left out; of a repeated name the last counts.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = Builder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref().to_owned(), value.as_ref().to_owned());
        }
        builder.build()
    }

    /// From pairs that are sorted by name, without repetitions and without empty values.
    fn pack(sorted: &[(Cow<'_, str>, Cow<'_, str>)]) -> Self {
        let size = sorted.iter().map(|(name, value)| 2 + name.len() + value.len()).sum();
        let mut packed = Vec::with_capacity(size);
        for (name, value) in sorted {
            put(&mut packed, name);
            put(&mut packed, value);
        }
        let hash = seed().hash_one(packed.as_slice());
        Self { packed: Arc::from(packed), hash }
    }

    /// The labels in order of their names.
    pub fn iter(&self) -> Iter<'_> {
        Iter::of_packed(&self.packed)
    }

    /// Names and values in one piece, alike for equal labels in every process: for storing them, and for finding them
    /// again. [`Iter::of_packed`] reads it.
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// A label's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The metric's name; empty if it has none.
    pub fn name(&self) -> &str {
        self.get(NAME).unwrap_or_default()
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The hash of this process.
    pub fn hash_value(&self) -> u64 {
        self.hash
    }

    /// The bytes of memory behind it, shared by all clones.
    pub fn memory(&self) -> usize {
        // Two counters of the Arc.
        self.packed.len() + 16
    }

    /// To change a copy.
    pub fn edit(&self) -> Builder<'_> {
        Builder { labels: self.iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// A copy without the labels that `keep` refuses.
    pub fn filter(&self, mut keep: impl FnMut(&str, &str) -> bool) -> Self {
        if self.iter().all(|(name, value)| keep(name, value)) {
            return self.clone();
        }
        let kept: Vec<_> =
            self.iter().filter(|(name, value)| keep(name, value)).map(|(n, v)| (n.into(), v.into())).collect();
        Self::pack(&kept)
    }
}

fn seed() -> &'static foldhash::quality::RandomState {
    static SEED: OnceLock<foldhash::quality::RandomState> = OnceLock::new();
    SEED.get_or_init(foldhash::quality::RandomState::default)
}

/// One byte of length, or 255 and four bytes.
fn put(to: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(short) if short < u8::MAX => to.push(short),
        _ => {
            to.push(u8::MAX);
            to.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
    }
    to.extend_from_slice(text.as_bytes());
}

/// The labels of a set, sorted by name.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iter<'a> {
    /// Over what [`Labels::packed`] gave; ends where that is damaged.
    pub fn of_packed(packed: &'a [u8]) -> Self {
        Self { rest: packed }
    }

    fn text(&mut self) -> Option<&'a str> {
        let (&short, mut rest) = self.rest.split_first()?;
        let mut len = usize::from(short);
        if short == u8::MAX {
            let (long, after) = rest.split_first_chunk::<4>()?;
            (len, rest) = (usize::try_from(u32::from_le_bytes(*long)).ok()?, after);
        }
        let (text, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        // Only `put` writes, and it takes text.
        std::str::from_utf8(text).ok()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.text()?, self.text()?))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.packed, &other.packed) || self.packed == other.packed)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// As Prometheus writes a series: `name{a="b"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        f.write_str(name)?;
        let mut opened = false;
        for (label, value) in self.iter().filter(|(label, _)| *label != NAME) {
            write!(f, "{}{label}={value:?}", if opened { ", " } else { "{" })?;
            opened = true;
        }
        match (opened, name.is_empty()) {
            (true, _) => f.write_str("}"),
            (false, true) => f.write_str("{}"),
            (false, false) => Ok(()),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Labels that are being changed; sorted by name at every moment.
#[derive(Debug, Clone, Default)]
pub struct Builder<'a> {
    labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Builder<'a> {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.labels.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let (name, value) = (name.into(), value.into());
        match (self.find(&name), value.is_empty()) {
            (Ok(at), true) => drop(self.labels.remove(at)),
            (Ok(at), false) => self.labels[at].1 = value,
            (Err(_), true) => {}
            (Err(at), false) => self.labels.insert(at, (name, value)),
        }
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) {
        if let Ok(at) = self.find(name) {
            self.labels.remove(at);
        }
    }

    /// A label's value; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).map_or("", |at| &self.labels[at].1)
    }

    /// Whether there is such a label.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// The labels in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Keeps the labels that `keep` agrees to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.labels.retain(|(name, value)| keep(name, value));
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels as they are now.
    pub fn build(&self) -> Labels {
        Labels::pack(&self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_leaves_out_what_is_empty() {
        let labels = Labels::from_pairs([("b", "2"), (NAME, "up"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"up{a="1", b="3"}"#);
        assert_eq!(labels.len(), 3);
        assert_eq!(labels, Labels::from_pairs([("a", "1"), ("b", "3"), (NAME, "up")]));
        assert_eq!(labels.hash_value(), Labels::from_pairs([("a", "1"), ("b", "3"), (NAME, "up")]).hash_value());
        assert_ne!(labels, Labels::from_pairs([("a", "1"), ("b", "2"), (NAME, "up")]));
    }

    #[test]
    fn long_values_survive() {
        for len in [1, 254, 255, 256, 70_000] {
            let long = "ä".repeat(len);
            let labels = Labels::from_pairs([("long", long.as_str()), ("z", "after")]);
            assert_eq!(labels.get("long"), Some(long.as_str()));
            assert_eq!(labels.get("z"), Some("after"));
        }
    }

    #[test]
    fn packed_labels_are_read_without_a_set() {
        let labels = Labels::from_pairs([("a", "1"), (NAME, "up")]);
        assert!(Iter::of_packed(labels.packed()).eq(labels.iter()));
        let cut = &labels.packed()[..labels.packed().len() - 1];
        assert_eq!(Iter::of_packed(cut).count(), 1);
    }

    #[test]
    fn an_edit_changes_a_copy() {
        let labels = Labels::from_pairs([("a", "1"), ("b", "2")]);
        let mut edit = labels.edit();
        edit.set("c", "3");
        edit.set("a", "");
        edit.remove("missing");
        assert_eq!(edit.build(), Labels::from_pairs([("b", "2"), ("c", "3")]));
        assert_eq!(labels.len(), 2);
        assert!(Labels::empty().is_empty() && Labels::empty().to_string() == "{}");
    }
}
