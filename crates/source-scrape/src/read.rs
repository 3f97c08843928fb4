//! An answer → rows, or the reason why there are none.

use bytes::Bytes;
use corten_signal::labels::Labels;
use corten_signal::samples::Samples;

use crate::arguments::ScrapeArguments;
use crate::cache::Ended;
use crate::fetch::{FetchError, Fetched};
use crate::ingest::{Found, Hit, Ingest, Memory, Rules};
use crate::parse::{Format, HistogramOptions, Protocol, parse};
use crate::report::stale;

/// How answers are read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) rules: Rules,
    pub(crate) histograms: HistogramOptions,
    pub(crate) fallback: Option<Protocol>,
}

/// What came of a scrape. Of one that failed, the rows only end series.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) found: Found,
    /// Bytes of the body; -1 if it was too large.
    pub(crate) bytes: f64,
    pub(crate) error: Option<String>,
    /// Whether the cache of series had to be cut down.
    pub(crate) flushed: bool,
}

impl Reading {
    /// Reads an answer, or ends everything that was alive.
    pub(crate) fn read(
        &self,
        fetched: Result<Fetched, FetchError>,
        target: &Labels,
        memory: &mut Memory,
        time: i64,
    ) -> Read {
        let content_type = fetched.as_ref().map(|fetched| fetched.content_type.clone()).unwrap_or_default();
        let body = match fetched.and_then(Fetched::body) {
            Ok(body) => body,
            Err(error) => {
                let bytes = if error == FetchError::TooLarge { -1.0 } else { 0.0 };
                let read = Read { bytes, error: Some(error.to_string()), ..Read::default() };
                return fail(read, memory, time);
            }
        };
        let bytes = body.len() as f64;
        let mut ingest = Ingest::new(&self.rules, target, memory, time);
        // A body without a byte is a target without series, whatever its type.
        let parsed = if body.is_empty() {
            Ok(())
        } else {
            Format::of(&content_type, self.fallback).and_then(|format| {
                parse(format, &body, self.histograms, &mut ingest).map_err(|error| error.to_string())
            })
        };
        let (found, within) = ingest.finish();
        match parsed.and(within) {
            Ok(()) => {
                let mut read = Read { found, bytes, ..Read::default() };
                end(memory.cache.commit(), memory, time, &mut read);
                read
            }
            Err(why) => fail(Read { found, bytes, error: Some(why), ..Read::default() }, memory, time),
        }
    }
}

fn fail(mut read: Read, memory: &mut Memory, time: i64) -> Read {
    (read.found.rows, read.found.exemplars) = (Vec::new(), Vec::new());
    let (vanished, flushed) = memory.cache.fail();
    read.flushed = flushed;
    end(vanished, memory, time, &mut read);
    read
}

fn end(vanished: Vec<Ended>, memory: &mut Memory, time: i64, read: &mut Read) {
    memory.forget(&vanished);
    memory.rows = read.found.rows.len();
    read.found.rows.extend(vanished.into_iter().map(|ended| stale(ended, time)));
}

/// Reads the expositions of one target, one after the other, without scraping: for programs that have them from
/// somewhere else.
#[derive(Debug)]
pub struct Reader {
    reading: Reading,
    target: Labels,
    memory: Memory,
}

impl Reader {
    /// For a target with these labels.
    pub fn new(args: &ScrapeArguments, target: Labels) -> Self {
        Self { reading: args.reading(), target, memory: Memory::default() }
    }

    /// The samples of an exposition, and the ends of series that have vanished since the last. The time, in milliseconds since
    /// 1970, is for samples without one.
    ///
    /// # Errors
    /// Why the exposition cannot be used; the rows then end all series.
    pub fn read(&mut self, body: Bytes, content_type: &str, time: i64) -> (Samples, Result<(), String>) {
        let fetched = Ok(Fetched::plain(body, content_type));
        let Read { found, error, .. } = self.reading.read(fetched, &self.target, &mut self.memory, time);
        (Samples::with_exemplars(found.rows, found.exemplars), error.map_or(Ok(()), Err))
    }
}

impl Read {
    /// Which limit was the reason.
    pub(crate) fn hit(&self) -> Option<Hit> {
        self.found.hit
    }
}
