//! The project's chores: `cargo xtask --help` lists them.
//!
//! One file or folder per verb. A verb is one line in [`VERBS`]; it gets the words behind its name and says in its
//! `USAGE` what it takes.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]
#![allow(clippy::disallowed_methods, reason = "waits for other processes, and has no loop to block")]

mod bench;
mod bpf;
mod campaign;
mod demo;
mod docs;
mod fuzz;
mod peer;
mod process;
mod services;
mod test;
mod tidy;
mod vm;
mod workspace;

use std::process::ExitCode;

use lexopt::Parser;

/// One chore.
struct Verb {
    name: &'static str,
    summary: &'static str,
    usage: &'static str,
    run: fn(&mut Parser) -> anyhow::Result<()>,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "demo",
        summary: "Run the collector, send it telemetry from a real SDK, show what arrives",
        usage: demo::USAGE,
        run: demo::run,
    },
    Verb {
        name: "test",
        summary: "Everything that must hold before a change is merged; what CI runs",
        usage: test::USAGE,
        run: test::run,
    },
    Verb {
        name: "tidy",
        summary: "House rules that the compiler does not know: layers, file sizes, current docs",
        usage: tidy::USAGE,
        run: tidy::run,
    },
    Verb { name: "docs", summary: "Write docs/reference from the code", usage: docs::USAGE, run: docs::run },
    Verb { name: "fuzz", summary: "Feed the parsers with what nobody would write", usage: fuzz::USAGE, run: fuzz::run },
    Verb {
        name: "bench",
        summary: "What the collector costs, beside a bare relay",
        usage: bench::USAGE,
        run: bench::run,
    },
    Verb {
        name: "campaign",
        summary: "Kill it and cut its power, a thousand times and more",
        usage: campaign::USAGE,
        run: campaign::run,
    },
    Verb { name: "bpf", summary: "Compile what the kernel runs", usage: bpf::USAGE, run: bpf::run },
    Verb { name: "vm-test", summary: "Run test programs on real kernels in QEMU", usage: vm::USAGE, run: vm::run },
    Verb {
        name: "peer",
        summary: "Send to real back ends of others, and ask them what they have",
        usage: peer::USAGE,
        run: peer::run,
    },
];

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> anyhow::Result<()> {
    let mut parser = Parser::from_env();
    let word = match parser.next()? {
        None | Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            print!("{}", help());
            return Ok(());
        }
        Some(lexopt::Arg::Value(word)) => word.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == word) else {
        anyhow::bail!("there is no chore {word:?}; `cargo xtask --help` lists what there is");
    };
    if std::env::args().skip(2).any(|word| word == "--help" || word == "-h") {
        print!("{}\n\n{}", verb.summary, verb.usage);
        return Ok(());
    }
    (verb.run)(&mut parser)
}

/// The names of all chores, for checks of what the documents say.
fn verb_names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|verb| verb.name)
}

fn help() -> String {
    let mut out = String::from("The project's chores.\n\nUsage: cargo xtask CHORE [OPTIONS]\n\n");
    for verb in VERBS {
        out.push_str(&format!("  {:8} {}\n", verb.name, verb.summary));
    }
    out.push_str("\n`cargo xtask CHORE --help` says what a chore takes.\n");
    out
}
