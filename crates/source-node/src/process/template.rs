//! Names of groups: the part of Go's templates that makes sense for them.
//!
//! `{{.Comm}}`, `{{ .Matches.name }}`, `{{index .Cgroups 0}}`, comments, and `{{-` `-}}` which take the white space
//! beside them away. Everything else is a mistake that is told when the file loads.

use super::matcher::Attributes;

const FIELDS: [&str; 8] = ["Cgroups", "Comm", "ExeBase", "ExeFull", "Username", "PID", "StartTime", "Matches"];

/// What a map has for a key that it lacks, as Go prints it.
const NO_VALUE: &str = "<no value>";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
    /// `.Matches.name`.
    Match(String),
    /// `index .Matches "name"`.
    MatchIndex(String),
    /// `index .Cgroups 0`.
    Cgroup(usize),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut trim = false;
        loop {
            let (before, action) = match rest.split_once("{{") {
                Some((before, action)) => (before, Some(action)),
                None => (rest, None),
            };
            let mut literal = if trim { before.trim_start_matches(white) } else { before };
            let Some(action) = action else {
                push_text(&mut parts, literal);
                return Ok(Self(parts));
            };
            let Some((mut inside, after)) = action.split_once("}}") else {
                return Err(format!("`{{{{` without `}}}}` in {text:?}"));
            };
            if let Some(cut) = inside.strip_prefix('-').filter(|cut| cut.starts_with(white)) {
                inside = cut;
                literal = literal.trim_end_matches(white);
            }
            let cut = inside.strip_suffix('-').filter(|cut| cut.ends_with(white));
            trim = cut.is_some();
            push_text(&mut parts, literal);
            parts.extend(action_of(cut.unwrap_or(inside).trim_matches(white))?);
            rest = after;
        }
    }

    /// The name of a process's group.
    pub(crate) fn render(&self, process: &Attributes) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(name) => field(name, process, &mut out),
                Part::Match(name) => out.push_str(process.matches.get(name).map_or(NO_VALUE, String::as_str)),
                Part::MatchIndex(name) => out.push_str(process.matches.get(name).map_or("", String::as_str)),
                Part::Cgroup(number) => out.push_str(process.cgroups.get(*number).map_or("", String::as_str)),
            }
        }
        out
    }
}

fn white(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn action_of(action: &str) -> Result<Option<Part>, String> {
    if action.starts_with("/*") && action.ends_with("*/") && action.len() >= 4 {
        return Ok(None);
    }
    if let Some(path) = action.strip_prefix('.') {
        return path_of(path).map(Some);
    }
    if let Some(arguments) = action.strip_prefix("index").filter(|rest| rest.starts_with(white)) {
        return index_of(arguments.trim_matches(white)).map(Some);
    }
    Err(format!("`{{{{{action}}}}}` is not understood; write a field such as `{{{{.ExeBase}}}}`"))
}

fn path_of(path: &str) -> Result<Part, String> {
    let (name, key) = match path.split_once('.') {
        Some((name, key)) => (name, Some(key)),
        None => (path, None),
    };
    let Some(known) = FIELDS.into_iter().find(|known| *known == name) else {
        return Err(format!("a process has no field {name:?}; it has {}", FIELDS.join(", ")));
    };
    match key {
        None => Ok(Part::Field(known)),
        Some(key) if known == "Matches" && is_word(key) => Ok(Part::Match(key.to_owned())),
        Some(key) => Err(format!("`.{known}.{key}` does not exist; only `.Matches` has names below it")),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

fn index_of(arguments: &str) -> Result<Part, String> {
    let bad =
        || format!("`index {arguments}` is not understood; write `index .Matches \"name\"` or `index .Cgroups 0`");
    let (of, key) = arguments.split_once(white).ok_or_else(bad)?;
    let key = key.trim_matches(white);
    match of {
        ".Matches" => {
            let name = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).ok_or_else(bad)?;
            Ok(Part::MatchIndex(name.to_owned()))
        }
        ".Cgroups" => Ok(Part::Cgroup(key.parse().map_err(|_| bad())?)),
        _ => Err(bad()),
    }
}

fn field(name: &str, process: &Attributes, out: &mut String) {
    match name {
        "Comm" => out.push_str(&process.comm),
        "ExeBase" => out.push_str(process.exe_base()),
        "ExeFull" => out.push_str(process.exe_full()),
        "Username" => out.push_str(&process.username),
        "PID" => out.push_str(&process.pid.to_string()),
        "StartTime" => out.push_str(&time(process.start)),
        "Cgroups" => out.push_str(&format!("[{}]", process.cgroups.join(" "))),
        _ => {
            let pairs: Vec<_> = process.matches.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            out.push_str(&format!("map[{}]", pairs.join(" ")));
        }
    }
}

/// Seconds since the epoch as Go prints a time in UTC: `2017-10-19 22:52:51.19 +0000 UTC`.
fn time(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest whole number")]
    let hundredths = (seconds * 100.0).round() as i64;
    let (whole, fraction) = (hundredths.div_euclid(100), hundredths.rem_euclid(100));
    let (day, second) = (whole.div_euclid(86_400), whole.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let fraction = match fraction {
        0 => String::new(),
        tenth if tenth % 10 == 0 => format!(".{}", tenth / 10),
        hundredth => format!(".{hundredth:02}"),
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC")
}

/// The date of a day since 1970-01-01, in the Gregorian calendar. Years begin in March here, so that the leap day is
/// the last; 400 years are a period of 146,097 days.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn process() -> Attributes {
        Attributes {
            comm: "postmaster".into(),
            cmdline: vec!["/usr/bin/postmaster".into(), "-D".into(), "/data/pg".into()],
            cgroups: vec!["/system.slice/pg.service".into(), "/".into()],
            username: "postgres".into(),
            pid: 23,
            start: 1_508_453_571.19,
            matches: [("Path".to_owned(), "pg".to_owned())].into(),
        }
    }

    #[test]
    fn fields_become_what_the_process_has() {
        for (template, expected) in [
            ("{{.ExeBase}}:{{.Matches.Path}}", "postmaster:pg"),
            ("{{.ExeFull}}:{{.PID}}", "/usr/bin/postmaster:23"),
            ("{{ .Username }}/{{ .Comm }}", "postgres/postmaster"),
            ("{{.StartTime}}", "2017-10-19 22:52:51.19 +0000 UTC"),
            ("{{.Cgroups}}", "[/system.slice/pg.service /]"),
            ("{{index .Cgroups 0}}", "/system.slice/pg.service"),
            ("{{index .Cgroups 9}}", ""),
            ("{{.Matches}}", "map[Path:pg]"),
            ("{{.Matches.None}}", "<no value>"),
            ("{{index .Matches \"Path\"}}{{ index .Matches \"None\" }}", "pg"),
            ("a {{- .PID -}} b{{/* nothing */}}", "a23b"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(Template::parse(template).unwrap().render(&process()), expected, "{template}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (template, part) in [
            ("{{.ExeBase", "without"),
            ("{{.Exe}}", "ExeBase"),
            ("{{.Comm.x}}", "only `.Matches`"),
            ("{{if .PID}}", "not understood"),
            ("{{index .Cgroups x}}", "not understood"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(part), "{template}: {error}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0.0, "1970-01-01 00:00:00 +0000 UTC"),
            (951_782_400.0, "2000-02-29 00:00:00 +0000 UTC"),
            (4_107_542_399.5, "2100-02-28 23:59:59.5 +0000 UTC"),
            (4_107_542_400.0, "2100-03-01 00:00:00 +0000 UTC"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(template in r"[{}. \-a-zA-Z0-9/*]{0,40}") {
            if let Ok(parsed) = Template::parse(&template) {
                parsed.render(&process());
            }
        }

        #[test]
        fn text_without_braces_stays(text in "[^{}]{0,40}") {
            prop_assert_eq!(Template::parse(&text).unwrap().render(&process()), text);
        }
    }
}
