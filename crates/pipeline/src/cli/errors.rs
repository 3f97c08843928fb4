//! Mistakes on the command line, in Alloy's words, with what to do.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Failure;

/// Commands that Alloy has and Corten has not, and what to use.
const MISSING_COMMANDS: &[(&str, &str)] = &[
    ("convert", "write the file in the Alloy syntax; `alloy convert` can do it once"),
    ("gql", "the same facts are at /api/v0/web/components as JSON"),
    ("graphql", "the same facts are at /api/v0/web/components as JSON"),
    ("otel", "use `corten run` with an Alloy file; the otelcol.* components take the same arguments"),
    ("otel-supervisor", "use `corten run` under systemd"),
    ("tools", "there is no write-ahead log in Alloy's format to inspect"),
];

pub(super) fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

pub(super) fn failure(error: &clap::Error) -> Failure {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    // clap names a flag with its value: `--storage.path <PATH>`.
    let flag = argument.split([' ', '=', '[']).next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let (message, help) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand);
            match MISSING_COMMANDS.iter().find(|(known, _)| *known == name) {
                Some((_, instead)) => {
                    (format!("the command \"{name}\" is not implemented by Corten"), Some((*instead).to_owned()))
                }
                None if name.ends_with(".alloy") || std::path::Path::new(&name).is_dir() => (
                    format!("unknown command \"{name}\" for \"corten\""),
                    Some(format!("to run a configuration: corten run {name}")),
                ),
                None => (
                    format!("unknown command \"{name}\" for \"corten\""),
                    near(&text(ContextKind::SuggestedSubcommand)),
                ),
            }
        }
        ErrorKind::UnknownArgument if flag.starts_with("--") => {
            (format!("unknown flag: {flag}"), near(&text(ContextKind::SuggestedArg)))
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') && flag.len() > 1 => {
            (format!("unknown shorthand flag: {flag}"), None)
        }
        ErrorKind::UnknownArgument => {
            (format!("unexpected argument \"{argument}\""), Some("at most one path is taken".to_owned()))
        }
        ErrorKind::InvalidValue if value.is_empty() => (format!("flag needs an argument: {flag}"), None),
        ErrorKind::InvalidValue => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => Some(format!("expected one of {}", valid.join(", "))),
                _ => None,
            };
            (format!("invalid argument \"{value}\" for \"{flag}\" flag"), valid)
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            (format!("invalid argument \"{value}\" for \"{flag}\" flag: {why}"), None)
        }
        ErrorKind::MissingRequiredArgument => (format!("missing argument: {argument}"), None),
        ErrorKind::ArgumentConflict => {
            (format!("{argument} cannot be used with {}", text(ContextKind::PriorArg)), None)
        }
        _ => (error.kind().to_string(), None),
    };
    Failure::new(match help {
        Some(help) => format!("{message}\nhelp: {help}"),
        None => message,
    })
}

fn near(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| format!("did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    fn message(args: &[&str]) -> String {
        let all = std::iter::once("corten").chain(args.iter().copied());
        super::failure(&crate::cli::command().try_get_matches_from(all).expect_err("a mistake")).message
    }

    #[test]
    fn mistakes_are_named_with_what_to_do() {
        let cases: &[(&[&str], &str)] = &[
            (&["serve"], "unknown command \"serve\" for \"corten\""),
            (
                &["x.alloy"],
                "unknown command \"x.alloy\" for \"corten\"\nhelp: to run a configuration: corten run x.alloy",
            ),
            (&["rum"], "unknown command \"rum\" for \"corten\"\nhelp: did you mean run?"),
            (
                &["convert", "-f", "otelcol"],
                "the command \"convert\" is not implemented by Corten\n\
                 help: write the file in the Alloy syntax; `alloy convert` can do it once",
            ),
            (&["run", "--storage.pth=x"], "unknown flag: --storage.pth\nhelp: did you mean --storage.path?"),
            (&["run", "-x"], "unknown shorthand flag: -x"),
            (&["run", "a", "b"], "unexpected argument \"b\"\nhelp: at most one path is taken"),
            (&["run", "a", "--storage.path"], "flag needs an argument: --storage.path"),
            (
                &["run", "--stability.level=stable"],
                "invalid argument \"stable\" for \"--stability.level\" flag\n\
                 help: expected one of generally-available, public-preview, experimental",
            ),
            (
                &["run", "--feature.component-shutdown-deadline=soon"],
                "invalid argument \"soon\" for \"--feature.component-shutdown-deadline\" flag: \
                 expected a duration such as 30s or 10m0s",
            ),
            (&["run", "--data-cores=0"], "invalid argument \"0\" for \"--data-cores\" flag: expected 1 to 256"),
            (&["fmt", "-w", "-t", "x"], "--write cannot be used with --test"),
        ];
        for (args, expected) in cases {
            assert_eq!(message(args), *expected, "{args:?}");
        }
    }
}
