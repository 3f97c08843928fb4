//! Bodies of requests and responses.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::{Instant, Sleep};

/// Reading a body went wrong.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or the peer broke the protocol.
    #[error("reading the body: {0}")]
    Transport(String),
    /// It comes too slowly.
    #[error("the body did not come in time")]
    TooSlow,
    /// The body is larger than it may be.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// A body: parts in memory, or a stream.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Parts {
        parts: VecDeque<Bytes>,
        left: u64,
        trailers: Option<HeaderMap>,
    },
    Incoming(hyper::body::Incoming),
    Stream(UnsyncBoxBody<Bytes, BodyError>),
    Paced(Box<Paced>),
}

/// How fast a body must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time that any body may take.
    pub base: Duration,
    /// Bytes per second that give a longer body more time; 0 gives none.
    pub min_rate: u64,
}

impl Default for Pace {
    /// 25 seconds, and a second more for each 16 KiB that have come.
    fn default() -> Self {
        Self { base: Duration::from_secs(25), min_rate: 16 << 10 }
    }
}

struct Paced {
    body: Body,
    pace: Pace,
    start: Instant,
    read: u64,
    /// Only when there was something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
                && self.pace.min_rate > 0
            {
                self.read += data.len() as u64;
            }
            return Poll::Ready(frame);
        }
        let earned = self.read.saturating_mul(1000).checked_div(self.pace.min_rate).unwrap_or(0);
        let end = self.start + self.pace.base + Duration::from_millis(earned);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::TooSlow)))
    }
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Several parts, sent one after the other without being copied together.
    pub fn parts(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let parts: VecDeque<Bytes> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let left = parts.iter().map(|part| part.len() as u64).sum();
        Self(Kind::Parts { parts, left, trailers: None })
    }

    /// Another kind of body.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let body = body.map_err(|error| BodyError::Transport(error.to_string()));
        Self(Kind::Stream(UnsyncBoxBody::new(body)))
    }

    /// The same, followed by trailers. Only for bodies in memory.
    #[must_use]
    pub fn with_trailers(self, headers: HeaderMap) -> Self {
        match self.0 {
            Kind::Empty => Self(Kind::Parts { parts: VecDeque::new(), left: 0, trailers: Some(headers) }),
            Kind::Parts { parts, left, .. } => Self(Kind::Parts { parts, left, trailers: Some(headers) }),
            other => Self(other),
        }
    }

    /// The same, which fails with [`BodyError::TooSlow`] if it does not come in time.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        if matches!(self.0, Kind::Empty | Kind::Parts { .. }) {
            return self;
        }
        Self(Kind::Paced(Box::new(Paced { body: self, pace, start: Instant::now(), read: 0, timer: None })))
    }

    /// Reads and forgets at most `limit` bytes within `timeout`, so that a client that is still sending sees the answer instead of a
    /// broken connection.
    pub async fn discard(mut self, limit: usize, timeout: Duration) {
        let mut read = 0;
        let read_all = async {
            while let Some(Ok(frame)) = self.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > limit {
                    return;
                }
            }
        };
        // A slow client's connection is closed, which is all that can be done.
        let _ = tokio::time::timeout(timeout, read_all).await;
    }

    /// The exact number of bytes, if it is known beforehand.
    pub fn len(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Whether it is known to hold nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Reads all of it, at most `limit` bytes.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as soon as more has come (or was announced), without reading the rest.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BodyError> {
        if self.size_hint().lower() > limit as u64 {
            return Err(BodyError::TooLarge { limit });
        }
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if first.len().max(rest.len()) + data.len() > limit {
                return Err(BodyError::TooLarge { limit });
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.into() })
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::parts([bytes])
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<hyper::body::Incoming> for Body {
    fn from(body: hyper::body::Incoming) -> Self {
        Self(Kind::Incoming(body))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?} bytes)", self.len())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Parts { parts, left, trailers } => Poll::Ready(match parts.pop_front() {
                Some(part) => {
                    *left -= part.len() as u64;
                    Some(Ok(Frame::data(part)))
                }
                None => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            }),
            Kind::Incoming(body) => {
                Pin::new(body).poll_frame(cx).map_err(|error| BodyError::Transport(crate::client::explain(&error)))
            }
            Kind::Stream(body) => Pin::new(body).poll_frame(cx),
            Kind::Paced(paced) => paced.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Parts { parts, trailers, .. } => parts.is_empty() && trailers.is_none(),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
            Kind::Paced(paced) => paced.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Parts { left, .. } => SizeHint::with_exact(*left),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
            Kind::Paced(paced) => paced.body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let parts = || Body::parts([Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cde")]);
        assert_eq!(parts().collect(5).await.unwrap(), "abcde");
        assert!(matches!(parts().collect(4).await, Err(BodyError::TooLarge { limit: 4 })));
        assert_eq!(Body::empty().collect(0).await.unwrap(), "");
        let unsized_body = Body::stream(http_body_util::StreamBody::new(futures_util::stream::iter(
            [b"ab", b"cd"].map(|part| Ok::<_, BodyError>(Frame::data(Bytes::from_static(part)))),
        )));
        assert!(matches!(unsized_body.collect(3).await, Err(BodyError::TooLarge { .. })));
    }
}
