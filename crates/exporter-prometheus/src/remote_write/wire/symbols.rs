//! The strings of 2.0.
//!
//! An endpoint has one table of all strings of the series that it knows, counted by use. A request has a table of its
//! own, made of the numbers of the first: a string is looked up by its content once in the life of a series, not once
//! in every request.

use std::collections::HashMap;
use std::sync::Arc;

use super::put_bytes;

/// A string in an endpoint's table.
pub(in super::super) type Id = u32;

struct Symbol {
    text: Arc<str>,
    uses: u32,
}

/// The strings of an endpoint.
#[derive(Default)]
pub(in super::super) struct Symbols {
    ids: HashMap<Arc<str>, Id, foldhash::fast::RandomState>,
    symbols: Vec<Symbol>,
    free: Vec<Id>,
}

impl Symbols {
    /// The number of a string, which is used once more.
    pub(in super::super) fn acquire(&mut self, text: &str) -> Id {
        if let Some(id) = self.ids.get(text) {
            if let Some(symbol) = self.symbols.get_mut(*id as usize) {
                symbol.uses = symbol.uses.saturating_add(1);
            }
            return *id;
        }
        let text: Arc<str> = Arc::from(text);
        let symbol = Symbol { text: Arc::clone(&text), uses: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.symbols.get_mut(id as usize) {
                    *place = symbol;
                }
                id
            }
            None => {
                self.symbols.push(symbol);
                (self.symbols.len() - 1) as Id
            }
        };
        self.ids.insert(text, id);
        id
    }

    /// One use less.
    pub(in super::super) fn release(&mut self, id: Id) {
        let Some(symbol) = self.symbols.get_mut(id as usize) else { return };
        symbol.uses = symbol.uses.saturating_sub(1);
        if symbol.uses == 0 {
            self.ids.remove(&symbol.text);
            symbol.text = Arc::from("");
            self.free.push(id);
        }
    }

    fn text(&self, id: Id) -> &str {
        self.symbols.get(id as usize).map_or("", |symbol| &symbol.text)
    }

    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// The strings of a request, encoded as they will be sent.
#[derive(Default, Clone)]
pub(in super::super) struct RequestSymbols {
    /// By the endpoint's number: the request's, zero if it has none.
    places: Vec<u32>,
    encoded: Vec<u8>,
    count: u32,
    /// Strings that no series has: those of exemplars and metadata.
    others: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
}

impl RequestSymbols {
    fn begin(&mut self) {
        if self.count == 0 {
            // The first is the empty string, which stands for nothing.
            put_bytes(&mut self.encoded, 4, b"");
            self.count = 1;
        }
    }

    fn add(&mut self, text: &str) -> u32 {
        self.begin();
        put_bytes(&mut self.encoded, 4, text.as_bytes());
        self.count += 1;
        self.count - 1
    }

    /// The request's number of an endpoint's string.
    pub(in super::super) fn place(&mut self, id: Id, of: &Symbols) -> u32 {
        let at = id as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        match self.places.get(at) {
            Some(0) | None => {
                let text = of.text(id);
                // It may be there as part of an exemplar.
                let place = self.others.get(text).copied().unwrap_or_else(|| self.add(text));
                if let Some(known) = self.places.get_mut(at) {
                    *known = place;
                }
                place
            }
            Some(place) => *place,
        }
    }

    /// The request's number of any string.
    pub(in super::super) fn text(&mut self, text: &str, of: &Symbols) -> u32 {
        if text.is_empty() {
            self.begin();
            return 0;
        }
        if let Some(id) = of.ids.get(text) {
            return self.place(*id, of);
        }
        if let Some(place) = self.others.get(text) {
            return *place;
        }
        let place = self.add(text);
        self.others.insert(text.into(), place);
        place
    }

    /// The field `symbols`.
    pub(in super::super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Lets go what is only needed while strings are added.
    pub(in super::super) fn finish(&mut self) {
        self.places = Vec::new();
        self.others = HashMap::default();
        self.encoded.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_goes_with_its_last_use() {
        let mut symbols = Symbols::default();
        let (a, b) = (symbols.acquire("a"), symbols.acquire("b"));
        assert_eq!(symbols.acquire("a"), a);
        symbols.release(a);
        assert_eq!(symbols.text(a), "a");
        symbols.release(a);
        assert_eq!(symbols.len(), 1);
        assert_eq!(symbols.acquire("c"), a, "its number is free again");
        assert_eq!((symbols.text(a), symbols.text(b)), ("c", "b"));
    }

    #[test]
    fn a_request_names_each_string_once() {
        let mut symbols = Symbols::default();
        let ids: Vec<Id> = ["x", "y", "z"].map(|text| symbols.acquire(text)).to_vec();
        let mut request = RequestSymbols::default();
        assert_eq!(request.text("", &symbols), 0);
        let z = request.place(ids[2], &symbols);
        assert_eq!(request.place(ids[2], &symbols), z);
        assert_eq!(request.text("z", &symbols), z);
        let other = request.text("other", &symbols);
        assert_eq!(request.text("other", &symbols), other);
        let late = symbols.acquire("other");
        assert_eq!(request.place(late, &symbols), other);
        assert_eq!((z, other), (1, 2));
        assert_eq!(request.encoded().len(), 2 + 3 + 7);
    }
}
