//! Ids and dice.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Weyl's step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator of numbers that differ within the process and, by its seed, between processes. Not for secrets.
pub(crate) struct Ids(AtomicU64);

impl Ids {
    pub(crate) fn new() -> Self {
        // The standard library seeds this from the system.
        Self(AtomicU64::new(RandomState::new().build_hasher().finish()))
    }

    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The id of a span: 8 bytes, not all zero.
    pub(crate) fn span(&self) -> [u8; 8] {
        self.next().max(1).to_be_bytes()
    }

    /// The id of a trace: 16 bytes, not all zero.
    pub(crate) fn trace(&self) -> [u8; 16] {
        let (high, low) = (u128::from(self.next().max(1)), u128::from(self.next()));
        (high << 64 | low).to_be_bytes()
    }

    /// `true` so often, of 1.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        // 53 bits are all that a double holds.
        ((self.next() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_fall_as_often_as_they_should() {
        let ids = Ids::new();
        let hits = |probability| (0..10_000).filter(|_| ids.chance(probability)).count();
        assert_eq!((hits(0.0), hits(1.0)), (0, 10_000));
        let tenth = hits(0.1);
        assert!((700..1300).contains(&tenth), "{tenth}");
        assert_ne!(ids.trace(), ids.trace());
    }
}
