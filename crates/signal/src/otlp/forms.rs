//! The bodies that a batch is sent as, each made once for all destinations that send the same.
//!
//! Clones of a batch meet here: who sends it first makes the body, the others wait for it or find it. A body lasts as
//! long as somebody is sending it. It does not last as long as the batch, or a destination that is down would hold
//! beside what waits for it what was made for others.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::{Batch, BodyFormat};

/// What a batch is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How the message is written.
    pub format: BodyFormat,
    /// How it is compressed, as HTTP names it.
    pub encoding: &'static str,
    /// How hard; `None` is the encoding's usual level.
    pub level: Option<i32>,
}

type Made = OnceCell<Bytes>;

/// The bodies that are being sent now.
type Shared = Mutex<Vec<(Form, Weak<Made>)>>;

/// Clones share them; a batch that was never cloned has no use for it.
#[derive(Default)]
pub(super) struct Forms(OnceLock<Arc<Shared>>);

impl Clone for Forms {
    fn clone(&self) -> Self {
        Self(OnceLock::from(Arc::clone(self.shared())))
    }
}

impl Forms {
    fn shared(&self) -> &Arc<Shared> {
        self.0.get_or_init(Arc::default)
    }

    fn made(&self, form: Form) -> Sent {
        let shared = self.shared();
        let mut forms = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let known = forms.iter().find(|(known, _)| *known == form).and_then(|(_, made)| made.upgrade());
        let made = known.unwrap_or_else(|| {
            let made = Arc::new(Made::new());
            forms.push((form, Arc::downgrade(&made)));
            made
        });
        Sent { made: Some(made), shared: Arc::clone(shared) }
    }
}

/// Keeps a body where others find it.
struct Sent {
    made: Option<Arc<Made>>,
    shared: Arc<Shared>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.made.as_ref().and_then(|made| made.get()).map_or(&[], |body| body)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.made = None;
        // A clone that waits long keeps nothing of it.
        let mut forms = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        forms.retain(|(_, made)| made.strong_count() > 0);
        if forms.is_empty() {
            *forms = Vec::new();
        }
    }
}

impl Batch {
    /// The batch in this form. `make` makes it, unless somebody with a clone of this batch has it or is making it. Hold
    /// the answer until it has been sent: others find it as long.
    ///
    /// # Errors
    /// Those of `make`; then the next who asks makes it.
    pub async fn body_as<E>(
        &self,
        form: Form,
        make: impl Future<Output = Result<Bytes, E>> + Send,
    ) -> Result<Bytes, E> {
        let sent = self.forms().made(form);
        if let Some(made) = &sent.made {
            made.get_or_try_init(|| make).await?;
        }
        Ok(Bytes::from_owner(sent))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::yield_now;

    use super::*;
    use crate::otlp::SignalKind;

    const GZIP: Form = Form { format: BodyFormat::Protobuf, encoding: "gzip", level: None };

    fn batch() -> Batch {
        Batch::new(SignalKind::Logs, Bytes::from_static(b"abc"), 3)
    }

    async fn ask(batch: &Batch, form: Form, count: &AtomicUsize) -> Bytes {
        let make = async {
            yield_now().await;
            Ok::<_, Infallible>(Bytes::from(format!("{}", count.fetch_add(1, Ordering::Relaxed))))
        };
        batch.body_as(form, make).await.unwrap()
    }

    #[tokio::test]
    async fn clones_that_are_sent_at_the_same_time_share_a_body() {
        let (one, count) = (batch(), AtomicUsize::new(0));
        let two = one.clone().map_bytes(|bytes| Bytes::copy_from_slice(&bytes));
        let three = two.clone();
        let (a, b) = tokio::join!(ask(&one, GZIP, &count), ask(&two, GZIP, &count));
        assert_eq!((a.as_ptr(), &a[..]), (b.as_ptr(), &b"0"[..]));
        drop(a);
        assert_eq!(ask(&three, GZIP, &count).await, b);
        drop(b);
        assert_eq!(three.forms().shared().lock().unwrap().capacity(), 0);
        assert_eq!(ask(&three, GZIP, &count).await, "1", "nobody held it any more");
    }

    #[tokio::test]
    async fn what_differs_is_made_apart() {
        let (one, count) = (batch(), AtomicUsize::new(0));
        let others = [
            Form { level: Some(6), ..GZIP },
            Form { encoding: "zstd", ..GZIP },
            Form { format: BodyFormat::Json, ..GZIP },
        ];
        let mut held = vec![ask(&one, GZIP, &count).await];
        for form in others {
            held.push(ask(&one.clone(), form, &count).await);
        }
        assert_eq!(held, ["0", "1", "2", "3"]);
    }

    #[tokio::test]
    async fn a_batch_of_other_requests_shares_nothing() {
        let (one, count) = (batch(), AtomicUsize::new(0));
        let _held = ask(&one, GZIP, &count).await;
        let mut longer = one.clone();
        longer.append(batch()).unwrap();
        assert_eq!(ask(&longer, GZIP, &count).await, "1");
        let (first, second) = longer.halve().unwrap();
        let (first, second) = tokio::join!(ask(&first, GZIP, &count), ask(&second, GZIP, &count));
        assert!(first != second && first != "1" && second != "1");
        let empty = one.clone().with_requests([]);
        assert_eq!(ask(&empty, GZIP, &count).await, "4");
        assert_eq!(ask(&one.clone().replace_requests([]), GZIP, &count).await, "5");
    }

    #[tokio::test]
    async fn after_a_failure_the_next_makes_it() {
        let (one, count) = (batch(), AtomicUsize::new(0));
        assert!(one.body_as(GZIP, async { Err::<Bytes, _>("broken") }).await.is_err());
        assert_eq!(ask(&one, GZIP, &count).await, "0");
    }
}
