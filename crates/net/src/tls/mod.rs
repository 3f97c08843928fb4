//! rustls configurations from `tls` blocks.
//!
//! Certificates are loaded when a configuration is made, so that a mistake shows while the file is loaded; with `reload_interval`
//! they are read again when a connection is made after that time, and the old ones stay if the new ones are broken.

mod client;
mod material;
mod server;
mod verify;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use client::{ClientTls, Offer};
pub use server::{ClientCertificates, ServerTls, ServerTlsOptions};

/// A TLS configuration could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("reading {path}: {why}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file or text holds something else than it should.
    #[error("{place}: {why}")]
    Content {
        /// The file, or the argument.
        place: String,
        /// Why.
        why: String,
    },
    /// The parts do not fit together.
    #[error("{0}")]
    Config(String),
}

/// A configuration that is made anew from its files from time to time.
struct Reloading<T> {
    current: ArcSwap<T>,
    interval: Duration,
    loaded: Mutex<Instant>,
    failing: AtomicBool,
    load: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
}

impl<T> Reloading<T> {
    fn new(
        interval: Duration,
        load: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(load()?);
        let loaded = Mutex::new(Instant::now());
        Ok(Self { current, interval, loaded, failing: AtomicBool::new(false), load: Box::new(load) })
    }

    fn get(&self) -> Arc<T> {
        if !self.interval.is_zero() && self.due() {
            match (self.load)() {
                Ok(new) => {
                    self.failing.store(false, Ordering::Relaxed);
                    self.current.store(Arc::new(new));
                }
                Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                    tracing::warn!(%error, "TLS certificates could not be reloaded, the old ones stay");
                }
                Err(_) => {}
            }
        }
        self.current.load_full()
    }

    /// Whether it is time, for one caller.
    fn due(&self) -> bool {
        let Ok(mut loaded) = self.loaded.try_lock() else { return false };
        let due = loaded.elapsed() >= self.interval;
        if due {
            *loaded = Instant::now();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Loads count up; every load named in `broken` fails.
    fn counting(interval: Duration, broken: &'static [usize]) -> Reloading<usize> {
        let loads = AtomicUsize::new(0);
        let load = move || match loads.fetch_add(1, Ordering::SeqCst) {
            load if broken.contains(&load) => Err(TlsError::Config("broken".into())),
            load => Ok(load),
        };
        Reloading::new(interval, load).unwrap()
    }

    #[test]
    fn a_broken_reload_keeps_what_was_there() {
        let config = counting(Duration::from_nanos(1), &[1, 2]);
        std::thread::yield_now();
        let seen: Vec<usize> = (0..4).map(|_| *config.get()).collect();
        assert_eq!(seen, [0, 0, 3, 4]);
    }

    #[test]
    fn nothing_is_read_again_before_its_time() {
        for interval in [Duration::ZERO, Duration::from_secs(3600)] {
            let config = counting(interval, &[]);
            assert_eq!((*config.get(), *config.get()), (0, 0), "{interval:?}");
        }
    }
}
