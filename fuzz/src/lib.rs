//! What the OTLP targets share: a signal chosen by the first byte, and the bytes behind it.

use corten_signal::otlp::SignalKind;

/// The signal that the first byte names, and the rest.
pub fn signal(data: &[u8]) -> Option<(SignalKind, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((SignalKind::from_number(first % 4)?, rest))
}
