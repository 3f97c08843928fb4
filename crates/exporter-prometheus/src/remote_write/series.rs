//! The series that an endpoint knows: what its labels and rules make of each, worked out once.
//!
//! A series is found by a hash of 128 bits over its packed labels, which stands for them: two series of one process
//! share one with a probability of 10^-26 for a million of them, and nobody outside knows the seeds.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use corten_signal::labels::{Builder, Iter};
use corten_signal::relabel::Rules;
use foldhash::quality::RandomState;

use super::arguments::Protocol;
use super::wire::{Form, Symbols};

/// So many more series than at the last look are let in before the next.
const SPARE: usize = 50_000;

/// The key is a hash already.
#[derive(Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }
}

/// A series of an endpoint.
pub(super) struct Series {
    /// How it is sent; `None` if it is not.
    pub(super) form: Option<Form>,
    /// Decides on the shard.
    pub(super) hash: u64,
    used: u32,
}

/// What an endpoint does to labels.
pub(super) struct Rewrite {
    pub(super) external: Vec<(String, String)>,
    pub(super) rules: Rules,
    pub(super) protocol: Protocol,
}

/// The series of an endpoint.
pub(super) struct Cache {
    rewrite: Rewrite,
    seeds: [RandomState; 2],
    known: HashMap<u128, Series, BuildHasherDefault<Same>>,
    symbols: Symbols,
    round: u32,
    limit: usize,
}

impl Cache {
    pub(super) fn new(rewrite: Rewrite) -> Self {
        Self {
            rewrite,
            seeds: [RandomState::default(), RandomState::default()],
            known: HashMap::default(),
            symbols: Symbols::default(),
            round: 0,
            limit: SPARE,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.rewrite.protocol
    }

    /// Takes series in another form from now on.
    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.rewrite.protocol = protocol;
        self.known.clear();
        self.symbols = Symbols::default();
    }

    /// The series with these packed labels, and the table of strings.
    pub(super) fn get(&mut self, packed: &[u8]) -> (&Series, &Symbols) {
        let [low, high] = self.seeds.each_ref().map(|seed| seed.hash_one(packed));
        let key = u128::from(high) << 64 | u128::from(low);
        let (rewrite, symbols, used) = (&self.rewrite, &mut self.symbols, self.round);
        let series =
            self.known.entry(key).or_insert_with(|| Series { form: rewrite.apply(packed, symbols), hash: high, used });
        series.used = used;
        (series, &self.symbols)
    }

    /// Whether there are so many that it is time to look for those that have ended.
    pub(super) fn is_large(&self) -> bool {
        self.known.len() > self.limit
    }

    /// Forgets series that nobody has asked for since the last time. Numbers of strings are given to others then:
    /// no request may be half written.
    pub(super) fn forget(&mut self) {
        let (round, symbols) = (self.round, &mut self.symbols);
        self.known.retain(|_, series| {
            if series.used != round
                && let Some(Form::V2(ids)) = &series.form
            {
                ids.iter().for_each(|id| symbols.release(*id));
            }
            series.used == round
        });
        if self.known.capacity() > 4 * self.known.len() + SPARE {
            self.known.shrink_to_fit();
        }
        self.limit = 2 * self.known.len() + SPARE;
        self.round = round.wrapping_add(1);
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.known.len(), self.symbols.len())
    }
}

impl Rewrite {
    /// `None` if the series is not sent.
    fn apply(&self, packed: &[u8], symbols: &mut Symbols) -> Option<Form> {
        let labels = || Iter::of_packed(packed);
        if self.rules.is_empty() && self.external.is_empty() {
            return Some(match self.protocol {
                Protocol::V1 => Form::v1(labels()),
                Protocol::V2 => Form::v2(labels(), symbols),
            });
        }
        let mut edit = Builder::default();
        labels().for_each(|(name, value)| edit.set(name, value));
        for (name, value) in &self.external {
            if !edit.has(name) {
                edit.set(name.as_str(), value.as_str());
            }
        }
        if !self.rules.edit(&mut edit) || edit.is_empty() {
            return None;
        }
        Some(match self.protocol {
            Protocol::V1 => Form::v1(edit.iter()),
            Protocol::V2 => Form::v2(edit.iter(), symbols),
        })
    }
}

#[cfg(test)]
mod tests {
    use corten_signal::labels::Labels;
    use corten_signal::relabel::{Action, RuleArguments};

    use super::*;

    fn cache(protocol: Protocol) -> Cache {
        let drop = RuleArguments {
            action: Action::Drop,
            source_labels: vec!["__name__".to_owned()],
            regex: "go_.*".to_owned(),
            ..RuleArguments::default()
        };
        let external = vec![("host".to_owned(), "a".to_owned()), ("job".to_owned(), "other".to_owned())];
        Cache::new(Rewrite { external, rules: Rules::new(&[drop]).unwrap(), protocol })
    }

    fn packed(name: &str) -> Vec<u8> {
        Labels::from_pairs([("__name__", name), ("job", "own")]).packed().to_vec()
    }

    #[test]
    fn external_labels_give_way_and_rules_drop() {
        let mut cache = cache(Protocol::V1);
        assert!(cache.get(&packed("go_threads")).0.form.is_none());
        let Some(Form::V1(bytes)) = &cache.get(&packed("up")).0.form else { panic!("dropped") };
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains("own") && text.contains("host") && !text.contains("other"));
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_with_its_strings() {
        let mut cache = cache(Protocol::V2);
        cache.get(&packed("up"));
        cache.get(&packed("down"));
        cache.forget();
        cache.get(&packed("up"));
        assert_eq!(cache.sizes(), (2, 7));
        cache.forget();
        assert_eq!(cache.sizes(), (1, 6));
        cache.forget();
        assert_eq!(cache.sizes(), (0, 0));
    }
}
