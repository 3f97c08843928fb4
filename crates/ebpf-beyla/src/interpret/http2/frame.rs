//! Frames of HTTP/2, found in captured bytes. Source: RFC 9113, section 4 and 6.

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a frame's header is.
pub const HEADER: usize = 9;

/// The types that matter here.
pub mod kind {
    /// Bytes of a body.
    pub const DATA: u8 = 0;
    /// A header block, or its begin.
    pub const HEADERS: u8 = 1;
    /// The end of a stream, before its time.
    pub const RST_STREAM: u8 = 3;
    /// What a side accepts.
    pub const SETTINGS: u8 = 4;
    /// A header block of a request that the server makes.
    pub const PUSH_PROMISE: u8 = 5;
    /// More of a header block.
    pub const CONTINUATION: u8 = 9;
}

/// The flags that matter here.
pub mod flag {
    /// The side sends no more on the stream.
    pub const END_STREAM: u8 = 1;
    /// The header block is whole.
    pub const END_HEADERS: u8 = 4;
    /// Bytes follow that mean nothing.
    pub const PADDED: u8 = 8;
    /// A priority precedes the header block.
    pub const PRIORITY: u8 = 32;
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes that follow.
    pub length: u32,
    /// What it is.
    pub kind: u8,
    /// What holds for it.
    pub flags: u8,
    /// Which stream; 0 for the connection.
    pub stream: u32,
}

impl FrameHeader {
    /// Reads nine bytes.
    pub fn parse(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    /// Whether it has a flag.
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a frame may be so: to find the place in a stream again.
    pub fn is_plausible(self) -> bool {
        let of_connection = self.stream == 0;
        match self.kind {
            kind::DATA => !of_connection && self.length <= 1 << 20 && self.flags & !9 == 0,
            kind::HEADERS => !of_connection && self.length <= 1 << 16 && self.flags & !0x2d == 0,
            2 => !of_connection && self.length == 5,
            kind::RST_STREAM => !of_connection && self.length == 4 && self.flags == 0,
            kind::SETTINGS => {
                of_connection && self.length.is_multiple_of(6) && self.length <= 600 && self.flags & !1 == 0
            }
            kind::PUSH_PROMISE => !of_connection && self.length <= 1 << 16,
            6 => of_connection && self.length == 8 && self.flags & !1 == 0,
            7 => of_connection && (8..1 << 14).contains(&self.length) && self.flags == 0,
            8 => self.length == 4 && self.flags == 0,
            kind::CONTINUATION => !of_connection && self.length <= 1 << 16 && self.flags & !4 == 0,
            _ => false,
        }
    }
}

/// Whether bytes at the begin of a call look like frames: at least one header that may be, followed by another
/// wherever the first frame ends within them.
pub fn looks_like_frames(mut bytes: &[u8]) -> bool {
    let mut seen = 0;
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let header = FrameHeader::parse(*header);
        if !header.is_plausible() {
            return false;
        }
        seen += 1;
        match rest.get(header.length as usize..) {
            Some(after) => bytes = after,
            None => return true,
        }
    }
    seen > 0
}

/// The header block inside the payload of HEADERS or PUSH_PROMISE; `None` if padding and priority do not fit.
pub fn block(header: FrameHeader, payload: &[u8]) -> Option<&[u8]> {
    let (mut payload, mut padding) = (payload, 0);
    if header.has(flag::PADDED) {
        let (&length, rest) = payload.split_first()?;
        (payload, padding) = (rest, usize::from(length));
    }
    if header.kind == kind::HEADERS && header.has(flag::PRIORITY) {
        payload = payload.get(5..)?;
    }
    if header.kind == kind::PUSH_PROMISE {
        payload = payload.get(4..)?;
    }
    payload.get(..payload.len().checked_sub(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_from_other_bytes() {
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert!(looks_like_frames(&settings));
        assert!(looks_like_frames(&[&settings[..], &ping[..]].concat()));
        assert!(!looks_like_frames(&[&ping[..], b"GET / HTTP/1.1"].concat()));
        assert!(!looks_like_frames(b"GET / HTTP/1.1\r\n"));
        assert!(!looks_like_frames(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
        assert!(!looks_like_frames(&settings[..5]));
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        let header = FrameHeader { length: 0, kind: kind::HEADERS, flags: flag::PADDED | flag::PRIORITY, stream: 1 };
        assert_eq!(block(header, &[2, 0, 0, 0, 0, 9, b'a', b'b', 0, 0]), Some(&b"ab"[..]));
        assert_eq!(block(header, &[20, 0, 0, 0, 0, 9, b'a']), None);
        assert_eq!(block(header, &[]), None);
    }
}
