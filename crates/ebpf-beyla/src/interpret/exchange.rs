//! A request and its response, as they were seen on a stream: what spans and metrics are made of.

use std::net::Ipv6Addr;

use super::context::Context;
use crate::record::{Family, Role};

/// What was spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// `network.protocol.version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// Both ends of a stream, as the observed process sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// What carries it.
    pub family: Family,
    /// The process's address; IPv4 in the first four bytes.
    pub local: [u8; 16],
    /// The process's port.
    pub local_port: u16,
    /// The other side's address.
    pub remote: [u8; 16],
    /// The other side's port.
    pub remote_port: u16,
    /// The network namespace.
    pub netns: u32,
    /// Where a Unix socket is bound.
    pub path: String,
}

impl Ends {
    /// Whether both are on this machine, as far as their addresses tell.
    pub fn are_here(&self) -> bool {
        match self.family {
            Family::Unix => true,
            Family::V4 => self.remote[0] == 127 || self.remote == self.local,
            Family::V6 => {
                let canonical = Ipv6Addr::from(self.remote).to_canonical();
                canonical.is_loopback() || self.remote == self.local
            }
        }
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Ending {
    /// With the last byte of the response.
    #[default]
    Complete,
    /// The response's end was not seen; the last byte that was seen is taken for it.
    Assumed,
    /// The connection ended, or the stream was reset, before the response did.
    Broken,
}

/// One request and its response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// What was spoken.
    pub protocol: Protocol,
    /// Inside TLS.
    pub tls: bool,
    /// Whether the process answered or asked.
    pub role: Role,
    /// The stream that carried it.
    pub stream: u64,
    /// Both ends; `None` if the stream's were never told.
    pub ends: Option<Ends>,
    /// The process.
    pub pid: u32,
    /// The thread that received the request's first byte (server), or sent it (client).
    pub tid: u32,
    /// The thread that sent the response's first byte (server), or received it (client).
    pub response_tid: u32,
    /// The method; empty if the request's begin was not seen.
    pub method: String,
    /// The target: path and query, an absolute URL, an authority, or `*`.
    pub target: String,
    /// `Host` or `:authority`.
    pub host: String,
    /// `:scheme`, where the protocol says it.
    pub scheme: String,
    /// The status; `None` if no response was seen.
    pub status: Option<u16>,
    /// `content-type` of the request.
    pub content_type: String,
    /// `user-agent`, cut at 256 bytes.
    pub user_agent: String,
    /// `traceparent` as it came.
    pub traceparent: String,
    /// `tracestate` as it came.
    pub tracestate: String,
    /// `grpc-status`.
    pub grpc_status: Option<u32>,
    /// Bytes of the request's body, as far as they are known.
    pub request_body: u64,
    /// Bytes of the response's body.
    pub response_body: u64,
    /// The first byte of the request, nanoseconds since boot.
    pub start: u64,
    /// The first byte of the response; 0 if there was none.
    pub answered: u64,
    /// The last byte that was seen.
    pub end: u64,
    /// The TCP sequence number of the request's first byte; 0 if there is none.
    pub sequence: u32,
    /// How it ended.
    pub ending: Ending,
    /// Its place in a trace.
    pub context: Context,
    /// The process of this machine that sent the request, where that is known; else 0.
    pub caller: u32,
}

impl Exchange {
    /// Whether it is a call of gRPC.
    pub fn is_grpc(&self) -> bool {
        self.protocol == Protocol::Http2 && self.content_type.starts_with("application/grpc")
    }

    /// Takes what a span needs out of a header of the request.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        let slot = if name.eq_ignore_ascii_case("host") || name == ":authority" {
            &mut self.host
        } else if name.eq_ignore_ascii_case("content-type") {
            &mut self.content_type
        } else if name.eq_ignore_ascii_case("user-agent") {
            &mut self.user_agent
        } else if name.eq_ignore_ascii_case("traceparent") {
            &mut self.traceparent
        } else if name.eq_ignore_ascii_case("tracestate") {
            &mut self.tracestate
        } else {
            return;
        };
        if slot.is_empty() {
            slot.push_str(cut(value, 256));
        }
    }
}

/// The text, or its begin.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
