//! The thread that writes, so that whoever logs never waits for a terminal or a pipe.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may wait to be written.
const QUEUE_BYTES: usize = 1024 * 1024;

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    /// Whether the thread holds lines that it took.
    writing: bool,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Writer(Arc<Shared>);

impl Writer {
    pub(super) fn start(output: Box<dyn Write + Send>) -> Self {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        // Without the thread the queue fills and lines are counted as dropped: the process still does its work.
        let _ = std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&for_thread, output));
        Self(shared)
    }

    /// `false`: the queue is full and the line is lost.
    pub(super) fn push(&self, line: &str) -> bool {
        let mut queue = self.0.lock();
        if queue.text.len() + line.len() > QUEUE_BYTES {
            return false;
        }
        queue.text.extend_from_slice(line.as_bytes());
        drop(queue);
        self.0.changed.notify_all();
        true
    }

    pub(super) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut queue = self.0.lock();
        while !queue.text.is_empty() || queue.writing {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            queue = self.0.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

fn write(shared: &Shared, mut output: Box<dyn Write + Send>) {
    let mut lines = Vec::new();
    loop {
        {
            let mut queue = shared.lock();
            queue.writing = false;
            shared.changed.notify_all();
            while queue.text.is_empty() {
                if queue.closed {
                    return;
                }
                queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut queue.text, &mut lines);
            queue.writing = true;
        }
        // A closed standard error leaves nobody to tell.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
        lines.clear();
        // A burst should not keep its memory.
        lines.shrink_to(16 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never returns from its first write until the test lets it.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_not_time() {
        let (release, gate) = std::sync::mpsc::channel();
        let writer = Writer::start(Box::new(Stuck(gate)));
        let line = "x".repeat(1023) + "\n";
        let pushed = (0..10_000).filter(|_| writer.push(&line)).count();
        // The queue, and what the thread took before it stood still.
        assert!((1024..=2048).contains(&pushed), "{pushed}");
        writer.flush(Duration::from_millis(1));
        drop(release);
        writer.flush(Duration::from_secs(10));
        assert!(writer.push(&line));
    }
}
