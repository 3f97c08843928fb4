//! `corten doctor`: what of the machine Corten can work with, and what to do about the rest.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Failure;

pub(super) fn command() -> Command {
    let ebpf = Command::new("ebpf")
        .about("Try what the kernel and our capabilities allow of eBPF; succeeds if requests can be seen")
        .after_help(
            "Run it as the user and with the capabilities that the service has:\n  \
             systemd-run --pipe -p DynamicUser=yes -p AmbientCapabilities='CAP_BPF CAP_PERFMON' corten doctor ebpf",
        )
        .arg(
            Arg::new("require")
                .long("require")
                .value_name("FEATURE")
                .action(ArgAction::Append)
                .help("Fail if this feature does not work; may be repeated"),
        )
        .arg(
            Arg::new("fix")
                .long("fix")
                .action(ArgAction::SetTrue)
                .help("Print a drop-in for the systemd unit that gives it what it needs, and nothing else"),
        );
    Command::new("doctor")
        .about("Say what of this machine Corten can work with")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(ebpf)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("ebpf", matches)) => ebpf(matches),
        _ => Ok(()),
    }
}

#[cfg(feature = "ebpf")]
fn ebpf(matches: &ArgMatches) -> Result<(), Failure> {
    use corten_ebpf_beyla::capture::doctor::{FEATURES, diagnose};

    let required: Vec<&String> = matches.get_many("require").into_iter().flatten().collect();
    if let Some(unknown) = required.iter().find(|name| !FEATURES.contains(&name.as_str())) {
        return Err(Failure::new(format!(
            "there is no feature \"{unknown}\"\nhelp: there are {}",
            FEATURES.join(", ")
        )));
    }
    let report = diagnose();
    if matches.get_flag("fix") {
        super::print(&report.drop_in());
        return Ok(());
    }
    super::print(&report.text());
    if !report.captures() {
        return Err(Failure::new(
            "requests cannot be seen: none of trampolines, tracepoints, system-calls, kprobes works",
        ));
    }
    match required.iter().find(|name| report.has(name) != Some(true)) {
        Some(missing) => Err(Failure::new(format!("the feature \"{missing}\" does not work"))),
        None => Ok(()),
    }
}

#[cfg(not(feature = "ebpf"))]
fn ebpf(_: &ArgMatches) -> Result<(), Failure> {
    Err(Failure::new("this build of Corten has no eBPF\nhelp: build it with the feature `ebpf`"))
}

#[cfg(all(test, feature = "ebpf"))]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_feature_is_named_before_anything_is_tried() {
        let matches = command().try_get_matches_from(["doctor", "ebpf", "--require", "magic"]).expect("arguments");
        let failure = run(&matches).expect_err("a mistake");
        assert!(failure.message.contains("\"magic\"") && failure.message.contains("trampolines, tracepoints"));
    }
}
