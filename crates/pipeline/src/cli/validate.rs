//! `corten validate`: everything that can be known without running.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};
use corten_engine::{Settings, Source};
use corten_syntax::{Severity, render};

use super::{Failure, colour, complain, flags};
use crate::components;
use crate::run::host_blocks_for_validation;

pub(super) fn command() -> Command {
    Command::new("validate")
        .about("Check a configuration without running it")
        .args_override_self(true)
        .args(flags::validate_args())
        .arg(
            Arg::new("allow-warnings")
                .long("allow-warnings")
                .action(ArgAction::SetTrue)
                .help("Succeed if there are warnings only"),
        )
        .arg(Arg::new("path").value_name("PATH").required(true).help("File or directory"))
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    flags::check(matches)?;
    let path = PathBuf::from(flags::text(matches, "path"));
    // Without this, an unreadable path would be a diagnostic like any other.
    if let Err(error) = std::fs::metadata(&path) {
        return Err(Failure::new(format!(
            "reading config path {:?}: {}",
            path.display().to_string(),
            crate::text::io(&error)
        )));
    }
    let mut settings = Settings::new(components::registry().map_err(|error| Failure::new(error.to_string()))?);
    settings.host_blocks = host_blocks_for_validation();
    settings.fetch = std::sync::Arc::new(crate::fetch::Network);
    let (map, diagnostics) = corten_engine::validate(&Source::path(path), &settings);
    if diagnostics.is_empty() {
        return Ok(());
    }
    complain(&render(&diagnostics, &map, colour()));
    // Notes are no reason to fail.
    match diagnostics.iter().map(|diagnostic| diagnostic.severity).max() {
        Some(Severity::Error) => Err(Failure::after_diagnostics("validation failed")),
        Some(Severity::Warning) if !matches.get_flag("allow-warnings") => {
            Err(Failure::after_diagnostics("validation failed"))
        }
        _ => Ok(()),
    }
}
