//! The flags of `run` and `validate`: Alloy's, and a few of our own.

use std::time::Duration;

use clap::{Arg, ArgMatches};

/// What a flag's value is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text(&'static str),
    /// `--flag`, `--flag=true`, `--flag=false`.
    Switch(bool),
    Duration(&'static str),
    Number {
        default: &'static str,
        min: u32,
        max: u32,
    },
    Choice(&'static [&'static str]),
}

/// What comes of a flag.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// It does what it says.
    Works,
    /// Corten is always as the flag asks, or the flag asks for nothing that shows.
    Satisfied,
    /// Nothing; if it is given another value than the default, the log says why.
    None(&'static str),
}

pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) effect: Effect,
    pub(super) help: &'static str,
}

const fn works(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, kind, effect: Effect::Works, help }
}

const fn satisfied(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, kind, effect: Effect::Satisfied, help }
}

const fn inert(name: &'static str, kind: Kind, why: &'static str) -> Flag {
    Flag { name, kind, effect: Effect::None(why), help: why }
}

const CLUSTER: &str = "Clustering is not implemented by Corten; every instance works alone";
const PPROF: &str = "There are no Go profiles to serve";
const GRAPHQL: &str = "The GraphQL API is not implemented by Corten; /api/v0/web/components has the same facts";
const LEVELS: &[&str] = &["generally-available", "public-preview", "experimental"];

/// Flags of `run`, in the order of its help.
pub(super) const RUN: &[Flag] = &[
    works(
        "server.http.listen-addr",
        Kind::Text("127.0.0.1:12345"),
        "Address of the HTTP server (summary page, metrics, health, reload); port 0 takes a free one",
    ),
    works(
        "server.http.memory-addr",
        Kind::Text("alloy.internal:12345"),
        "Address by which components reach the HTTP server without the network",
    ),
    works("server.http.ui-path-prefix", Kind::Text("/"), "Prefix of the summary page and the web API"),
    works(
        "server.http.allowed-hosts",
        Kind::Text(""),
        "Host names, separated by commas, under which a proxy reaches a loopback HTTP server",
    ),
    works("server.http.disable-support-bundle", Kind::Switch(false), "Answer 403 on /-/support"),
    works("storage.path", Kind::Text("data-corten/"), "Directory for what must survive a restart"),
    works(
        "feature.component-shutdown-deadline",
        Kind::Duration("10m0s"),
        "How long the drain at the end may take before components are abandoned",
    ),
    works("data-cores", Kind::Number { default: "1", min: 1, max: 256 }, "CPU cores that carry the data path"),
    works("config.format", Kind::Text("alloy"), "Format of the configuration; only alloy is implemented"),
    satisfied(
        "stability.level",
        Kind::Choice(LEVELS),
        "Least stability allowed; all that Corten has is generally available",
    ),
    satisfied("disable-reporting", Kind::Switch(false), "Corten never reports usage"),
    satisfied(
        "feature.community-components.enabled",
        Kind::Switch(false),
        "There is no separate set of community components",
    ),
    inert("server.http.enable-pprof", Kind::Switch(true), PPROF),
    inert("server.http.enable-graphql", Kind::Switch(false), GRAPHQL),
    inert("server.http.enable-graphql-playground", Kind::Switch(false), GRAPHQL),
    inert("config.bypass-conversion-errors", Kind::Switch(false), "Nothing is converted"),
    inert("config.extra-args", Kind::Text(""), "Nothing is converted"),
    inert("cluster.enabled", Kind::Switch(false), CLUSTER),
    inert("cluster.node-name", Kind::Text(""), CLUSTER),
    inert("cluster.advertise-address", Kind::Text(""), CLUSTER),
    inert("cluster.join-addresses", Kind::Text(""), CLUSTER),
    inert("cluster.discover-peers", Kind::Text(""), CLUSTER),
    inert("cluster.name", Kind::Text(""), CLUSTER),
    inert("cluster.advertise-interfaces", Kind::Text("eth0,en0"), CLUSTER),
    inert("cluster.rejoin-interval", Kind::Duration("1m0s"), CLUSTER),
    inert("cluster.max-join-peers", Kind::Number { default: "5", min: 0, max: u32::MAX }, CLUSTER),
    inert("cluster.enable-tls", Kind::Switch(false), CLUSTER),
    inert("cluster.tls-ca-path", Kind::Text(""), CLUSTER),
    inert("cluster.tls-cert-path", Kind::Text(""), CLUSTER),
    inert("cluster.tls-key-path", Kind::Text(""), CLUSTER),
    inert("cluster.tls-server-name", Kind::Text(""), CLUSTER),
    inert("cluster.wait-for-size", Kind::Number { default: "0", min: 0, max: u32::MAX }, CLUSTER),
    inert("cluster.wait-timeout", Kind::Duration("0s"), CLUSTER),
    inert("cluster.use-discovery-v1", Kind::Switch(false), CLUSTER),
    inert("feature.prometheus.direct-fanout.enabled", Kind::Switch(false), "Fan-out is always direct"),
    inert("feature.prometheus.metric-validation-scheme", Kind::Text("legacy"), "Deprecated in Alloy too"),
    inert("windows.priority", Kind::Text("normal"), "This is not Windows"),
];

/// Those of them that `validate` has too.
const VALIDATE: &[&str] = &[
    "config.format",
    "config.bypass-conversion-errors",
    "config.extra-args",
    "stability.level",
    "feature.community-components.enabled",
];

pub(super) fn run_args() -> impl Iterator<Item = Arg> {
    RUN.iter().map(arg)
}

pub(super) fn validate_args() -> impl Iterator<Item = Arg> {
    RUN.iter().filter(|flag| VALIDATE.contains(&flag.name)).map(arg)
}

fn arg(flag: &Flag) -> Arg {
    let arg = Arg::new(flag.name).long(flag.name).help(flag.help);
    let arg = match flag.effect {
        Effect::Works => arg,
        Effect::Satisfied => arg.help_heading("Of Alloy, already so").hide_short_help(true),
        Effect::None(_) => arg.help_heading("Of Alloy, without effect here").hide_short_help(true),
    };
    match flag.kind {
        Kind::Text(default) => arg.value_name("TEXT").default_value(default).hide_default_value(default.is_empty()),
        Kind::Switch(default) => arg
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value(if default { "true" } else { "false" })
            .value_parser(switch),
        Kind::Duration(default) => arg.value_name("DURATION").default_value(default).value_parser(duration),
        Kind::Number { default, min, max } => {
            arg.value_name("NUMBER").default_value(default).value_parser(move |text: &str| number(text, min, max))
        }
        Kind::Choice(choices) => {
            let arg =
                arg.value_name("LEVEL").value_parser(clap::builder::PossibleValuesParser::new(choices.iter().copied()));
            choices.iter().take(1).fold(arg, |arg, first| arg.default_value(*first))
        }
    }
}

fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    text.parse().ok().filter(|number| (min..=max).contains(number)).ok_or_else(|| format!("expected {min} to {max}"))
}

/// As Go reads a bool.
fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let nanos = corten_syntax::value::parse_duration(text).ok().and_then(|nanos| u64::try_from(nanos).ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| "expected a duration such as 30s or 10m0s".to_owned())
}

pub(super) fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

pub(super) fn is_on(matches: &ArgMatches, name: &str) -> bool {
    matches.get_one::<bool>(name).copied().unwrap_or_default()
}

/// Whether the user wrote it.
pub(super) fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
}

/// Flags that the user gave another value than the default, and that do nothing.
pub(super) fn without_effect(matches: &ArgMatches) -> Vec<(&'static str, &'static str)> {
    RUN.iter()
        .filter_map(|flag| match flag.effect {
            Effect::None(why) if is_given(matches, flag.name) && differs(matches, flag) => Some((flag.name, why)),
            _ => None,
        })
        .collect()
}

fn differs(matches: &ArgMatches, flag: &Flag) -> bool {
    match flag.kind {
        Kind::Text(default) => text(matches, flag.name) != default,
        Kind::Switch(default) => is_on(matches, flag.name) != default,
        Kind::Number { default, .. } => matches.get_one::<u32>(flag.name).copied() != default.parse().ok(),
        Kind::Duration(default) => matches.get_one::<Duration>(flag.name).copied() != duration(default).ok(),
        Kind::Choice(_) => false,
    }
}

/// What must hold between flags.
pub(super) fn check(matches: &ArgMatches) -> Result<(), super::Failure> {
    let format = text(matches, "config.format");
    if format != "alloy" {
        return Err(super::Failure::new(format!(
            "--config.format={format} is not implemented by Corten\n\
             help: write the file in the Alloy syntax; `alloy convert` can do it once"
        )));
    }
    let level = text(matches, "stability.level");
    for flag in ["server.http.enable-graphql", "server.http.enable-graphql-playground"] {
        // `validate` does not have these.
        if matches.try_get_one::<bool>(flag).is_ok_and(|on| on == Some(&true)) && level != "experimental" {
            return Err(super::Failure::new(format!(
                "'--{flag}' can only be used at experimental stability level. \
                 Use --stability.level=experimental to enable."
            )));
        }
    }
    Ok(())
}
