//! The framing of unary gRPC calls: one flag byte, four length bytes, the message.

use std::io::Read;

/// The message of a request body; `None` if the framing or the compression is broken.
pub(crate) fn message(body: &[u8], encoding: Option<&str>) -> Option<Vec<u8>> {
    let (prefix, rest) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    let message = rest.get(..length)?;
    match (prefix[0], encoding) {
        (0, _) => Some(message.to_vec()),
        (_, Some("gzip")) => gunzip(message),
        _ => None,
    }
}

/// A response body with one message.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend((message.len() as u32).to_be_bytes());
    out.extend(message);
    out
}

pub(crate) fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out).ok()?;
    Some(out)
}
