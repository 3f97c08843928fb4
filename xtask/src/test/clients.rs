//! Clients with the OpenTelemetry SDKs of other languages: their sources are in `tests/clients`, what they need is
//! brought into `target/clients`, and `e2e/tests/sdk_clients.rs` runs them against the collector.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::results::{Totals, cargo_test};
use super::toolchain::need;
use crate::{process, workspace};

struct Language {
    /// Also the test's name.
    name: &'static str,
    /// What it takes, as `need` asks for it: what, program, arguments, Debian packages.
    needs: &'static [(&'static str, &'static str, &'static [&'static str], &'static [&'static str])],
    /// Whether it must be there on every machine.
    always: bool,
    /// Brings what the client needs from `sources` into `folder`.
    prepare: fn(sources: &Path, folder: &Path) -> Result<()>,
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "python",
        needs: &[("Python with venv", "python3", &["-c", "import venv, ensurepip"], &["python3", "python3-venv"])],
        always: true,
        prepare: python,
    },
    Language {
        name: "go",
        needs: &[("Go", "go", &["version"], &["golang-go", "ca-certificates"])],
        always: false,
        prepare: go,
    },
    Language {
        name: "node",
        needs: &[("Node.js", "node", &["--version"], &["nodejs"]), ("npm", "npm", &["--version"], &["npm"])],
        always: false,
        prepare: node,
    },
    Language {
        name: "java",
        needs: &[
            ("a Java compiler", "javac", &["-version"], &["default-jdk-headless"]),
            ("Maven", "mvn", &["--version"], &["maven"]),
        ],
        always: false,
        prepare: java,
    },
];

/// Prepares and runs all clients whose language is there; with `all`, every language must be.
pub(super) fn run(all: bool, totals: &mut Totals) -> Result<()> {
    let clients = workspace::target()?.join("clients");
    let (mut ready, mut left_out) = (Vec::new(), Vec::new());
    for language in LANGUAGES {
        let missing = language.needs.iter().any(|(_, program, args, _)| !process::works(program, args));
        if missing && !all && !language.always {
            left_out.push(language.name);
            continue;
        }
        for (what, program, args, packages) in language.needs {
            need(what, program, args, packages)?;
        }
        let folder = clients.join(language.name);
        std::fs::create_dir_all(&folder)?;
        let sources = workspace::root().join("tests/clients").join(language.name);
        (language.prepare)(&sources, &folder).with_context(|| format!("preparing the {} client", language.name))?;
        ready.push(language.name);
    }
    if !left_out.is_empty() {
        println!("left out, because the language is not installed: {}", left_out.join(", "));
    }
    // The whole workspace again, so that its libraries are not built anew with fewer features.
    let mut args = vec!["--workspace", "--test", "sdk_clients", "--", "--ignored", "--exact"];
    args.extend(&ready);
    cargo_test(&args, totals)
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

fn go(sources: &Path, folder: &Path) -> Result<()> {
    let mut go = Command::new("go");
    process::run(go.args(["build", "-o"]).arg(folder.join("client")).arg(".").current_dir(sources))
}

fn node(sources: &Path, folder: &Path) -> Result<()> {
    // npm installs beside package.json, and that shall not be among the sources.
    for file in ["package.json", "package-lock.json", "client.mjs"] {
        std::fs::copy(sources.join(file), folder.join(file)).with_context(|| file.to_owned())?;
    }
    let mut npm = Command::new("npm");
    process::run(npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder))
}

fn java(sources: &Path, folder: &Path) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "compile"]);
    maven.arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies");
    // The build folder goes with the rest of what is built.
    maven.arg(format!("-Dclient.build={}", folder.display()));
    maven.arg(format!("-DoutputDirectory={}", folder.join("lib").display()));
    process::run(maven.current_dir(sources))
}
