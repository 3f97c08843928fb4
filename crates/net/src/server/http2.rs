//! A connection of HTTP/2 whose bytes are looked at as they pass: open header blocks have a deadline, and who asks too
//! often whether we are there is told so and left.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::activity::Activity;
use super::frames::{Event, Frames};
use super::pings::{PingPolicy, Pings};
use crate::stream::Stream;

/// A stream that tells the connection's activity of headers.
pub(super) struct Watched {
    stream: Stream,
    activity: Arc<Activity>,
    http2: Http2,
}

/// What is known of an HTTP/2 connection from its bytes.
struct Http2 {
    read: Frames,
    written: Frames,
    pings: Option<Pings>,
    /// What is left to be said before the end.
    last_words: Option<Bytes>,
}

/// GOAWAY without a last stream: ENHANCE_YOUR_CALM, in the words that gRPC's clients know.
const TOO_MANY_PINGS: &[u8] = b"\0\0\x16\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\x0btoo_many_pings";

impl Watched {
    /// Of a connection that begins now; `pings`: how often its peer may ask whether we are there.
    pub(super) fn new(stream: Stream, activity: &Arc<Activity>, pings: Option<PingPolicy>) -> Self {
        let (read, written) = (Frames::of_client(), Frames::default());
        let http2 = Http2 { read, written, pings: pings.map(Pings::new), last_words: None };
        Self { stream, activity: Arc::clone(activity), http2 }
    }

    fn is_leaving(&self) -> bool {
        self.http2.last_words.is_some()
    }

    /// Says the last words, and ends.
    fn leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(words) = &mut self.http2.last_words {
            while !words.is_empty() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, words))?;
                if written == 0 {
                    break;
                }
                words.advance(written);
            }
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl Http2 {
    fn heard(&mut self, bytes: &[u8], activity: &Activity) {
        let mut too_many = false;
        self.read.pass(bytes, |event| match event {
            Event::Headers => activity.header_begins(),
            Event::HeadersEnd => activity.header_ends(),
            Event::Data => {}
            Event::Ping => {
                let busy = activity.is_busy();
                too_many |= self.pings.as_mut().is_some_and(|pings| pings.asked(Instant::now(), busy));
            }
        });
        if too_many && self.last_words.is_none() {
            activity.set_asked_too_often();
            // Within a frame nothing can be said.
            let words: &'static [u8] = if self.written.is_between() { TOO_MANY_PINGS } else { &[] };
            self.last_words = Some(Bytes::from_static(words));
        }
    }

    fn said(&mut self, bytes: &[u8]) {
        self.written.pass(bytes, |event| {
            if let (Event::Headers | Event::Data, Some(pings)) = (event, &mut self.pings) {
                pings.answered();
            }
        });
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_leaving() {
            return this.leave(cx);
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let new = buf.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            this.http2.heard(new, &this.activity);
        }
        if this.is_leaving() { this.leave(cx) } else { polled }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.as_mut().poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.is_leaving() {
            // Another's frame must not come into the last words.
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for part in bufs {
            let part = part.get(..left.min(part.len())).unwrap_or_default();
            this.http2.said(part);
            left -= part.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
