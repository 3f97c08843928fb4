//! What `/proc` says of processes and their threads.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::counts::{Counts, Memory, States, seconds};
use crate::files::{self, ReadError};

/// A process or a thread for as long as it lives: its number, and when it began, in ticks since the machine did.
pub(crate) type Id = (u32, u64);

/// What of a process does not change, by the rules of who looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Static {
    pub(crate) comm: String,
    pub(crate) cmdline: Vec<String>,
    pub(crate) cgroups: Vec<String>,
    pub(crate) parent: u32,
    pub(crate) uid: u32,
    /// Seconds since the epoch.
    pub(crate) start: f64,
}

/// What a process does now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) counts: Counts,
    pub(crate) memory: Memory,
    pub(crate) states: States,
    /// `None` if it may not be seen.
    pub(crate) open_files: Option<u64>,
    pub(crate) file_limit: u64,
    pub(crate) num_threads: u64,
    /// Where in the kernel it waits.
    pub(crate) wchan: String,
    /// None of a process with one thread.
    pub(crate) threads: Vec<Thread>,
    /// Whether something could not be read.
    pub(crate) is_partial: bool,
}

/// What a thread does now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Thread {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) counts: Counts,
    pub(crate) states: States,
    pub(crate) wchan: String,
}

/// `/proc`.
#[derive(Debug, Clone)]
pub(crate) struct Proc {
    path: PathBuf,
    page: u64,
    /// Whether `smaps_rollup` is read.
    pub(crate) smaps: bool,
    /// Whether bytes read and written are read for each thread.
    pub(crate) thread_io: bool,
}

impl Proc {
    pub(crate) fn new(path: impl Into<PathBuf>, smaps: bool, thread_io: bool) -> Self {
        let page = rustix::param::page_size() as u64;
        Self { path: path.into(), page, smaps, thread_io }
    }

    /// When the machine started, in seconds since the epoch.
    pub(crate) fn boot(&self) -> Result<f64, ReadError> {
        let path = self.path.join("stat");
        let text = files::read(&path)?;
        let found = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        found.ok_or_else(|| ReadError::malformed(&path, "expected a line of btime"))
    }

    /// The processes that there are.
    pub(crate) fn pids(&self) -> Result<Vec<u32>, ReadError> {
        Ok(files::list(&self.path)?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The identity of a process; `None` if it has gone.
    pub(crate) fn id(&self, pid: u32) -> Result<Option<Id>, ReadError> {
        let path = self.path.join(pid.to_string());
        Ok(gone(Stat::read(&path))?.map(|stat| (pid, stat.start)))
    }

    /// What does not change; `None` if the process has gone.
    pub(crate) fn describe(&self, pid: u32, boot: f64) -> Result<Option<Static>, ReadError> {
        let path = self.path.join(pid.to_string());
        gone(describe(&path, boot))
    }

    /// What the process does now; `None` if it has gone.
    pub(crate) fn look(&self, pid: u32) -> Result<Option<Reading>, ReadError> {
        let path = self.path.join(pid.to_string());
        gone(self.look_at(&path))
    }

    fn look_at(&self, path: &Path) -> Result<Reading, ReadError> {
        let (stat, status) = (Stat::read(path)?, files::read(path.join("status"))?);
        let io = files::read(path.join("io"));
        let open_files = open_files(path);
        let limits = files::read(path.join("limits"))?;
        let wchan = wchan(path);
        let mut memory = Memory {
            resident: stat.resident_pages.saturating_mul(self.page),
            virtual_size: stat.virtual_size,
            swapped: kilobytes(&status, "VmSwap:"),
            ..Memory::default()
        };
        let mut is_partial = io.is_err() || open_files.is_none() || wchan.is_none();
        if self.smaps {
            match proportional(path) {
                Some((resident, swapped)) => {
                    (memory.proportional, memory.proportional_swapped) = (resident, swapped);
                }
                None => is_partial = true,
            }
        }
        let threads = self.threads(path);
        is_partial |= threads.is_none();
        let mut reading = Reading {
            counts: counts(&stat, &status, io.ok().as_deref()),
            memory,
            states: States::of(stat.state),
            open_files,
            file_limit: soft_limit(&limits, "Max open files"),
            num_threads: stat.num_threads,
            wchan: wchan.unwrap_or_default(),
            threads: threads.unwrap_or_default(),
            is_partial,
        };
        reading.join_threads();
        Ok(reading)
    }

    /// `None` if they cannot be seen. Threads that go meanwhile are left out.
    fn threads(&self, process: &Path) -> Option<Vec<Thread>> {
        let task = process.join("task");
        let names = files::list(&task).ok()?;
        // One thread says nothing that its process does not.
        let names = if names.len() < 2 { Vec::new() } else { names };
        let read = names.iter().filter_map(|name| self.thread(&task.join(name), name.parse().ok()?));
        let threads: Vec<_> = read.collect();
        Some(if threads.len() < 2 { Vec::new() } else { threads })
    }

    fn thread(&self, path: &Path, number: u32) -> Option<Thread> {
        let stat = Stat::read(path).ok()?;
        let status = files::read(path.join("status")).ok()?;
        let io = self.thread_io.then(|| files::read(path.join("io")).ok()).flatten();
        Some(Thread {
            id: (number, stat.start),
            counts: counts(&stat, &status, io.as_deref()),
            states: States::of(stat.state),
            wchan: wchan(path).unwrap_or_default(),
            name: stat.comm,
        })
    }
}

impl Reading {
    /// Threads switch and wait each for itself, so a process with threads has the sums of theirs.
    fn join_threads(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        (self.counts.voluntary, self.counts.involuntary) = (0, 0);
        for thread in &self.threads {
            self.counts.voluntary += thread.counts.voluntary;
            self.counts.involuntary += thread.counts.involuntary;
            self.states.add(thread.states);
        }
    }
}

/// A process that ends while it is looked at is no failure.
fn gone<T>(result: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    // ESRCH comes from files of a process that were open or found before it ended.
    let no_such_process = rustix::io::Errno::SRCH.raw_os_error();
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound || error.errno() == Some(no_such_process) => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Stat {
    comm: String,
    state: char,
    parent: u32,
    minor_faults: u64,
    major_faults: u64,
    user: u64,
    system: u64,
    num_threads: u64,
    start: u64,
    virtual_size: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(process: &Path) -> Result<Self, ReadError> {
        let path = process.join("stat");
        let text = files::read(&path)?;
        Self::parse(&text).ok_or_else(|| ReadError::malformed(&path, "expected the fields of proc_pid_stat(5)"))
    }

    /// The name may hold anything, so fields count from its last bracket.
    fn parse(text: &str) -> Option<Self> {
        let (before, rest) = text.rsplit_once(')')?;
        let (_, comm) = before.split_once('(')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Field 3 of the manual page is the first after the name.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |at: usize| field(at)?.parse::<u64>().ok();
        Some(Self {
            comm: comm.to_owned(),
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            minor_faults: number(10)?,
            major_faults: number(12)?,
            user: number(14)?,
            system: number(15)?,
            num_threads: number(20)?,
            start: number(22)?,
            virtual_size: number(23)?,
            resident_pages: number(24)?,
        })
    }
}

fn describe(path: &Path, boot: f64) -> Result<Static, ReadError> {
    let stat = Stat::read(path)?;
    let status = files::read(path.join("status"))?;
    let cgroups = files::read(path.join("cgroup")).unwrap_or_default();
    Ok(Static {
        cmdline: words(&files::read(path.join("cmdline"))?),
        // `0::/system.slice/a.service`.
        cgroups: cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).map(str::to_owned).collect(),
        parent: stat.parent,
        // Real, effective, saved, of the file system.
        uid: row(&status, "Uid:").and_then(|row| row.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default(),
        start: boot + seconds(stat.start),
        comm: stat.comm,
    })
}

/// The words of a command line, which stand between zeros.
fn words(cmdline: &str) -> Vec<String> {
    if cmdline.is_empty() {
        return Vec::new();
    }
    cmdline.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

fn counts(stat: &Stat, status: &str, io: Option<&str>) -> Counts {
    let number = |text: &str, name: &str| row(text, name).and_then(|row| row.parse().ok()).unwrap_or_default();
    Counts {
        user: stat.user,
        system: stat.system,
        read_bytes: io.map_or(0, |io| number(io, "read_bytes:")),
        write_bytes: io.map_or(0, |io| number(io, "write_bytes:")),
        major_faults: stat.major_faults,
        minor_faults: stat.minor_faults,
        voluntary: number(status, "voluntary_ctxt_switches:"),
        involuntary: number(status, "nonvoluntary_ctxt_switches:"),
    }
}

/// What stands behind a name at the beginning of a line.
fn row<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// A line in kB, in bytes.
fn kilobytes(text: &str, name: &str) -> u64 {
    let number = row(text, name).and_then(|row| row.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or_default().saturating_mul(1024)
}

fn soft_limit(limits: &str, name: &str) -> u64 {
    match row(limits, name).and_then(|row| row.split_whitespace().next()) {
        Some("unlimited") => u64::MAX,
        Some(number) => number.parse().unwrap_or_default(),
        None => 0,
    }
}

fn open_files(process: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(process.join("fd")).ok()?;
    Some(entries.filter(Result::is_ok).count() as u64)
}

/// Empty if it does not wait; `None` if that may not be seen.
fn wchan(path: &Path) -> Option<String> {
    let text = files::read(path.join("wchan")).ok()?;
    Some(if text == "0" { String::new() } else { text })
}

/// Its share of memory and of swap, where pages that several use are divided among them.
fn proportional(process: &Path) -> Option<(u64, u64)> {
    let text = files::read(process.join("smaps_rollup")).ok()?;
    Some((kilobytes(&text, "Pss:"), kilobytes(&text, "SwapPss:")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat =
            Stat::parse("42 (a) b ( c)) S 1 42 42 0 -1 4194304 1603 0 767 0 10 4 0 0 20 0 7 0 324219 17174528 1969 9")
                .unwrap();
        assert_eq!((stat.comm.as_str(), stat.state, stat.parent), ("a) b ( c)", 'S', 1));
        assert_eq!((stat.minor_faults, stat.major_faults, stat.user, stat.system), (1603, 767, 10, 4));
        assert_eq!((stat.num_threads, stat.start), (7, 324_219));
        assert_eq!((stat.virtual_size, stat.resident_pages), (17_174_528, 1969));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn empty_words_in_a_command_line_stay() {
        assert_eq!(words("a\0\0b\0"), ["a", "", "b"]);
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words("\0"), [""]);
    }

    #[test]
    fn this_process_can_be_read() {
        let proc = Proc::new("/proc", true, true);
        let pid = std::process::id();
        let reading = proc.look(pid).unwrap().unwrap();
        assert!(reading.memory.resident > 100_000 && reading.memory.virtual_size > reading.memory.resident);
        assert!(reading.open_files.unwrap() >= 3 && reading.file_limit >= 3);
        let described = proc.describe(pid, proc.boot().unwrap()).unwrap().unwrap();
        assert!(described.start > 1e9 && !described.cmdline.is_empty());
        assert!(proc.pids().unwrap().contains(&pid));
        assert_eq!(proc.look(u32::MAX).unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = Stat::parse(&text);
            words(&text);
            kilobytes(&text, "Pss:");
            soft_limit(&text, "Max open files");
        }
    }
}
