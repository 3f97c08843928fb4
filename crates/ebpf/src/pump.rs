//! A thread that empties rings.
//!
//! Waking a reader for each record costs the observed process more than everything else together, so programs wake
//! nobody until their ring is well filled, and the pump looks by itself: often while there is something, rarely while
//! there is nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use libbpf_rs::{MapHandle, RingBuffer, RingBufferBuilder};

/// How long a record may lie in a ring while records come.
const BUSY: Duration = Duration::from_millis(20);
/// How long the first record after a pause may lie there, and how long it may take to stop.
const IDLE: Duration = Duration::from_millis(160);

/// A ring, and who takes its records.
pub struct Ring {
    map: MapHandle,
    take: Box<dyn FnMut(&[u8]) + Send>,
}

impl Ring {
    /// Each record of the ring is given to `take`, on the pump's thread.
    pub fn new(map: MapHandle, take: impl FnMut(&[u8]) + Send + 'static) -> Self {
        Self { map, take: Box::new(take) }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ring").field(&self.map).finish()
    }
}

/// Why a pump did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PumpError(String);

impl fmt::Display for PumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rings cannot be read: {}", self.0)
    }
}

impl std::error::Error for PumpError {}

/// The thread. Dropped, it has ended, and what lay in the rings has been taken.
#[derive(Debug)]
pub struct Pump {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pump {
    /// Starts. After each look, `tick` is called, whether or not there was anything.
    ///
    /// # Errors
    /// If the rings cannot be mapped, or there is no thread to be had.
    pub fn start(name: &str, rings: Vec<Ring>, tick: impl FnMut() + Send + 'static) -> Result<Self, PumpError> {
        let said = |error: &dyn fmt::Display| PumpError(error.to_string());
        // The ring buffer borrows nothing: descriptors are duplicated while it is built.
        let mut takers = Vec::with_capacity(rings.len());
        let mut maps = Vec::with_capacity(rings.len());
        for ring in rings {
            maps.push(ring.map);
            takers.push(ring.take);
        }
        let mut builder = RingBufferBuilder::new();
        let seen = Arc::new(AtomicBool::new(false));
        for (map, mut take) in maps.iter().zip(takers) {
            let seen = Arc::clone(&seen);
            let add = builder.add(map, move |record| {
                seen.store(true, Ordering::Relaxed);
                take(record);
                0
            });
            add.map_err(|error| said(&error))?;
        }
        let ring = builder.build().map_err(|error| said(&error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            run(&ring, &seen, &stopped, tick);
            // What the kernel maps for us lives as long as its descriptors do.
            drop(maps);
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| said(&error))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic of a taker has been reported where it happened.
            let _ = thread.join();
        }
    }
}

fn run(ring: &RingBuffer<'_>, seen: &AtomicBool, stop: &AtomicBool, mut tick: impl FnMut()) {
    let mut wait = BUSY;
    loop {
        let last = stop.load(Ordering::Acquire);
        if !last {
            // Interrupted is no error, and there is nobody to tell of another.
            let _ = ring.poll(wait);
        }
        let _ = ring.consume();
        tick();
        if last {
            return;
        }
        wait = if seen.swap(false, Ordering::Relaxed) { BUSY } else { (wait * 2).min(IDLE) };
    }
}
