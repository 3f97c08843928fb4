//! What is asked of the C library's allocator, so that memory that was freed goes back to the system.
//!
//! Bodies are decompressed on helper threads, and each thread would get a heap of its own that keeps what it once
//! took: a few large requests left 40 MB behind, and a queue that had drained left most of itself. Two heaps are
//! enough for the few threads here, large buffers are mapped and unmapped one by one, and after a queue has
//! drained the free pages are handed back.

#![allow(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use corten_delivery::Budget;

/// Buffers from this size on are mapped by themselves: a body that stays must not hold the holes around it that were
/// its own parts as they came (100 MiB of 1 MB bodies kept 290 MB).
const MAPPED_FROM: i32 = 128 << 10;

/// Free memory at the top of the heap that may stay.
const KEPT_AT_TOP: i32 = 2 << 20;

/// A drop of the counted memory by this much is worth giving pages back.
const WORTH_TRIMMING: usize = 16 << 20;

/// Sets the allocator up. Call it before other threads start.
pub(crate) fn set_up() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 2), (libc::M_MMAP_THRESHOLD, MAPPED_FROM), (libc::M_TRIM_THRESHOLD, KEPT_AT_TOP)]
    {
        // SAFETY: mallopt takes two integers by value and touches nothing of ours; it may be called at any time, and
        // a parameter or value that it does not like makes it return 0, which leaves the default.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Gives free pages back whenever the memory that the budget counts has fallen far. Runs until dropped.
pub(crate) async fn trim_after_drains(budget: Arc<Budget>) {
    let mut high = 0;
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        let used = budget.used();
        high = high.max(used);
        if high - used >= WORTH_TRIMMING {
            high = used;
            // Walking the heap takes milliseconds: not on the loop.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
    }
}

fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes an integer by value, is safe to call from any thread (it locks each heap), and only
    // returns pages that hold no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
}
