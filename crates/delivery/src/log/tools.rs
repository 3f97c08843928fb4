//! Looks into a log from outside: nothing is locked and nothing is changed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use corten_signal::otlp::SignalKind;

use super::core::Backlog;
use super::cursor::{CursorError, load};
use super::disk::{Directory, Disk};
use super::format::KINDS;
use super::otlp::from_record;
use super::ranges::Ranges;
use super::report::{OpenError, Report};
use super::scan::{Listed, Scanner, list};

/// What a log holds.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// What is whole, and what is not.
    pub report: Report,
    /// Bytes of all segments.
    pub bytes_on_disk: u64,
    /// When the oldest and the newest record were received, in nanoseconds since 1970.
    pub times: Option<(u64, u64)>,
    /// What waits for each destination, by kind (the signals in the order of [`SignalKind::ALL`]).
    pub destinations: Vec<(String, [Backlog; KINDS])>,
}

impl Summary {
    /// What waits, by signal and destination; only where something does.
    pub fn waiting(&self) -> impl Iterator<Item = (SignalKind, &str, Backlog)> {
        let of = |kind: SignalKind| {
            self.destinations.iter().filter_map(move |(name, backlogs)| {
                let backlog = backlogs.get(kind as usize).copied()?;
                (backlog.records > 0).then_some((kind, name.as_str(), backlog))
            })
        };
        SignalKind::ALL.into_iter().flat_map(of)
    }
}

/// The logs in a directory and one level below it: a storage keeps a log for each of its clients.
pub fn logs_in(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut found = Vec::new();
    let holds = |directory: &Path| {
        let disk = Directory::existing(directory).map_err(|error| OpenError::io(directory, error))?;
        let names = disk.list().map_err(|error| OpenError::io(directory, error))?;
        Ok(names.iter().any(|name| name.ends_with(".seg") || name.starts_with("cursor-")))
    };
    if holds(directory)? {
        found.push(directory.to_owned());
    }
    let below = std::fs::read_dir(directory).map_err(|error| OpenError::io(directory, error))?;
    let mut below: Vec<PathBuf> = below.filter_map(|entry| Some(entry.ok()?.path())).collect();
    below.retain(|path| path.is_dir() && !path.is_symlink());
    below.sort();
    for path in below {
        if holds(&path)? {
            found.push(path);
        }
    }
    Ok(found)
}

struct Cursors(Vec<(String, [Ranges; KINDS])>);

fn open(directory: &Path) -> Result<(Directory, Vec<Listed>, Cursors, Vec<String>), OpenError> {
    let io = |error| OpenError::io(directory, error);
    let disk = Directory::existing(directory).map_err(io)?;
    let segments = list(&disk)?;
    let (mut cursors, mut lost) = (Vec::new(), Vec::new());
    let mut names = disk.list().map_err(io)?;
    names.sort();
    for name in names {
        let Some(destination) = name.strip_prefix("cursor-") else { continue };
        let path = directory.join(&name);
        let file = disk.open(&name).map_err(|error| OpenError::io(&path, error))?;
        match load(&*file) {
            Ok((Some((_, _, settled)), _)) => cursors.push((destination.to_owned(), settled)),
            Ok((None, something)) => {
                if something {
                    lost.push(destination.to_owned());
                }
                cursors.push((destination.to_owned(), Default::default()));
            }
            Err(CursorError::Newer { version }) => {
                return Err(OpenError::Newer { file: path, version, reader: version });
            }
            Err(CursorError::Io(error)) => return Err(OpenError::io(path, error)),
        }
    }
    if cursors.is_empty() {
        // Nobody has settled anything.
        cursors.push(("all".to_owned(), Default::default()));
    }
    Ok((disk, segments, Cursors(cursors), lost))
}

/// Says what a log holds.
///
/// # Errors
/// A directory that cannot be read, or was written by a newer version.
pub fn inspect(directory: &Path) -> Result<Summary, OpenError> {
    let (disk, segments, Cursors(cursors), lost) = open(directory)?;
    let mut scanner = Scanner::default();
    let destinations = cursors.iter().map(|(name, _)| (name.clone(), Default::default())).collect();
    let mut summary = Summary { destinations, ..Summary::default() };
    for listed in &segments {
        summary.bytes_on_disk += listed.len;
        scanner.scan(&disk, listed, |whole| {
            let header = whole.header;
            let (oldest, newest) = summary.times.unwrap_or((header.time, header.time));
            summary.times = Some((oldest.min(header.time), newest.max(header.time)));
            let kind = usize::from(header.kind);
            for ((_, backlogs), (_, settled)) in summary.destinations.iter_mut().zip(&cursors) {
                if !settled[kind].contains(header.seq) {
                    backlogs[kind].records += 1;
                    backlogs[kind].items += u64::from(header.items);
                    backlogs[kind].bytes += u64::from(header.payload_len);
                }
            }
        })?;
    }
    summary.report = scanner.report;
    summary.report.lost_cursors = lost;
    Ok(summary)
}

/// Reads everything and compares all checksums.
///
/// # Errors
/// A directory that cannot be read, or was written by a newer version.
pub fn verify(directory: &Path) -> Result<Report, OpenError> {
    inspect(directory).map(|summary| summary.report)
}

/// The export requests in a log, oldest first; see [`export`].
pub struct Export {
    disk: Directory,
    segments: VecDeque<Listed>,
    /// What each destination has settled; nobody, to show all.
    settled: Vec<[Ranges; KINDS]>,
    scanner: Scanner,
    ready: VecDeque<(SignalKind, Bytes)>,
}

/// The OTLP requests (protobuf) that any destination waits for, or `all` that are there, settled or not.
///
/// # Errors
/// A directory that cannot be read, or was written by a newer version.
pub fn export(directory: &Path, all: bool) -> Result<Export, OpenError> {
    let (disk, segments, Cursors(cursors), _) = open(directory)?;
    let settled = if all { Vec::new() } else { cursors.into_iter().map(|(_, settled)| settled).collect() };
    Ok(Export { disk, segments: segments.into(), settled, scanner: Scanner::default(), ready: VecDeque::new() })
}

impl Export {
    /// What was found so far; complete at the end.
    pub fn report(&self) -> &Report {
        &self.scanner.report
    }
}

impl Iterator for Export {
    type Item = Result<(SignalKind, Bytes), OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(Ok(ready));
            }
            let listed = self.segments.pop_front()?;
            let (settled, ready) = (&self.settled, &mut self.ready);
            let scanned = self.scanner.scan(&self.disk, &listed, |whole| {
                let header = whole.header;
                let kind = usize::from(header.kind);
                let has_it = |settled: &[Ranges; KINDS]| settled.get(kind).is_some_and(|set| set.contains(header.seq));
                if (settled.is_empty() || !settled.iter().all(has_it))
                    && let Some(batch) = from_record(&whole.record())
                {
                    ready.extend(batch.requests().map(|request| (batch.kind(), request.bytes)));
                }
            });
            if let Err(error) = scanned {
                return Some(Err(error));
            }
        }
    }
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("segments", &self.segments.len()).finish_non_exhaustive()
    }
}
