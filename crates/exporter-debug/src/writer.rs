//! The thread that writes to standard output and to files, so that a slow terminal or disk does not stop the data
//! path.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use corten_component::{Outcome, Receipt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Texts that wait to be written. Each is at most one batch's, which its sender's limits bound.
const WAITING: usize = 8;

/// How long a caller waits for room.
pub(crate) const WAIT_FOR_ROOM: Duration = Duration::from_secs(5);

type Done = Box<dyn FnOnce(bool) + Send>;

/// A text and who answers for the data in it. One that is never written counts as failed.
pub(crate) struct Job {
    text: String,
    end: Option<(Receipt, Done)>,
}

impl Job {
    /// `done` is told whether it was written.
    pub(crate) fn new(text: String, receipt: Receipt, done: impl FnOnce(bool) + Send + 'static) -> Self {
        Self { text, end: Some((receipt, Box::new(done))) }
    }

    fn end(&mut self, written: bool) {
        if let Some((receipt, done)) = self.end.take() {
            receipt.settle(if written { Outcome::Delivered } else { Outcome::Dropped });
            done(written);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.end(false);
    }
}

pub(crate) enum Command {
    Write(Job),
    Stop,
}

/// Room for texts that wait, in bytes.
pub(crate) struct Room(Arc<Semaphore>);

/// Bytes of texts that wait at most. One that is longer waits alone.
const WAITING_BYTES: usize = 8 << 20;

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING_BYTES)))
    }
}

impl Room {
    /// Room for a text of so many bytes, until the answer is dropped; `None` if there will never be any.
    pub(crate) async fn of(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.clamp(1, WAITING_BYTES)).ok()?;
        Arc::clone(&self.0).acquire_many_owned(bytes).await.ok()
    }
}

/// The way to the thread.
pub(crate) fn channel() -> (mpsc::Sender<Command>, mpsc::Receiver<Command>) {
    mpsc::channel(WAITING)
}

enum Output {
    Stdout,
    Stderr,
    File(File),
}

/// Where the text goes.
pub(crate) struct Outputs(Vec<Output>);

impl Outputs {
    /// Opens the files.
    ///
    /// # Errors
    /// The first file that cannot be opened, with its path.
    pub(crate) fn open(paths: &[String]) -> Result<Self, String> {
        let open = |path: &String| match path.as_str() {
            "stdout" => Ok(Output::Stdout),
            "stderr" => Ok(Output::Stderr),
            _ => {
                let file = path.strip_prefix("file://").unwrap_or(path);
                let opened = OpenOptions::new().create(true).append(true).open(file);
                opened.map(Output::File).map_err(|error| format!("cannot open {file:?} for writing: {error}"))
            }
        };
        paths.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Writes to all of them; the first error is given once all have been tried.
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let mut result = Ok(());
        for output in &mut self.0 {
            let written = match output {
                Output::Stdout => write(&mut io::stdout().lock(), text),
                Output::Stderr => write(&mut io::stderr().lock(), text),
                Output::File(file) => write(file, text),
            };
            result = result.and(written);
        }
        result
    }
}

fn write(to: &mut impl Write, text: &[u8]) -> io::Result<()> {
    to.write_all(text)?;
    to.flush()
}

/// Writes until told to stop; blocks its thread.
pub(crate) fn run(mut outputs: Outputs, mut commands: mpsc::Receiver<Command>) {
    let mut failed = false;
    while let Some(Command::Write(mut job)) = commands.blocking_recv() {
        let result = outputs.write(job.text.as_bytes());
        if let Err(error) = &result {
            // Said once, until writing works again.
            if !failed {
                tracing::warn!(%error, "the debug exporter cannot write to its output_paths");
            }
        }
        failed = result.is_err();
        job.end(!failed);
    }
}

#[cfg(test)]
mod room {
    use super::*;

    #[tokio::test]
    async fn texts_wait_up_to_a_number_of_bytes() {
        let room = Room::default();
        let first = room.of(WAITING_BYTES - 10).await.unwrap();
        let second = room.of(10).await.unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, room.of(1)).await.is_err());
        drop((first, second));
        let _longest = room.of(usize::MAX).await.unwrap();
        assert!(tokio::time::timeout(Duration::ZERO, room.of(1)).await.is_err());
    }
}
