//! The value that says that a series has ended.

/// The bits of the marker, one of the many NaNs.
const BITS: u64 = 0x7ff0_0000_0000_0002;

/// Ends a series; a NaN that no computation gives. Compare with [`is_stale`], never with `==`.
pub const STALE: f64 = f64::from_bits(BITS);

/// Whether this is the marker. Another NaN is a value.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == BITS
}
