//! Servers and clients that the tracing campaign observes: their sources are in `tests/services`, what is made of them is
//! brought into `target/services`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::test::toolchain::need;
use crate::{process, workspace};

struct Language {
    name: &'static str,
    /// What it takes, as `need` asks for it: what, program, arguments, Debian packages.
    needs: &'static [(&'static str, &'static str, &'static [&'static str], &'static [&'static str])],
    /// Makes what is run out of `sources`, in `folder`.
    prepare: fn(sources: &Path, folder: &Path) -> Result<()>,
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "python",
        needs: &[("Python with venv", "python3", &["-c", "import venv, ensurepip"], &["python3", "python3-venv"])],
        prepare: python,
    },
    Language {
        name: "go",
        needs: &[("Go", "go", &["version"], &["golang-go", "ca-certificates"])],
        prepare: |sources, folder| {
            // Without C, so that it runs wherever it is taken.
            let mut go = Command::new("go");
            go.env("CGO_ENABLED", "0");
            process::run(go.args(["build", "-o"]).arg(folder.join("service")).arg(".").current_dir(sources))
        },
    },
    Language {
        name: "java",
        needs: &[("a Java compiler", "javac", &["-version"], &["default-jdk-headless"])],
        prepare: |sources, folder| {
            let classes = ["Http.java", "Raw.java"].map(|file| sources.join(file));
            process::run(Command::new("javac").arg("-d").arg(folder).args(classes))
        },
    },
];

/// What is run as it is.
const PROGRAMS: &[(&str, &str, &[&str], &[&str])] = &[
    ("nginx", "nginx", &["-v"], &["nginx-light"]),
    ("Node.js", "node", &["--version"], &["nodejs"]),
    ("ab", "ab", &["-V"], &["apache2-utils"]),
    ("curl", "curl", &["--version"], &["curl"]),
];

/// Prepares what the machine has the languages for; with `all`, what is missing is installed or is a failure.
pub(crate) fn prepare(all: bool) -> Result<()> {
    if all {
        for (what, program, args, packages) in PROGRAMS {
            need(what, program, args, packages)?;
        }
    }
    prepare_in(&LANGUAGES.iter().collect::<Vec<_>>(), all)
}

/// What guests take along: other languages they have as packages.
pub(crate) fn prepare_for_guests() -> Result<()> {
    let compiled = LANGUAGES.iter().filter(|language| language.name != "python");
    prepare_in(&compiled.collect::<Vec<_>>(), false)
}

fn prepare_in(languages: &[&Language], all: bool) -> Result<()> {
    let services = workspace::target()?.join("services");
    for language in languages {
        let missing = language.needs.iter().any(|(_, program, args, _)| !process::works(program, args));
        if missing && !all {
            println!("services in {} are left out, because the language is not installed", language.name);
            continue;
        }
        for (what, program, args, packages) in language.needs {
            need(what, program, args, packages)?;
        }
        let folder = services.join(language.name);
        std::fs::create_dir_all(&folder)?;
        let sources = workspace::root().join("tests/services").join(language.name);
        (language.prepare)(&sources, &folder)
            .with_context(|| format!("preparing the services in {}", language.name))?;
    }
    Ok(())
}

fn python(sources: &Path, folder: &Path) -> Result<()> {
    // pip comes last: without it an earlier run was cut short.
    if !folder.join("bin/pip").exists() {
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    }
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::run(pip.arg(sources.join("requirements.txt")))
}
