//! What is asked of the C library's allocator and of the kernel, so that memory that is not needed goes back.
//!
//! Bodies are decompressed on helper threads, and each thread would get a heap of its own that keeps what it once
//! took: a few large requests left 40 MB behind, and a queue that had drained left most of itself. Two heaps are
//! enough for the few threads here, large buffers are mapped and unmapped one by one, and after a queue has
//! drained the free pages are handed back.
//!
//! Starting runs code that is not needed again for long: it reads the file, builds every component, connects them.
//! Its pages would stay in the process, twice as much as all else there, so they are let go when it is over.

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

/// By then every task has run once.
const SETTLING: Duration = Duration::from_secs(2);

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

/// Lets go of what only starting needed, a moment after it: free memory, and pages of the program's code and constants.
/// Those stay in the page cache, and the ones that are needed come back from there, sixteen at a time.
pub(crate) async fn forget_the_start() {
    tokio::time::sleep(SETTLING).await;
    trim();
    #[cfg(target_os = "linux")]
    if let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    {
        for range in unwritten(&maps, &program.to_string_lossy()) {
            // SAFETY: the range is one mapping of the program's own file, private, and of those that nothing ever
            // writes to (see `unwritten`). So each of its pages is what the file holds, and the next access to it reads
            // the same bytes from there: nothing that the program can see changes.
            unsafe { libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED) };
        }
    }
}

/// Where the program's code and its constants are mapped: what may be executed, and what comes first in the file.
/// What else cannot be written to was written to by the loader, which has filled in addresses.
fn unwritten(maps: &str, program: &str) -> Vec<std::ops::Range<usize>> {
    let range = |line: &str| {
        let mut fields = line.splitn(6, ' ');
        let (from, to) = fields.next()?.split_once('-')?;
        let (may, offset) = (fields.next()?, usize::from_str_radix(fields.next()?, 16).ok()?);
        let path = fields.nth(2)?.trim_start();
        let wanted = path == program && (may == "r-xp" || may == "r--p" && offset == 0);
        let address = |text| usize::from_str_radix(text, 16).ok();
        wanted.then_some(address(from)?..address(to)?)
    };
    maps.lines().filter_map(range).collect()
}

fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes an integer by value, is safe to call from any thread (it locks each heap), and only
    // returns pages that hold no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_writes_to_is_let_go() {
        let maps = "\
            5000-6000 r--p 00000000 fe:00 20 /opt/my bin/corten\n\
            6000-8000 r-xp 00001000 fe:00 20                         /opt/my bin/corten\n\
            8000-9000 r--p 00003000 fe:00 20 /opt/my bin/corten\n\
            9000-a000 rw-p 00004000 fe:00 20 /opt/my bin/corten\n\
            a000-b000 rw-p 00000000 00:00 0 [heap]\n\
            b000-c000 r-xp 00000000 fe:00 21 /lib/libc.so.6\n\
            c000-d000 rw-p 00000000 00:00 0 \n";
        assert_eq!(unwritten(maps, "/opt/my bin/corten"), [0x5000..0x6000, 0x6000..0x8000]);
    }
}
