//! Which group a process belongs to: `matcher` blocks in order, the first that matches names it.

use std::collections::{BTreeMap, HashMap};

use corten_component::Arguments;
use corten_signal::regexp;
use regex::Regex;

use super::template::Template;

/// One way to choose processes and to name their group. All selectors that are written must match.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct MatcherArguments {
    /// The group's name: text with `{{.Comm}}`, `{{.ExeBase}}`, `{{.ExeFull}}`, `{{.Username}}`, `{{.PID}}`,
    /// `{{.StartTime}}`, `{{.Matches.NAME}}`, `{{.Cgroups}}`. Not written: `{{.ExeBase}}`.
    pub name: String,
    /// Names of programs as the kernel keeps them (15 bytes at most), of which one must be equal.
    pub comm: Vec<String>,
    /// First words of command lines, of which one must be equal; without a slash, their last part must be.
    pub exe: Vec<String>,
    /// Regular expressions that must all match somewhere in the command line; named groups become `.Matches`.
    pub cmdline: Vec<String>,
}

/// What a process is chosen and named by.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attributes {
    pub(crate) comm: String,
    pub(crate) cmdline: Vec<String>,
    pub(crate) cgroups: Vec<String>,
    pub(crate) username: String,
    pub(crate) pid: u32,
    /// Seconds since the epoch.
    pub(crate) start: f64,
    /// What named groups of `cmdline` matched.
    pub(crate) matches: BTreeMap<String, String>,
}

impl Attributes {
    /// The first word of the command line; the program's name if there is none, as for threads of the kernel.
    pub(crate) fn exe_full(&self) -> &str {
        self.cmdline.first().map_or(&self.comm, |first| first)
    }

    pub(crate) fn exe_base(&self) -> &str {
        match self.cmdline.first() {
            Some(first) => base(first),
            None => &self.comm,
        }
    }
}

/// The last part of a path, without slashes at its end; `.` of nothing.
fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (trimmed.is_empty(), path.is_empty()) {
        (true, true) => ".",
        (true, false) => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

struct Matcher {
    comm: Vec<String>,
    /// By last part: the whole path that is wanted, or nothing if any is.
    exe: Option<HashMap<String, Option<String>>>,
    cmdline: Vec<Regex>,
    name: Template,
}

/// All matchers.
pub(crate) struct Matchers(Vec<Matcher>);

impl Matchers {
    /// Reads the blocks.
    ///
    /// # Errors
    /// Which is wrong and how, for a person.
    pub(crate) fn new(blocks: &[MatcherArguments]) -> Result<Self, String> {
        blocks.iter().map(Matcher::new).collect::<Result<_, _>>().map(Self)
    }

    /// The name of the group that the process belongs to, if it belongs to one. Notes what expressions matched.
    pub(crate) fn name(&self, process: &mut Attributes) -> Option<String> {
        self.0.iter().find_map(|matcher| matcher.name(process))
    }
}

impl Matcher {
    fn new(block: &MatcherArguments) -> Result<Self, String> {
        if block.comm.is_empty() && block.exe.is_empty() && block.cmdline.is_empty() {
            return Err("no matchers provided: a matcher block needs at least one of comm, exe and cmdline".to_owned());
        }
        let wanted = |exe: &String| match exe.contains('/') {
            true => (base(exe).to_owned(), Some(exe.clone())),
            false => (exe.clone(), None),
        };
        let template = if block.name.is_empty() { "{{.ExeBase}}" } else { &block.name };
        Ok(Self {
            comm: block.comm.clone(),
            exe: (!block.exe.is_empty()).then(|| block.exe.iter().map(wanted).collect()),
            cmdline: block.cmdline.iter().map(|text| regexp::compile(text)).collect::<Result<_, _>>()?,
            name: Template::parse(template).map_err(|why| format!("bad name template {template:?}: {why}"))?,
        })
    }

    fn name(&self, process: &mut Attributes) -> Option<String> {
        if !self.comm.is_empty() && !self.comm.contains(&process.comm) {
            return None;
        }
        if let Some(exe) = &self.exe {
            let first = process.cmdline.first()?;
            match exe.get(base(first))? {
                Some(path) if path != first => return None,
                _ => {}
            }
        }
        process.matches = self.captures(process)?;
        Some(self.name.render(process))
    }

    fn captures(&self, process: &Attributes) -> Option<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        if self.cmdline.is_empty() {
            return Some(found);
        }
        let line = process.cmdline.join(" ");
        for regex in &self.cmdline {
            let captures = regex.captures(&line)?;
            for (name, value) in regex.capture_names().zip(captures.iter()) {
                if let Some(name) = name {
                    found.insert(name.to_owned(), value.map_or("", |value| value.as_str()).to_owned());
                }
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(comm: &str, cmdline: &[&str]) -> Attributes {
        let cmdline = cmdline.iter().map(|&word| word.to_owned()).collect();
        Attributes { comm: comm.into(), cmdline, ..Attributes::default() }
    }

    fn block(name: &str, comm: &[&str], exe: &[&str], cmdline: &[&str]) -> MatcherArguments {
        let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        MatcherArguments { name: name.into(), comm: list(comm), exe: list(exe), cmdline: list(cmdline) }
    }

    fn name(blocks: &[MatcherArguments], comm: &str, cmdline: &[&str]) -> Option<String> {
        Matchers::new(blocks).unwrap().name(&mut process(comm, cmdline))
    }

    #[test]
    fn an_exe_with_a_slash_is_the_whole_path_and_one_without_its_last_part() {
        let blocks = [block("", &[], &["bash"], &[]), block("", &[], &["/bin/ksh"], &[])];
        assert_eq!(name(&blocks, "bash", &["/bin/bash"]).as_deref(), Some("bash"));
        assert_eq!(name(&blocks, "bash", &["bash", "-c"]).as_deref(), Some("bash"));
        assert_eq!(name(&blocks, "ksh", &["/bin/ksh"]).as_deref(), Some("ksh"));
        assert_eq!(name(&blocks, "ksh", &["ksh"]), None);
        assert_eq!(name(&blocks, "bash", &[]), None, "a thread of the kernel has no command line");
    }

    #[test]
    fn the_first_matcher_wins_and_all_its_selectors_must_match() {
        let blocks = [
            block("server", &["java"], &[], &["-server", "-jar (?P<jar>[^ /]+)\\.jar"]),
            block("{{.Matches.jar}}", &["java"], &[], &["-jar (?P<jar>[^ /]+)\\.jar"]),
            block("other", &["java", "python"], &[], &[]),
        ];
        assert_eq!(name(&blocks, "java", &["java", "-server", "-jar", "x.jar"]).as_deref(), Some("server"));
        assert_eq!(name(&blocks, "java", &["java", "-jar", "x.jar"]).as_deref(), Some("x"));
        assert_eq!(name(&blocks, "java", &["java", "-jar", "lib/x.jar"]).as_deref(), Some("other"));
        assert_eq!(name(&blocks, "bash", &["bash"]), None);
        assert_eq!(name(&[], "bash", &["bash"]), None);
    }

    #[test]
    fn the_default_name_of_a_kernel_thread_is_its_own() {
        assert_eq!(name(&[block("", &["kthreadd"], &[], &[])], "kthreadd", &[]).as_deref(), Some("kthreadd"));
    }

    #[test]
    fn mistakes_are_told() {
        for (block, part) in [
            (block("x", &[], &[], &[]), "at least one of comm, exe and cmdline"),
            (block("{{.X}}", &["a"], &[], &[]), "bad name template"),
            (block("", &[], &[], &["("]), "error parsing regexp"),
        ] {
            let error = Matchers::new(&[block]).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn last_parts_are_those_of_paths() {
        for (path, expected) in [("", "."), ("/", "/"), ("//", "/"), ("/a/b/", "b"), ("a", "a")] {
            assert_eq!(base(path), expected);
        }
    }
}
