//! Packages of Debian and Ubuntu, downloaded and unpacked below the target folder. The system's own packages, lists
//! and configuration stay as they are, and nobody needs to be root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Where a suite is to be had.
pub(super) struct Source {
    /// Names the folder with its lists.
    pub(super) name: &'static str,
    /// One line of `sources.list` each, behind `deb [signed-by=…]`.
    pub(super) lines: &'static [&'static str],
    /// Package with the key that signs it, if the system's Debian keys do not.
    pub(super) keys: Option<&'static str>,
}

const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

pub(super) const BACKPORTS: Source = Source {
    name: "bookworm-backports",
    lines: &["http://deb.debian.org/debian bookworm-backports main", "http://deb.debian.org/debian bookworm main"],
    keys: None,
};

/// apt with a state of its own.
pub(super) struct Apt {
    state: PathBuf,
    options: Vec<String>,
}

impl Apt {
    /// Fetches the lists if that has not been done before.
    pub(super) fn open(store: &Path, source: &Source) -> Result<Self> {
        Self::open_with(store, source, &[])
    }

    /// The same for a machine that has no package yet.
    pub(super) fn open_bare(store: &Path, source: &Source) -> Result<Self> {
        Self::open_with(store, source, &["Dir::State::status=/dev/null"])
    }

    fn open_with(store: &Path, source: &Source, more: &[&str]) -> Result<Self> {
        ensure!(Path::new(DEBIAN_KEYS).exists(), "kernels come as Debian packages: {DEBIAN_KEYS} is missing");
        let state = store.join("apt").join(source.name);
        for folder in ["lists/partial", "cache/archives/partial", "parts"] {
            std::fs::create_dir_all(state.join(folder))?;
        }
        let keys = match source.keys {
            None => PathBuf::from(DEBIAN_KEYS),
            Some(package) => keys(store, package)?,
        };
        let line = |line: &&str| format!("deb [arch=amd64 signed-by={}] {line}\n", keys.display());
        std::fs::write(state.join("sources.list"), source.lines.iter().map(line).collect::<String>())?;
        let place = |name: &str, file: &str| format!("{name}={}", state.join(file).display());
        let mut options = vec![
            place("Dir::Etc::sourcelist", "sources.list"),
            place("Dir::Etc::sourceparts", "parts"),
            place("Dir::State::lists", "lists"),
            place("Dir::Cache", "cache"),
            "Debug::NoLocking=1".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ];
        options.extend(more.iter().map(|option| (*option).to_owned()));
        let apt = Self { state, options };
        let fetched = apt.state.join("fetched");
        if !fetched.exists() {
            println!("fetching the lists of {}", source.name);
            apt.says("apt-get", &["update", "-qq"])?;
            std::fs::write(fetched, "")?;
        }
        Ok(apt)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command.args(args).current_dir(&self.state);
        command
    }

    fn says(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.command(program, args).output().with_context(|| format!("{program} does not start"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("{program} {}: {said}", args.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Packages that a package depends on, those whose name begins so.
    pub(super) fn depends(&self, package: &str, prefix: &str) -> Result<Vec<String>> {
        let text = self.says("apt-cache", &["depends", package])?;
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
    }

    /// What would have to be installed for a package out of a suite, as `name=version`.
    pub(super) fn needs(&self, package: &str, suite: &str) -> Result<Vec<String>> {
        self.simulate(&["-t", suite, package])
    }

    /// Unpacks packages into a folder, with all that they need.
    pub(super) fn unpack_all(&self, packages: &[&str], into: &Path) -> Result<()> {
        for package in self.simulate(packages)? {
            self.unpack(&package, into)?;
        }
        Ok(())
    }

    fn simulate(&self, words: &[&str]) -> Result<Vec<String>> {
        let text = self.says("apt-get", &[&["install", "-s", "--no-install-recommends"], words].concat())?;
        let needed = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
            let version = rest.split('(').nth(1)?.split(' ').next()?;
            Some(format!("{name}={version}"))
        });
        Ok(needed.collect())
    }

    /// Unpacks a package (`name` or `name=version`) into a folder.
    pub(super) fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        println!("fetching {package}");
        let folder = self.state.join("download");
        std::fs::create_dir_all(&folder)?;
        std::fs::create_dir_all(into)?;
        let mut download = self.command("apt-get", &["download", "-qq", package]);
        let output = download.current_dir(&folder).output().context("apt-get")?;
        ensure!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr).trim());
        for entry in std::fs::read_dir(&folder)? {
            let archive = entry?.path();
            let status = Command::new("dpkg-deb").arg("-x").arg(&archive).arg(into).status().context("dpkg-deb")?;
            ensure!(status.success(), "{} cannot be unpacked", archive.display());
            std::fs::remove_file(archive)?;
        }
        Ok(())
    }
}

/// The keyring out of a package of Debian.
fn keys(store: &Path, package: &str) -> Result<PathBuf> {
    let folder = store.join("keys").join(package);
    if !folder.exists() {
        Apt::open(store, &BACKPORTS)?.unpack(package, &folder)?;
    }
    let keyrings = folder.join("usr/share/keyrings");
    ensure!(keyrings.is_dir(), "{package} has no keyrings");
    let found = std::fs::read_dir(&keyrings)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        found.filter(|path| path.to_string_lossy().ends_with("-archive-keyring.gpg")).collect();
    found.sort();
    found.into_iter().next().with_context(|| format!("{package} has no keyring"))
}
