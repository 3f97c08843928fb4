//! `corten exporter`: the flags become an exporter's arguments. Where the exporter that Prometheus's users know has a
//! flag for the same, it has the same name here.

mod node;

use std::sync::Arc;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_component::{BoxFuture, Health};
use corten_source_node::{nixos, systemd_exporter};
use tracing::Level;

use super::Failure;
use crate::exporter::Exporter;

const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

pub(super) fn command() -> Command {
    Command::new("exporter")
        .about("Serve one exporter's metrics for a Prometheus, without a configuration")
        .after_help(
            "In a configuration the same exporters are the components prometheus.exporter.unix, .nixos and .systemd, \
             with prometheus.scrape to read them.",
        )
        .subcommand_required(true)
        .subcommand(node::command())
        .subcommand(nixos_command())
        .subcommand(systemd_command())
}

/// With the flags that all exporters have.
fn exporter(name: &'static str, about: &'static str, listen: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .args_override_self(true)
        .arg(
            Arg::new("listen")
                .long("listen")
                .alias("web.listen-address")
                .value_name("ADDRESS")
                .default_value(listen)
                .help("Where the metrics are served at /metrics; 0.0.0.0:PORT lets other machines read them"),
        )
        .arg(
            Arg::new("log.level")
                .long("log.level")
                .value_name("LEVEL")
                .default_value("info")
                .value_parser(PossibleValuesParser::new(LEVELS))
                .help("The least severe log lines that are printed"),
        )
}

fn value(name: &'static str, placeholder: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).default_value(default).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn nixos_command() -> Command {
    exporter("nixos", "Generations, store, roots and boot entries of a NixOS", "127.0.0.1:9101")
        .arg(value("path.rootfs", "DIR", "/", "Where the root of the file system is"))
        .arg(value("path.boot", "DIR", "/boot", "Where the boot partition is mounted, below the root"))
        .arg(
            value("store.walk-interval", "TIME", "1h", "How often the store's size is taken; 0s is never")
                .value_parser(humantime::parse_duration),
        )
}

fn systemd_command() -> Command {
    exporter("systemd", "Units of systemd, in systemd_exporter's names", "127.0.0.1:9102")
        .arg(value("systemd.collector.unit-include", "REGEXP", ".+", "Units that are watched, by their whole name"))
        .arg(value("systemd.collector.unit-exclude", "REGEXP", r".+\.(device)", "Units that are not watched, of those"))
        .arg(switch("systemd.collector.enable-restart-count", "Count restarts of services"))
        .arg(switch("systemd.collector.enable-ip-accounting", "Show the traffic of services that systemd counts"))
        .arg(switch("systemd.collector.enable-resolved", "Show the statistics of systemd-resolved"))
        .arg(
            Arg::new("bus-address")
                .long("bus-address")
                .value_name("ADDRESS")
                .default_value("")
                .hide_default_value(true)
                .help("The message bus, as in unix:path=/run/dbus/system_bus_socket; else the system's"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((which, matches)) = matches.subcommand() else { return Ok(()) };
    match which {
        "node" => node::run(matches),
        "nixos" => run_nixos(matches),
        _ => run_systemd(matches),
    }
}

fn nixos_arguments(matches: &ArgMatches) -> nixos::NixosArguments {
    nixos::NixosArguments {
        rootfs_path: text(matches, "path.rootfs"),
        boot_path: text(matches, "path.boot"),
        store_walk_interval: matches.get_one::<Duration>("store.walk-interval").copied().unwrap_or_default(),
    }
}

fn run_nixos(matches: &ArgMatches) -> Result<(), Failure> {
    let args = nixos_arguments(matches);
    let exposed = Arc::new(nixos::Exporter::new(&args));
    let walker = Arc::clone(&exposed);
    let background: BoxFuture<'static, ()> = Box::pin(async move { walker.walk().await });
    crate::exporter::run(Exporter {
        about: "metrics of NixOS",
        listen: text(matches, "listen"),
        level: level(matches),
        exposed,
        background,
    })
}

fn systemd_arguments(matches: &ArgMatches) -> systemd_exporter::SystemdArguments {
    systemd_exporter::SystemdArguments {
        unit_include: text(matches, "systemd.collector.unit-include"),
        unit_exclude: text(matches, "systemd.collector.unit-exclude"),
        enable_restarts: matches.get_flag("systemd.collector.enable-restart-count"),
        enable_ip_accounting: matches.get_flag("systemd.collector.enable-ip-accounting"),
        enable_resolved: matches.get_flag("systemd.collector.enable-resolved"),
        bus_address: text(matches, "bus-address"),
    }
}

fn run_systemd(matches: &ArgMatches) -> Result<(), Failure> {
    let args = systemd_arguments(matches);
    let exposed = systemd_exporter::Exporter::new(&args, Health::default()).map_err(Failure::new)?;
    crate::exporter::run(Exporter {
        about: "metrics of systemd",
        listen: text(matches, "listen"),
        level: level(matches),
        exposed: Arc::new(exposed),
        background: Box::pin(std::future::pending()),
    })
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

fn level(matches: &ArgMatches) -> Level {
    match text(matches, "log.level").as_str() {
        "debug" => Level::DEBUG,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_components_own() {
        let parsed = |command: Command| command.get_matches_from(["corten"]);
        assert_eq!(nixos_arguments(&parsed(nixos_command())), nixos::NixosArguments::default());
        assert_eq!(systemd_arguments(&parsed(systemd_command())), systemd_exporter::SystemdArguments::default());
    }
}
