//! One log for a directory, whoever in the process asks for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::cursor::PREFIX as CURSOR_PREFIX;
use super::disk::{Directory, Disk as _};
use super::options::Options;
use super::report::OpenError;
use super::thread::Log;

/// A log that was let go a moment ago may still be closing.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

static OPEN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

struct Known {
    directory: PathBuf,
    log: Weak<Log>,
    /// The destinations by their places, if it was opened for what is left in it alone.
    left: Option<Vec<String>>,
}

/// Looks at the log that is open in a directory.
fn known<R>(directory: &Path, look: impl FnOnce(Arc<Log>, &mut Option<Vec<String>>) -> R) -> Option<R> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|known| known.log.strong_count() > 0);
    let known = open.iter_mut().find(|known| known.directory == directory)?;
    Some(look(known.log.upgrade()?, &mut known.left))
}

fn remember(directory: &Path, log: Log, left: Option<Vec<String>>) -> Arc<Log> {
    let log = Arc::new(log);
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.push(Known { directory: directory.to_owned(), log: Arc::downgrade(&log), left });
    log
}

/// The log in a directory, with one destination, `queue`: the one that is open, with these options from now on, or
/// newly opened.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_shared(directory: &Path, options: Options) -> Result<Arc<Log>, OpenError> {
    let until = Instant::now() + CLOSES_WITHIN;
    loop {
        let owned = known(directory, |log, left| {
            *left = None;
            log
        });
        if let Some(log) = owned {
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
                return Ok(remember(directory, log, None));
            }
        }
    }
}

/// The log in a directory for what is left in it for a destination, with its place there. `None`: a component of this
/// process has the log, or the log does not know the destination.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_left(
    directory: &Path,
    options: Options,
    destination: &str,
) -> Result<Option<(Arc<Log>, usize)>, OpenError> {
    let place = |names: &[String]| names.iter().position(|name| name == destination);
    let open = known(directory, |log, left| left.as_deref().and_then(place).map(|place| (log, place)));
    if let Some(open) = open {
        return Ok(open);
    }
    let names = destinations_in(directory)?;
    let Some(place) = place(&names) else { return Ok(None) };
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    let log = Log::open(directory, options, &borrowed).await?;
    Ok(Some((remember(directory, log, Some(names)), place)))
}

/// The destinations that have a cursor in a directory.
pub(crate) fn destinations_in(directory: &Path) -> Result<Vec<String>, OpenError> {
    let io = |error| OpenError::io(directory, error);
    let names = Directory::existing(directory).and_then(|disk| disk.list()).map_err(io)?;
    let mut names: Vec<String> =
        names.iter().filter_map(|name| name.strip_prefix(CURSOR_PREFIX)).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// Waits until nothing that was settled in any open log would be delivered again after a power cut.
pub(crate) async fn flush_all() {
    let open: Vec<Arc<Log>> = {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(|known| known.log.upgrade()).collect()
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
    async fn what_is_left_is_opened_unless_a_component_has_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("stage");
        let left = |destination: &'static str| open_left(&path, Options::default(), destination);
        let stage = open_shared(&path, Options::default()).await.unwrap();
        stage.assign(&["a".to_owned(), "b".to_owned()]).await.unwrap();
        assert!(left("b").await.unwrap().is_none(), "the stage has it");
        drop(stage);
        let (one, at) = tokio::time::timeout(CLOSES_WITHIN, async {
            loop {
                match left("b").await {
                    Ok(Some(open)) => return open,
                    _ => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
        })
        .await
        .unwrap();
        let (other, other_at) = left("a").await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&one, &other) && at != other_at);
        assert!(left("c").await.unwrap().is_none());
        // The stage is back.
        let stage = open_shared(&path, Options::default()).await.unwrap();
        assert!(Arc::ptr_eq(&one, &stage) && left("a").await.unwrap().is_none());
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
