//! `corten run`: the flags become [`Options`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};

use super::{Failure, flags};
use crate::run::{Options, Source};

pub(super) fn command() -> Command {
    Command::new("run")
        .about("Run a configuration")
        .long_about(
            "Runs a configuration file, or all *.alloy files of a directory. Without a path, receives OTLP on \
             127.0.0.1:4317 (gRPC) and 127.0.0.1:4318 (HTTP) and prints what arrives.\n\n\
             SIGHUP reloads, SIGTERM and SIGINT drain and end; a second one ends at once.",
        )
        .args_override_self(true)
        .args(flags::run_args())
        .arg(Arg::new("path").value_name("PATH").help("Configuration file, or directory of *.alloy files"))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    flags::check(matches)?;
    let text = |name| flags::text(matches, name);
    let source = match matches.get_one::<String>("path") {
        Some(path) => Source::Path(PathBuf::from(path)),
        None => Source::Default,
    };
    let ui_prefix = text("server.http.ui-path-prefix");
    let allowed = text("server.http.allowed-hosts");
    let options = Options {
        // A first try of the product should leave nothing behind.
        storage: (flags::is_given(matches, "storage.path") || source != Source::Default)
            .then(|| PathBuf::from(text("storage.path"))),
        source,
        listen: text("server.http.listen-addr"),
        memory_address: text("server.http.memory-addr"),
        ui_prefix: format!("/{}", ui_prefix.trim_matches('/')),
        allowed_hosts: allowed.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect(),
        support_bundle: !flags::is_on(matches, "server.http.disable-support-bundle"),
        data_cores: matches.get_one::<u32>("data-cores").map_or(1, |cores| *cores as usize),
        drain_deadline: matches
            .get_one::<Duration>("feature.component-shutdown-deadline")
            .copied()
            .unwrap_or(Duration::from_secs(600)),
        extra: None,
        notes: flags::without_effect(matches),
    };
    crate::run::run(options)
}
