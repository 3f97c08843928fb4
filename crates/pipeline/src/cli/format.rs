//! `corten fmt`: the one layout of configuration files.

use std::io::Read;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_syntax::{SourceMap, format_bytes, plain_line};

use super::{Failure, complain, print};
use crate::text;

pub(super) fn command() -> Command {
    Command::new("fmt")
        .visible_alias("format")
        .about("Print a configuration file in the standard layout")
        .args_override_self(true)
        .arg(
            Arg::new("write")
                .short('w')
                .long("write")
                .action(ArgAction::SetTrue)
                .help("Write the file instead of printing it"),
        )
        .arg(
            Arg::new("test")
                .short('t')
                .long("test")
                .action(ArgAction::SetTrue)
                .conflicts_with("write")
                .help("Print nothing; fail if the file is not in the standard layout"),
        )
        .arg(Arg::new("file").value_name("FILE").help("The file; none or - reads standard input"))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let (write, test) = (matches.get_flag("write"), matches.get_flag("test"));
    let path = matches.get_one::<String>("file").map(String::as_str).filter(|path| *path != "-");
    let (name, bytes) = match path {
        None if write => return Err(Failure::new("cannot use -w with standard input")),
        None => ("<stdin>", standard_input()?),
        Some(path) => (path, file(path)?),
    };
    let mut map = SourceMap::default();
    let formatted = format_bytes(&mut map, name, &bytes).map_err(|diagnostics| {
        for diagnostic in &diagnostics {
            complain(&format!("{}\n", plain_line(diagnostic, &map)));
        }
        Failure::new("encountered errors during formatting")
    })?;
    let changed = formatted.as_bytes() != bytes;
    if test {
        return match changed {
            true => Err(Failure::new(format!("file {name} is not formatted correctly"))),
            false => Ok(()),
        };
    }
    match path {
        Some(path) if write => match changed {
            true => replace(Path::new(path), &formatted),
            false => Ok(()),
        },
        _ => {
            print(&formatted);
            Ok(())
        }
    }
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(format!("reading standard input: {}", text::io(&error))))?;
    Ok(bytes)
}

fn file(path: &str) -> Result<Vec<u8>, Failure> {
    if Path::new(path).is_dir() {
        return Err(Failure::new("cannot format a directory"));
    }
    std::fs::read(path).map_err(|error| Failure::new(format!("reading {path}: {}", text::io(&error))))
}

/// Replaces the content in one step, keeping mode and links: a crash leaves the old file or the new one.
fn replace(path: &Path, content: &str) -> Result<(), Failure> {
    let attempt = || -> std::io::Result<()> {
        let target = path.canonicalize()?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = target.with_file_name(name);
        let result = std::fs::write(&temporary, content)
            .and_then(|()| std::fs::set_permissions(&temporary, std::fs::metadata(&target)?.permissions()))
            .and_then(|()| std::fs::rename(&temporary, &target));
        if result.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        result
    };
    attempt().map_err(|error| Failure::new(format!("writing {}: {}", path.display(), text::io(&error))))
}
