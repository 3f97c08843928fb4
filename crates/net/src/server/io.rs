//! Accepting connections of either kind, and looking at how they begin.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::{TcpListener, UnixListener};

use super::bind::Bound;
use crate::Peer;
use crate::stream::{Stream, Tap, Tapped};

/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    pub(super) fn new(bound: Bound) -> io::Result<Self> {
        Ok(match bound {
            Bound::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Bound::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small and complete: waiting for more to send only delays them.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Peer { address: Some(address), ..Peer::default() }))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Peer::default()))
            }
        }
    }
}

/// Reads until it is clear whether the peer speaks HTTP/2; the stream that is returned gives all from the beginning.
pub(super) async fn speaks_http2(mut stream: Stream) -> io::Result<(bool, Stream)> {
    let mut first = Vec::with_capacity(PREFACE.len());
    let is_http2 = loop {
        if first == PREFACE {
            break true;
        }
        if !PREFACE.starts_with(&first) {
            break false;
        }
        let left = (PREFACE.len() - first.len()) as u64;
        if (&mut stream).take(left).read_buf(&mut first).await? == 0 {
            break false;
        }
    };
    Ok((is_http2, Box::new(Tapped { stream, tap: First(first.into()) })))
}

/// Bytes that come before those of the stream.
struct First(Bytes);

impl Tap for First {
    fn poll_read(
        &mut self,
        stream: Pin<&mut Stream>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return stream.poll_read(cx, buf);
        }
        let count = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0[..count]);
        self.0.advance(count);
        Poll::Ready(Ok(()))
    }
}
