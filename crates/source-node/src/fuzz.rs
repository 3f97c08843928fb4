//! The parsers of text and bytes that others have written, for the fuzz target.

use crate::collectors;
use crate::netlink;

/// No text may make a parser panic.
pub fn text(text: &str) {
    collectors::parse_all(text);
}

/// No answer of a kernel may make a parser panic.
pub fn bytes(bytes: &[u8]) {
    netlink::parse_all(bytes);
}
