//! `corten completion`: what shells need to complete our command line.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use clap_complete::{Generator, Shell};

use super::{Failure, print};

pub(super) fn command() -> Command {
    Command::new("completion")
        .about("Print the completion script of a shell")
        .after_help("For this bash session: source <(corten completion bash)")
        .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(PossibleValuesParser::new([
            "bash",
            "zsh",
            "fish",
            "elvish",
            "powershell",
        ])))
}

pub(super) fn run(matches: &ArgMatches, mut command: Command) -> Result<(), Failure> {
    let name = matches.get_one::<String>("shell").map(String::as_str).unwrap_or_default();
    let shell: Shell = name.parse().map_err(Failure::new)?;
    command.set_bin_name("corten");
    command.build();
    let mut script = Vec::new();
    shell.generate(&command, &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(())
}
