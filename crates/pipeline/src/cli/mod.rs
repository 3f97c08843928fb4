//! The command line. Flags, texts and exit codes are Alloy's: every failure is 1.

#[cfg(feature = "ebpf")]
mod beyla;
mod completion;
mod doctor;
mod errors;
#[cfg(feature = "source-node")]
mod exporter;
mod flags;
mod format;
mod run;
mod tools;
mod validate;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// Why a command failed, as it is printed after `Error: `. Lines after the first are printed as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The message.
    pub(crate) message: String,
    /// Whether an empty line goes to standard output first, as after diagnostics.
    pub(crate) after_diagnostics: bool,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), after_diagnostics: false }
    }

    /// The last word after diagnostics on standard error.
    pub(crate) fn after_diagnostics(message: impl Into<String>) -> Self {
        Self { message: message.into(), after_diagnostics: true }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Runs the command that the arguments name; the first is the program's own name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.len() < 2 {
        print(&format!("{}\n", command().render_help()));
        return ExitCode::SUCCESS;
    }
    let result = match command().try_get_matches_from(&args) {
        Ok(matches) => dispatch(&matches),
        Err(error) if errors::is_help(&error) => {
            print(&error.to_string());
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(errors::failure(&error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.after_diagnostics {
                print("\n");
            }
            complain(&format!("Error: {}\n", failure.message));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<(), Failure> {
    if matches.get_flag("version") {
        print(&version());
        return Ok(());
    }
    match matches.subcommand() {
        Some(("run", matches)) => run::run(matches),
        Some(("fmt", matches)) => format::run(matches),
        Some(("validate", matches)) => validate::run(matches),
        #[cfg(feature = "source-node")]
        Some(("exporter", matches)) => exporter::run(matches),
        Some(("tools", matches)) => tools::run(matches),
        #[cfg(feature = "ebpf")]
        Some(("beyla", matches)) => beyla::run(matches),
        Some(("doctor", matches)) => doctor::run(matches),
        Some(("completion", matches)) => completion::run(matches, command()),
        _ => {
            print(&format!("{}\n", command().render_help()));
            Ok(())
        }
    }
}

/// The whole command line, for parsing, help and completions.
pub(crate) fn command() -> Command {
    let command = Command::new("corten")
        .about("Collects telemetry as an Alloy configuration file says: OTLP, logs, metrics, profiles.")
        .after_help(
            "Start here:\n  corten run                        receive OTLP on this machine and show what arrives\n  \
             corten run config.alloy           run a configuration file, or a directory of them\n  \
             corten validate config.alloy      check a file without running it",
        )
        .disable_version_flag(true)
        .args_override_self(true)
        .subcommand_required(false)
        .arg(
            Arg::new("version")
                .short('v')
                .long("version")
                .action(ArgAction::SetTrue)
                .help("Print the version")
                .global(false),
        )
        .subcommand(run::command())
        .subcommand(format::command())
        .subcommand(validate::command())
        .subcommand(tools::command())
        .subcommand(doctor::command())
        .subcommand(completion::command());
    #[cfg(feature = "source-node")]
    let command = command.subcommand(exporter::command());
    #[cfg(feature = "ebpf")]
    let command = command.subcommand(beyla::command());
    command
}

fn version() -> String {
    format!(
        "corten, version v{} (revision: {})\n  platform: {}/{}\n",
        crate::VERSION,
        crate::REVISION,
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// Writes to standard output; a reader that has gone is no failure.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether diagnostics are coloured: both streams are terminals and `NO_COLOR` is not set.
pub(crate) fn colour() -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    wanted && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
