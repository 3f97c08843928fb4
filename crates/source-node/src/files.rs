//! Reading the small files of `/proc` and `/sys`: few system calls, bounded, and never a panic for what they hold.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No file of `/proc` that is read is larger, also on machines with thousands of CPUs.
const LIMIT: u64 = 64 << 20;

/// Why a file could not be read or did not hold what was expected.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    error: io::Error,
}

impl ReadError {
    /// The file at `path` does not hold what it should.
    pub fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), error: io::Error::new(io::ErrorKind::InvalidData, what.into()) }
    }

    /// What the system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }

    /// The number that the system gave.
    pub fn errno(&self) -> Option<i32> {
        self.error.raw_os_error()
    }

    /// Normal among attributes of devices: absent, not allowed, or not supported by this driver or in this state.
    pub fn is_harmless(&self) -> bool {
        use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied, Unsupported};
        // EIO, EAGAIN, ENODEV, ENODATA.
        self.is_absent()
            || matches!(self.kind(), NotFound | PermissionDenied | InvalidInput | Unsupported)
            || matches!(self.errno(), Some(5 | 11 | 19 | 61))
    }

    /// The file is not there, nor the folder that it would be in.
    pub fn is_absent(&self) -> bool {
        matches!(self.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for ReadError {}

fn at(path: &Path) -> impl Fn(io::Error) -> ReadError + '_ {
    move |error| ReadError { path: path.to_owned(), error }
}

/// The whole file as text; bytes that are no UTF-8 are replaced.
pub fn read(path: impl AsRef<Path>) -> Result<String, ReadError> {
    let path = path.as_ref();
    let mut bytes = Vec::with_capacity(4096);
    let file = File::open(path).map_err(at(path))?;
    file.take(LIMIT).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(text(bytes))
}

/// The whole file if it is there.
pub fn read_if_present(path: impl AsRef<Path>) -> Result<Option<String>, ReadError> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// One attribute of `/sys`, without white space around it. One call of read(2): some drivers answer `EAGAIN` for ever.
pub fn attribute(path: impl AsRef<Path>) -> Result<String, ReadError> {
    let path = path.as_ref();
    let mut buffer = [0; 4096];
    let mut file = File::open(path).map_err(at(path))?;
    let length = file.read(&mut buffer).map_err(at(path))?;
    Ok(String::from_utf8_lossy(&buffer[..length]).trim().to_owned())
}

/// One attribute that is a number.
pub fn number<N: std::str::FromStr>(path: impl AsRef<Path>) -> Result<N, ReadError> {
    let path = path.as_ref();
    let text = attribute(path)?;
    text.parse().map_err(|_| ReadError::malformed(path, format!("expected a number, found {text:?}")))
}

/// The names in a folder, sorted.
pub fn list(path: impl AsRef<Path>) -> Result<Vec<String>, ReadError> {
    let path = path.as_ref();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(at(path))? {
        names.push(entry.map_err(at(path))?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// The names in a folder, sorted; none if it is not there.
pub fn list_if_present(path: impl AsRef<Path>) -> Result<Vec<String>, ReadError> {
    match list(path) {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        other => other,
    }
}

/// The names in a folder that begin with `prefix` and a digit, sorted as text; none if it is not there.
pub fn numbered(path: impl AsRef<Path>, prefix: &str) -> Result<Vec<String>, ReadError> {
    let mut names = list_if_present(path)?;
    names.retain(|name| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
    });
    Ok(names)
}

/// An attribute, where not having it is no fault: it is absent, not for this user, or the driver does not have it.
pub fn optional(path: impl AsRef<Path>) -> Result<Option<String>, ReadError> {
    match attribute(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_harmless() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last part of what a symbolic link points to.
pub fn link_name(path: impl AsRef<Path>) -> Result<String, ReadError> {
    let path = path.as_ref();
    let target = std::fs::read_link(path).map_err(at(path))?;
    Ok(target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
