//! `cargo xtask bpf`: the objects that the kernel loads, compiled from `crates/*/bpf/*.bpf.c`.
//!
//! The objects are committed, so that nobody needs clang who does not change them; beside each lies a file with the
//! hashes of what it was made of and of itself, which `cargo xtask tidy` compares.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use lexopt::Parser;

use crate::test::toolchain;
use crate::{process, workspace};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bpf [--check]

Compiles crates/*/bpf/NAME.bpf.c to NAME.bpf.o with clang, where a source, a header or the flags have changed since.
Programs that read registers have a second object for another architecture, NAME.arm64.bpf.o.

  --check   compile nothing; fail if an object is not of its sources
";

/// Part of the hash: another way of compiling makes another object.
const FLAGS: &[&str] = &["-O2", "-g", "-mcpu=v3", "--target=bpf", "-Wall", "-Werror", "-Wno-missing-declarations"];
/// Architectures as libbpf's headers call them, and what stands before `bpf.o` in the name of their objects.
const ARCHITECTURES: &[(&str, &str)] = &[("x86", ""), ("arm64", "arm64.")];
/// A program that says this reads registers, which differ between architectures; others have one object for all.
const READS_REGISTERS: &str = "BPF_KPROBE";
/// Headers that programs of all crates include.
const SHARED: &str = "crates/ebpf/bpf";

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut check_only = false;
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("check") => check_only = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if check_only {
        let stale = stale()?;
        ensure!(stale.is_empty(), "{}: not compiled of its sources; run `cargo xtask bpf`", stale.join(", "));
        return Ok(());
    }
    let mut compiled = 0;
    for program in programs()? {
        if !program.is_current()? {
            program.compile()?;
            compiled += 1;
        }
    }
    println!("{compiled} objects compiled, the others are current");
    Ok(())
}

/// Objects that were not made of the sources beside them, by name.
pub(crate) fn stale() -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for program in programs()? {
        if !program.is_current()? {
            stale.push(program.object().strip_prefix(workspace::root())?.display().to_string());
        }
    }
    Ok(stale)
}

struct Program {
    source: PathBuf,
    architecture: &'static str,
    infix: &'static str,
}

impl Program {
    fn object(&self) -> PathBuf {
        let name = self.source.file_name().unwrap_or_default().to_string_lossy();
        self.source.with_file_name(name.replace(".bpf.c", &format!(".{}bpf.o", self.infix)))
    }

    fn note(&self) -> PathBuf {
        self.object().with_extension("o.hash")
    }

    /// The source, and every header that it could include.
    fn sources(&self) -> Result<Vec<PathBuf>> {
        let own = self.source.parent().context("a folder")?;
        let shared = workspace::root().join(SHARED);
        let mut sources = vec![self.source.clone()];
        for folder in [own, shared.as_path()] {
            sources.extend(files(folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "h")));
        }
        sources.sort();
        sources.dedup();
        Ok(sources)
    }

    /// What the note beside the object has to say.
    fn expected_note(&self) -> Result<String> {
        let mut sources = Hash::new();
        FLAGS.iter().chain([&self.architecture]).for_each(|flag| sources.add(flag.as_bytes()));
        for path in self.sources()? {
            sources.add(path.file_name().unwrap_or_default().as_encoded_bytes());
            sources.add(&std::fs::read(&path).with_context(|| path.display().to_string())?);
        }
        let mut object = Hash::new();
        object.add(&std::fs::read(self.object()).unwrap_or_default());
        let mut note = String::new();
        writeln!(note, "sources {:016x}", sources.0)?;
        writeln!(note, "object {:016x}", object.0)?;
        Ok(note)
    }

    fn is_current(&self) -> Result<bool> {
        let expected = self.expected_note()?;
        Ok(self.object().exists() && std::fs::read_to_string(self.note()).is_ok_and(|note| note == expected))
    }

    fn compile(&self) -> Result<()> {
        toolchain::clang()?;
        let root = workspace::root();
        let mut clang = Command::new("clang");
        clang.current_dir(root).args(FLAGS).arg(format!("-D__TARGET_ARCH_{}", self.architecture));
        clang.arg(format!("-I{SHARED}")).arg("-I").arg(libbpf_headers()?);
        // Without the folder's path, which differs from machine to machine.
        clang.arg(format!("-ffile-prefix-map={}=.", root.display()));
        let source = self.source.strip_prefix(root)?;
        process::run(clang.arg("-c").arg(source).arg("-o").arg(self.object()))?;
        // Debugging information goes, types stay.
        process::run(Command::new("llvm-strip").arg("-g").arg(self.object()))?;
        std::fs::write(self.note(), self.expected_note()?)?;
        Ok(())
    }
}

fn programs() -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for folder in files(&workspace::root().join("crates"))? {
        let folder = folder.join("bpf");
        if !folder.is_dir() {
            continue;
        }
        let mut reads_registers = false;
        for path in files(&folder)?.iter().filter(|path| path.extension().is_some_and(|end| end == "c" || end == "h")) {
            reads_registers |= std::fs::read_to_string(path)?.contains(READS_REGISTERS);
        }
        let architectures = if reads_registers { ARCHITECTURES } else { &ARCHITECTURES[..1] };
        for source in files(&folder)? {
            if source.to_string_lossy().ends_with(".bpf.c") {
                let of = |&(architecture, infix)| Program { source: source.clone(), architecture, infix };
                programs.extend(architectures.iter().map(of));
            }
        }
    }
    Ok(programs)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// libbpf's headers for programs, from the sources of the library that loads them.
fn libbpf_headers() -> Result<PathBuf> {
    let metadata = workspace::metadata(true)?;
    let package = workspace::list(&metadata, "packages").iter().find(|package| package["name"] == "libbpf-sys");
    let manifest =
        package.and_then(|package| package["manifest_path"].as_str()).context("libbpf-sys is no dependency")?;
    Ok(Path::new(manifest).with_file_name("libbpf").join("src"))
}

/// FNV-1a: finds what was forgotten, not what was forged.
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&u64::try_from(bytes.len()).unwrap_or_default().to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_split_otherwise_hashes_otherwise() {
        let hash = |parts: &[&str]| {
            let mut hash = Hash::new();
            parts.iter().for_each(|part| hash.add(part.as_bytes()));
            hash.0
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&[""]), hash(&[]));
        assert_eq!(hash(&["a"]), hash(&["a"]));
    }

    #[test]
    fn an_object_without_note_is_stale() {
        let folder = std::env::temp_dir().join(format!("xtask-bpf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = Program { source: folder.join("a.bpf.c"), architecture: "arm64", infix: "arm64." };
        assert!(program.object().ends_with("a.arm64.bpf.o") && program.note().ends_with("a.arm64.bpf.o.hash"));
        std::fs::write(&program.source, "int a;\n").expect("a file");
        std::fs::write(program.object(), "object").expect("a file");
        assert!(!program.is_current().expect("an answer"));
        std::fs::write(program.note(), program.expected_note().expect("a note")).expect("a file");
        assert!(program.is_current().expect("an answer"));
        std::fs::write(&program.source, "int b;\n").expect("a file");
        assert!(!program.is_current().expect("an answer"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
