//! OpenSSL: which files of a process have it, and how its functions are watched.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use corten_ebpf::libbpf_rs::{Link, TracepointCategory, UprobeMultiOpts};
use corten_ebpf::process::{Details, Mapping};
use corten_ebpf::{Kernel, LoadError, Loaded, symbols};

use super::tracefs::{self, Place};

/// Programs that watch the library.
pub(super) const PROGRAMS: &[&str] =
    &["tls_call", "tls_call_ex", "tls_call_ex2", "tls_written", "tls_read", "tls_freed"];

/// A program, whether it stands at the end of functions, and which functions.
const PROBES: &[(&str, bool, &[&str])] = &[
    ("tls_call", false, &["SSL_write", "SSL_read"]),
    ("tls_call_ex", false, &["SSL_write_ex", "SSL_read_ex"]),
    ("tls_call_ex2", false, &["SSL_write_ex2"]),
    ("tls_written", true, &["SSL_write", "SSL_write_ex", "SSL_write_ex2"]),
    ("tls_read", true, &["SSL_read", "SSL_read_ex"]),
    ("tls_freed", false, &["SSL_free"]),
];
/// What has these has the library; the others are in newer ones only.
const REQUIRED: &[&str] = &["SSL_write", "SSL_read", "SSL_free"];
const FUNCTIONS: &[&str] = &["SSL_write", "SSL_read", "SSL_free", "SSL_write_ex", "SSL_read_ex", "SSL_write_ex2"];

/// How functions of other programs are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    /// `uprobe_multi` (6.6 and newer): `CAP_BPF` and `CAP_PERFMON` are enough.
    Multi,
    /// Through perf: needs `CAP_SYS_ADMIN` on kernels that have had the correction of CVE-2025-38466.
    Perf,
    /// Through tracefs: `CAP_DAC_OVERRIDE` instead, where `perf_event_paranoid` is 2 or less.
    Tracefs,
}

impl ProbeKind {
    /// Those that this kernel may have, the best first.
    pub fn ladder(kernel: &Kernel) -> &'static [Self] {
        if kernel.is_at_least(6, 6) { &[Self::Multi] } else { &[Self::Perf, Self::Tracefs] }
    }

    /// The first that is allowed, by trying; the reasons why none is.
    pub(super) fn choose(kinds: &[Self], loaded: &Loaded) -> Result<Self, Vec<LoadError>> {
        let mut refused = Vec::new();
        for kind in kinds {
            match attach_to_own(loaded, *kind) {
                Ok(()) => return Ok(*kind),
                Err(error) => refused.push(LoadError { what: kind.name().to_owned(), ..error }),
            }
        }
        Err(refused)
    }

    /// As it is named in logs and by `corten doctor ebpf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multi => "uprobe_multi",
            Self::Perf => "uprobes through perf",
            Self::Tracefs => "uprobes through tracefs",
        }
    }
}

/// One of them, in place.
#[derive(Debug)]
struct Probe {
    // It goes before the place that it is at.
    _link: Link,
    _place: Option<Place>,
}

/// Files that are watched. A file is watched once, whoever maps it.
#[derive(Debug)]
pub(super) struct Probes {
    kind: ProbeKind,
    files: HashSet<(String, u64)>,
    probes: Vec<Probe>,
}

impl Probes {
    pub(super) fn new(kind: ProbeKind) -> Self {
        if kind == ProbeKind::Tracefs {
            tracefs::tidy();
        }
        Self { kind, files: HashSet::new(), probes: Vec::new() }
    }

    pub(super) fn kind(&self) -> ProbeKind {
        self.kind
    }

    /// Watches the library of a process, wherever it is linked into. Gives how many files are new; an error is about
    /// one that has the library's name and cannot be watched.
    pub(super) fn watch(&mut self, loaded: &Loaded, pid: u32) -> Result<usize, LoadError> {
        let details = Details::of(pid);
        let mut added = 0;
        for mapping in candidates(&details.mappings(), details.executable().as_deref()) {
            // A file that did not work is not tried for each process again.
            if !self.files.insert(mapping.file.clone()) {
                continue;
            }
            let path = reachable(details, &mapping.path);
            match self.probes(loaded, &path) {
                Ok(probes) => {
                    self.probes.extend(probes);
                    added += 1;
                }
                Err(error) if is_library(&mapping.path) => {
                    return Err(LoadError { reason: format!("{}: {}", path.display(), error.reason), ..error });
                }
                // It only might have had it.
                Err(_) => {}
            }
        }
        Ok(added)
    }

    fn probes(&self, loaded: &Loaded, path: &Path) -> Result<Vec<Probe>, LoadError> {
        let places = symbols::functions(path, FUNCTIONS).map_err(|reason| LoadError::found("OpenSSL", reason))?;
        if let Some(missing) = REQUIRED.iter().find(|name| !places.contains_key(*name)) {
            let reason = format!("{} does not tell where its function {missing} is", path.display());
            return Err(LoadError::found("OpenSSL", reason));
        }
        let mut probes = Vec::new();
        for (program, at_end, functions) in PROBES {
            let offsets: Vec<usize> =
                functions.iter().filter_map(|name| usize::try_from(*places.get(name)?).ok()).collect();
            probes.extend(put(self.kind, loaded, path, program, *at_end, offsets)?);
        }
        Ok(probes)
    }
}

/// One program at several places of a file.
fn put(
    kind: ProbeKind,
    loaded: &Loaded,
    path: &Path,
    program: &str,
    retprobe: bool,
    offsets: Vec<usize>,
) -> Result<Vec<Probe>, LoadError> {
    match kind {
        _ if offsets.is_empty() => Ok(Vec::new()),
        ProbeKind::Multi => {
            let options = UprobeMultiOpts { offsets, retprobe, ..UprobeMultiOpts::default() };
            let link =
                loaded.link_by(program, |program| program.attach_uprobe_multi_with_opts(-1, path, "", options))?;
            Ok(vec![Probe { _link: link, _place: None }])
        }
        ProbeKind::Perf => {
            let put = |offset| {
                let link = loaded.link_by(program, |program| program.attach_uprobe(retprobe, -1, path, offset))?;
                Ok(Probe { _link: link, _place: None })
            };
            offsets.into_iter().map(put).collect()
        }
        ProbeKind::Tracefs => {
            let put = |offset| {
                let place = Place::new(path, offset, retprobe)?;
                let group = TracepointCategory::Custom(tracefs::GROUP.to_owned());
                let link = loaded.link_by(program, |program| program.attach_tracepoint(group, place.name()))?;
                Ok(Probe { _link: link, _place: Some(place) })
            };
            offsets.into_iter().map(put).collect()
        }
    }
}

/// Puts a probe onto a function of our own C library and takes it away again: whether probes are allowed at all. Without
/// such a library, that shows when there is one to be watched.
fn attach_to_own(loaded: &Loaded, kind: ProbeKind) -> Result<(), LoadError> {
    let own = Details::of(std::process::id()).mappings();
    let library = own.iter().find(|mapping| mapping.path.contains("/libc.so"));
    let Some(library) = library else { return Ok(()) };
    let path = Path::new(&library.path);
    let places = symbols::functions(path, &["getpid"]).map_err(|reason| LoadError::found("a probe", reason))?;
    let offsets = places.values().filter_map(|offset| usize::try_from(*offset).ok()).collect();
    put(kind, loaded, path, "tls_freed", false, offsets).map(drop)
}

/// The file as we can open it: through the process's own root, or by its name where that is closed to us.
fn reachable(details: Details, path: &str) -> PathBuf {
    let inside = details.file(path);
    if inside.exists() { inside } else { PathBuf::from(path) }
}

/// Which of the mapped files may have the library: `libssl` itself, else what it is known to be linked into.
fn candidates<'a>(mappings: &'a [Mapping], executable: Option<&Path>) -> Vec<&'a Mapping> {
    let libraries: Vec<&Mapping> = mappings.iter().filter(|mapping| is_library(&mapping.path)).collect();
    if !libraries.is_empty() {
        return libraries;
    }
    let hosts = |mapping: &&Mapping| {
        let name = mapping.path.rsplit('/').next().unwrap_or_default();
        Some(Path::new(&mapping.path)) == executable
            || ["libpython", "_ssl.", "libnode", "libtcnative", "libnetty_tcnative"]
                .iter()
                .any(|start| name.starts_with(start))
    };
    mappings.iter().filter(hosts).collect()
}

fn is_library(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("libssl") && name.contains(".so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(path: &str) -> Mapping {
        Mapping { file: ("fe:00".into(), path.len() as u64), path: path.into() }
    }

    #[test]
    fn the_library_is_found_or_what_it_is_linked_into() {
        let found = |paths: &[&str], executable: &str| {
            let mappings: Vec<Mapping> = paths.iter().map(|path| mapping(path)).collect();
            let found = candidates(&mappings, Some(Path::new(executable)));
            found.into_iter().map(|mapping| mapping.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            found(&["/usr/bin/curl", "/usr/lib/libssl.so.3", "/usr/lib/libc.so.6"], "/usr/bin/curl"),
            ["/usr/lib/libssl.so.3"]
        );
        assert_eq!(found(&["/x/libssl-81ffa89e.so.1.1"], "/x/python"), ["/x/libssl-81ffa89e.so.1.1"]);
        assert_eq!(found(&["/usr/bin/node", "/usr/lib/libc.so.6"], "/usr/bin/node"), ["/usr/bin/node"]);
        assert_eq!(found(&["/p/bin/python3", "/p/lib/libpython3.12.so.1.0"], "/p/bin/python3").len(), 2);
    }
}
