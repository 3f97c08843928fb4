//! What a connection does: how many requests are under way, since when it is silent, when a header began.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::stream::{Stream, Tap};

/// Tells when bytes come.
impl Tap for Arc<Activity> {
    fn poll_read(
        &mut self,
        stream: Pin<&mut Stream>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = stream.poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard();
        }
        polled
    }
}

/// What a connection does now.
pub(super) struct Activity {
    requests: AtomicUsize,
    since: Mutex<Instant>,
    /// When the header began that has not ended. The first begins with the connection.
    header: Mutex<Option<Instant>>,
    /// The peer asked too often whether we are there, and the connection was ended for it.
    asked_too_often: AtomicBool,
}

/// A request that is under way.
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    /// Of a connection that was made then.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            since: Mutex::new(start),
            header: Mutex::new(Some(start)),
            asked_too_often: AtomicBool::new(false),
        }
    }

    pub(super) fn begin(this: &Arc<Self>) -> Busy {
        this.requests.fetch_add(1, Ordering::SeqCst);
        this.header_ends();
        Busy(Arc::clone(this))
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 0
    }

    pub(super) fn asked_too_often(&self) -> bool {
        self.asked_too_often.load(Ordering::SeqCst)
    }

    pub(super) fn set_asked_too_often(&self) {
        self.asked_too_often.store(true, Ordering::SeqCst);
    }

    pub(super) fn header_begins(&self) {
        self.header().get_or_insert_with(Instant::now);
    }

    pub(super) fn header_ends(&self) {
        *self.header() = None;
    }

    /// Bytes have come.
    fn heard(&self) {
        if !self.is_busy() {
            self.header_begins();
        }
    }

    /// Resolves when a header takes longer than that.
    ///
    /// It looks when the oldest header that there could be is too old: nobody has to wake it for each request.
    pub(super) async fn header_late(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let since = self.header().unwrap_or(now);
            if since + limit <= now {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    fn header(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when nothing has been done for that long.
    pub(super) async fn idle(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let busy = self.requests.load(Ordering::SeqCst) > 0;
            let end = if busy { Instant::now() } else { *self.since() } + limit;
            sleep_until(end).await;
            let quiet = *self.since() + limit <= Instant::now();
            if quiet && self.requests.load(Ordering::SeqCst) == 0 {
                return;
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.since() = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Resolves at that time, if there is one.
pub(super) async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
