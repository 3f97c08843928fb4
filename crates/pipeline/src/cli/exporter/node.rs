//! `corten exporter node`.

use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_source_node::{UnixArguments, UnixExporter, collector_names};

use super::{exporter, level, switch, text};
use crate::cli::Failure;
use crate::exporter::Exporter;

/// A flag, what its value is, what it is for, and where it goes.
type Setting = (&'static str, &'static str, &'static str, fn(&mut UnixArguments) -> &mut String);

const SETTINGS: [Setting; 14] = [
    ("path.procfs", "DIR", "Where the proc file system is", |args| &mut args.procfs_path),
    ("path.sysfs", "DIR", "Where the sysfs file system is", |args| &mut args.sysfs_path),
    ("path.rootfs", "DIR", "Where the root of the file system is", |args| &mut args.rootfs_path),
    ("path.udev.data", "DIR", "Where udev keeps what it knows", |args| &mut args.udev_data_path),
    ("collector.textfile.directory", "DIR", "Where files *.prom with further metrics lie", |args| {
        &mut args.textfile.directory
    }),
    ("collector.filesystem.mount-points-exclude", "REGEXP", "Mount points to leave out", |args| {
        &mut args.filesystem.mount_points_exclude
    }),
    ("collector.filesystem.fs-types-exclude", "REGEXP", "Types of file systems to leave out", |args| {
        &mut args.filesystem.fs_types_exclude
    }),
    ("collector.diskstats.device-exclude", "REGEXP", "Disks to leave out", |args| &mut args.disk.device_exclude),
    ("collector.netdev.device-exclude", "REGEXP", "Network devices to leave out", |args| {
        &mut args.netdev.device_exclude
    }),
    ("collector.netdev.device-include", "REGEXP", "Network devices to show, and no others", |args| {
        &mut args.netdev.device_include
    }),
    ("collector.netclass.ignored-devices", "REGEXP", "Network devices whose attributes to leave out", |args| {
        &mut args.netclass.ignored_devices
    }),
    ("collector.netstat.fields", "REGEXP", "Counters of the network stack to show", |args| &mut args.netstat.fields),
    ("collector.systemd.unit-include", "REGEXP", "Units to show, by their whole name", |args| {
        &mut args.systemd.unit_include
    }),
    ("collector.systemd.unit-exclude", "REGEXP", "Units to leave out, by their whole name", |args| {
        &mut args.systemd.unit_exclude
    }),
];

const DISABLE_DEFAULTS: &str = "collector.disable-defaults";
const EXPORTER_METRICS: &str = "include-exporter-metrics";

pub(super) fn command() -> Command {
    let setting = |(name, value, help, _): Setting| Arg::new(name).long(name).value_name(value).help(help);
    let names = || collector_names().map(str::to_owned);
    // Twice the number of collectors: the help names them below.
    let hidden = |name: String| Arg::new(name.clone()).long(name).action(ArgAction::SetTrue).hide(true);
    exporter("node", "The machine, in node_exporter's names", "127.0.0.1:9100")
        .args(SETTINGS.map(setting))
        .arg(switch(DISABLE_DEFAULTS, "Run only the collectors that are switched on"))
        .arg(switch(EXPORTER_METRICS, "Show metrics of the exporter itself, too"))
        .args(names().map(|name| hidden(format!("collector.{name}"))))
        .args(names().map(|name| hidden(format!("no-collector.{name}"))))
        .after_help(format!(
            "--collector.NAME switches a collector on, --no-collector.NAME off. There are: {}.\n\
             What has no flag here has a block of prometheus.exporter.unix.",
            names().collect::<Vec<_>>().join(", ")
        ))
}

fn arguments(matches: &ArgMatches) -> Result<UnixArguments, Failure> {
    let mut args = UnixArguments::default();
    for (name, _, _, field) in SETTINGS {
        if let Some(value) = matches.get_one::<String>(name) {
            field(&mut args).clone_from(value);
        }
    }
    let given = |prefix: &str| {
        let is_given = |name: &&str| matches.get_flag(&format!("{prefix}.{name}"));
        collector_names().filter(is_given).map(str::to_owned).collect::<Vec<_>>()
    };
    let on = given("collector");
    args.disable_collectors = given("no-collector");
    args.include_exporter_metrics = matches.get_flag(EXPORTER_METRICS);
    match (matches.get_flag(DISABLE_DEFAULTS), on.is_empty()) {
        (true, true) => {
            let message = "no collector is left\nhelp: switch one on, as with --collector.cpu";
            return Err(Failure::new(message));
        }
        (true, false) => args.set_collectors = on,
        (false, _) => args.enable_collectors = on,
    }
    Ok(args)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let exposed = UnixExporter::expose(&arguments(matches)?).map_err(|error| Failure::new(error.message))?;
    crate::exporter::run(Exporter {
        about: "metrics of the machine",
        listen: text(matches, "listen"),
        level: level(matches),
        exposed,
        background: Box::pin(std::future::pending()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(flags: &[&str]) -> Result<UnixArguments, Failure> {
        arguments(&command().get_matches_from(["node"].iter().chain(flags)))
    }

    #[test]
    fn without_flags_the_arguments_are_the_component_s_own() {
        assert_eq!(format!("{:?}", parsed(&[]).unwrap()), format!("{:?}", UnixArguments::default()));
    }

    #[test]
    fn flags_are_node_exporter_s() {
        let args = parsed(&[
            "--path.procfs=/host/proc",
            "--collector.systemd",
            "--no-collector.wifi",
            "--no-collector.cpu",
            "--collector.systemd.unit-include=.+[.]service",
        ]);
        // There is no such collector; whoever switches it off is content.
        assert!(command().try_get_matches_from(["node", "--no-collector.nosuch"]).is_err());
        let args = args.unwrap();
        assert_eq!(args.procfs_path, "/host/proc");
        assert_eq!(
            (args.enable_collectors, args.disable_collectors),
            (vec!["systemd".to_owned()], vec!["cpu".to_owned(), "wifi".to_owned()])
        );
        assert_eq!(args.systemd.unit_include, ".+[.]service");
    }

    #[test]
    fn without_the_defaults_something_must_be_switched_on() {
        assert_eq!(parsed(&["--collector.disable-defaults", "--collector.cpu"]).unwrap().set_collectors, ["cpu"]);
        assert!(parsed(&["--collector.disable-defaults"]).unwrap_err().message.contains("--collector.cpu"));
    }
}
