//! One log for a directory, whoever in the process asks for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::options::Options;
use super::report::OpenError;
use super::thread::Log;

/// A log that was let go a moment ago may still be closing.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

static OPEN: Mutex<Vec<(PathBuf, Weak<Log>)>> = Mutex::new(Vec::new());

fn known(directory: &Path) -> Option<Arc<Log>> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|(_, log)| log.strong_count() > 0);
    open.iter().find(|(path, _)| path == directory)?.1.upgrade()
}

/// The log in a directory, with one destination, `queue`: the one that is open, with these options from now on, or
/// newly opened.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_shared(directory: &Path, options: Options) -> Result<Arc<Log>, OpenError> {
    let until = Instant::now() + CLOSES_WITHIN;
    loop {
        if let Some(log) = known(directory) {
            log.set_options(options);
            return Ok(log);
        }
        match Log::open(directory, options.clone(), &["queue"]).await {
            Err(OpenError::Locked { .. }) if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => return Err(error),
            Ok(log) => {
                let report = &log.found().report;
                let (shown, found) = (directory.display(), report.to_string());
                if report.is_whole() {
                    tracing::info!(directory = %shown, found, "opened a buffer on disk");
                } else {
                    tracing::error!(directory = %shown, found, "a buffer on disk is damaged; what is whole is delivered");
                }
                let log = Arc::new(log);
                let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
                open.push((directory.to_owned(), Arc::downgrade(&log)));
                return Ok(log);
            }
        }
    }
}

/// Waits until nothing that was settled in any open log would be delivered again after a power cut.
pub(crate) async fn flush_all() {
    let open: Vec<Arc<Log>> = {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(|(_, log)| log.upgrade()).collect()
    };
    futures_util::future::join_all(open.iter().map(|log| log.flush())).await;
}

/// The name of a client's directory: letters, digits and `._-` as they are, everything else as `%` and its number.
pub fn directory_name(client: &str) -> String {
    let mut name = String::new();
    for byte in client.bytes() {
        match byte {
            b'.' if name.is_empty() => name.push_str("%2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > LONGEST_NAME {
        // Told apart by a checksum of the whole.
        let sum = crc32c::crc32c(client.as_bytes());
        name.truncate(LONGEST_NAME);
        name.push_str(&format!("~{sum:08x}"));
    }
    name
}

/// File systems take 255 bytes.
const LONGEST_NAME: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_files_and_differ() {
        assert_eq!(directory_name("otelcol.exporter.otlp.x"), "otelcol.exporter.otlp.x");
        assert_eq!(directory_name("lib.a/otelcol.exporter.otlp.x"), "lib.a%2fotelcol.exporter.otlp.x");
        assert_eq!(directory_name("../x"), "%2e.%2fx");
        assert_ne!(directory_name(&"a".repeat(300)), directory_name(&"a".repeat(301)));
    }

    #[tokio::test]
    async fn whoever_asks_gets_the_same_log_until_nobody_has_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        let first = open_shared(&path, Options::default()).await.unwrap();
        let second = open_shared(&path, Options::default()).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        open_shared(&path, Options::default()).await.unwrap();
    }
}
