//! Content encodings: decoding that never gives more than it may, and encoding for exporters.
//!
//! A decoder that trusts the size of what it reads is a bomb's target; here every codec writes into a buffer that grows step by step,
//! and a caller may refuse each step.

mod decode;
mod encode;
mod inflate;
mod pool;

pub use decode::{Admit, DecodeError, decode, decode_with};
pub use encode::{EncodeError, Level, encode, encode_aside};

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 1950. `deflate` in HTTP is the same.
    Zlib,
    /// RFC 1950 under its HTTP name.
    Deflate,
    /// Snappy's block format. What comes under this name may also be framed: decoding looks at the first bytes.
    Snappy,
    /// Snappy's framing format (`x-snappy-framed`; what gRPC calls `snappy`).
    SnappyFramed,
    /// LZ4's frame format.
    Lz4,
}

impl Encoding {
    /// All that a server may accept.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Gzip,
        Self::Zstd,
        Self::Zlib,
        Self::Deflate,
        Self::Snappy,
        Self::SnappyFramed,
        Self::Lz4,
    ];

    /// The encoding of a `Content-Encoding` (empty and `identity`: none). Names fold case.
    pub fn from_http(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            "zlib" => Some(Self::Zlib),
            "deflate" => Some(Self::Deflate),
            "snappy" => Some(Self::Snappy),
            "x-snappy-framed" => Some(Self::SnappyFramed),
            "lz4" => Some(Self::Lz4),
            _ => None,
        }
    }

    /// The encoding of a `grpc-encoding`: identity, gzip, zstd and snappy (framed).
    pub fn from_grpc(name: &str) -> Option<Self> {
        match name {
            "" | "identity" => Some(Self::Identity),
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            "snappy" => Some(Self::SnappyFramed),
            _ => None,
        }
    }

    /// Its name in `Content-Encoding`.
    pub const fn http_name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Lz4 => "lz4",
        }
    }

    /// Its name in `grpc-encoding`, if gRPC has it.
    pub const fn grpc_name(self) -> Option<&'static str> {
        match self {
            Self::Identity => Some("identity"),
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::SnappyFramed => Some("snappy"),
            _ => None,
        }
    }
}
