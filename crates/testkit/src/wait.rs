//! Waiting for something that another process does.

use std::time::{Duration, Instant};

/// Asks until the answer is there, or panics after a generous deadline with what was waited for.
///
/// For conditions outside this process, which cannot be awaited. The deadline is no timing assertion: it only keeps
/// a broken test from hanging.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        #[allow(clippy::disallowed_methods, reason = "nothing here tells when another process gets there")]
        std::thread::sleep(Duration::from_millis(10));
    }
}
