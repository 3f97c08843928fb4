//! `corten tools buffer`: looks into queues on disk, while the collector runs or not. Changes nothing in them.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_delivery::log::{Summary, export, inspect, logs_in, verify};

use super::{Failure, print};
use crate::text;

fn directory() -> Arg {
    Arg::new("directory")
        .value_name("DIR")
        .required(true)
        .help("The directory of an otelcol.storage.file, or of one exporter in it")
}

pub(super) fn command() -> Command {
    let inspect = Command::new("inspect").about("Say what waits in the queues on disk").arg(directory());
    let verify = Command::new("verify").about("Compare all checksums; fail if anything is damaged").arg(directory());
    let export = Command::new("export")
        .about("Write what waits as OTLP requests, a file each, to be sent by other means")
        .arg(directory())
        .arg(Arg::new("to").long("to").value_name("DIR").required(true).help("An empty directory, or one to be made"))
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("Also what has been delivered and is still in the files"),
        );
    let buffer = Command::new("buffer")
        .about("Look into queues on disk")
        .subcommand_required(true)
        .subcommand(inspect)
        .subcommand(verify)
        .subcommand(export);
    Command::new("tools")
        .about("Look into what the collector leaves on disk")
        .subcommand_required(true)
        .subcommand(buffer)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(("buffer", matches)) = matches.subcommand() else { return Ok(()) };
    let Some((what, matches)) = matches.subcommand() else { return Ok(()) };
    let directory = matches.get_one::<String>("directory").map(PathBuf::from).unwrap_or_default();
    let logs = logs_in(&directory).map_err(|error| Failure::new(error.to_string()))?;
    if logs.is_empty() {
        return Err(Failure::new(format!("{} holds no queue", directory.display())));
    }
    match what {
        "inspect" => inspect_all(&logs),
        "verify" => verify_all(&logs),
        _ => {
            let to = matches.get_one::<String>("to").map(PathBuf::from).unwrap_or_default();
            export_all(&logs, &to, matches.get_flag("all"))
        }
    }
}

fn inspect_all(logs: &[PathBuf]) -> Result<(), Failure> {
    for log in logs {
        let summary = inspect(log).map_err(|error| Failure::new(error.to_string()))?;
        print(&page(log, &summary));
    }
    Ok(())
}

fn page(log: &Path, summary: &Summary) -> String {
    let mut page = format!("{}\n  on disk: {} bytes, {}\n", log.display(), summary.bytes_on_disk, summary.report);
    if let Some((oldest, newest)) = summary.times {
        let _ = writeln!(page, "  received: {} to {}", time(oldest), time(newest));
    }
    for (kind, destination, backlog) in summary.waiting() {
        let _ = writeln!(
            page,
            "  waiting for {destination}: {} {} in {} requests, {} bytes",
            backlog.items,
            kind.items_name(),
            backlog.records,
            backlog.bytes
        );
    }
    if summary.waiting().next().is_none() {
        page.push_str("  nothing waits\n");
    }
    page
}

fn time(nanos: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
    humantime::format_rfc3339_seconds(time).to_string()
}

fn verify_all(logs: &[PathBuf]) -> Result<(), Failure> {
    let mut damaged = 0;
    for log in logs {
        let report = verify(log).map_err(|error| Failure::new(error.to_string()))?;
        damaged += usize::from(!report.is_whole());
        let verdict = if report.is_whole() { "whole" } else { "DAMAGED" };
        print(&format!("{}: {verdict}: {report}\n", log.display()));
    }
    match damaged {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} of {} queues are damaged", logs.len()))),
    }
}

fn export_all(logs: &[PathBuf], to: &Path, all: bool) -> Result<(), Failure> {
    let failed =
        |path: &Path, error: std::io::Error| Failure::new(format!("writing {}: {}", path.display(), text::io(&error)));
    std::fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    if std::fs::read_dir(to).map_err(|error| failed(to, error))?.next().is_some() {
        return Err(Failure::new(format!("{} is not empty", to.display())));
    }
    let mut count = 0u64;
    for log in logs {
        let mut requests = export(log, all).map_err(|error| Failure::new(error.to_string()))?;
        for request in requests.by_ref() {
            let (kind, bytes) = request.map_err(|error| Failure::new(error.to_string()))?;
            count += 1;
            let path = to.join(format!("{count:08}-{kind}.binpb"));
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&path);
            let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, &bytes));
            written.map_err(|error| failed(&path, error))?;
        }
        if !requests.report().is_whole() {
            print(&format!("{}: {}\n", log.display(), requests.report()));
        }
    }
    print(&format!("{count} requests written to {}\n", to.display()));
    Ok(())
}
