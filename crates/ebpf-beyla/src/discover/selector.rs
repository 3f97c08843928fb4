//! Rules that choose processes.

use regex::Regex;

use super::facts::Facts;
use super::ports::Ports;

/// A text to be matched: a glob, or an expression in the older blocks.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// `*`, `?`, `[a-z]`, `{a,b}`; the whole text must match.
    Glob(globset::GlobMatcher),
    /// RE2; anywhere in the text.
    Expression(Regex),
}

impl Pattern {
    /// Compiles a glob.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn glob(text: &str) -> Result<Self, String> {
        globset::GlobBuilder::new(text)
            .literal_separator(false)
            .build()
            .map(|glob| Self::Glob(glob.compile_matcher()))
            .map_err(|error| error.to_string())
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn expression(text: &str) -> Result<Self, String> {
        corten_signal::regexp::compile(text).map(Self::Expression)
    }

    /// Whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(text),
            Self::Expression(regex) => regex.is_match(text),
        }
    }
}

/// One rule: all that it says must hold.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// The service's name; empty leaves it to the process.
    pub name: String,
    /// The service's namespace.
    pub namespace: String,
    /// One of its ports.
    pub ports: Ports,
    /// The program's file.
    pub executable: Option<Pattern>,
    /// The command line, words joined by spaces.
    pub command: Option<Pattern>,
    /// Languages.
    pub languages: Option<Pattern>,
    /// Process numbers.
    pub pids: Vec<u32>,
    /// Only in containers.
    pub containers_only: bool,
    /// What goes out of it; empty is everything.
    pub exports: Vec<String>,
}

impl Selector {
    /// Whether it says anything at all.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
            && self.executable.is_none()
            && self.command.is_none()
            && self.languages.is_none()
            && self.pids.is_empty()
            && !self.containers_only
    }

    /// Whether a process is meant.
    pub fn matches(&self, process: &Facts) -> bool {
        let holds =
            |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
        !self.is_empty()
            && (self.ports.is_empty() || process.ports.iter().any(|port| self.ports.contains(*port)))
            && holds(&self.executable, &process.executable)
            && (self.command.is_none() || holds(&self.command, &process.command.join(" ")))
            && (self.languages.is_none() || (!process.system && holds(&self.languages, process.language.name())))
            && (self.pids.is_empty() || self.pids.contains(&process.pid))
            && (!self.containers_only || process.container.is_some())
    }

    /// Whether signals of this kind go out (`traces`, `metrics`).
    pub fn exports(&self, signal: &str) -> bool {
        self.exports.is_empty() || self.exports.iter().any(|known| known == signal)
    }
}

/// All rules.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What is observed; the first that matches names the service.
    pub include: Vec<Selector>,
    /// What is only told to be there.
    pub survey: Vec<Selector>,
    /// What is not, whatever is said above.
    pub exclude: Vec<Selector>,
    /// What is not, where the file does not say otherwise: collectors.
    pub default_exclude: Vec<Selector>,
}

impl Selection {
    /// The rule by which a process is observed, if it is.
    pub fn choose(&self, process: &Facts) -> Option<&Selector> {
        if self.exclude.iter().chain(&self.default_exclude).any(|rule| rule.matches(process)) {
            return None;
        }
        self.include.iter().find(|rule| rule.matches(process))
    }

    /// The rule by which it is only told that a process is there.
    pub fn survey(&self, process: &Facts) -> Option<&Selector> {
        let excluded = self.default_exclude.iter().any(|rule| rule.matches(process));
        self.survey.iter().find(|rule| !excluded && rule.matches(process))
    }

    /// Whether processes are meant that listen on nothing.
    pub fn needs_all(&self) -> bool {
        self.include.iter().chain(&self.survey).any(|rule| rule.ports.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::language::Language;

    fn process() -> Facts {
        Facts {
            pid: 7,
            executable: "/usr/bin/python3".to_owned(),
            command: ["python3", "-m", "http.server", "8080"].map(str::to_owned).to_vec(),
            ports: [8080].into(),
            language: Language::Python,
            ..Facts::default()
        }
    }

    fn rule(change: impl FnOnce(&mut Selector)) -> Selector {
        let mut rule = Selector::default();
        change(&mut rule);
        rule
    }

    #[test]
    fn all_that_a_rule_says_must_hold() {
        let port = rule(|rule| rule.ports = Ports::parse("8000-9000").unwrap());
        assert!(port.matches(&process()));
        let both = rule(|rule| {
            rule.ports = Ports::parse("8080").unwrap();
            rule.executable = Some(Pattern::glob("*/node").unwrap());
        });
        assert!(!both.matches(&process()));
        assert!(rule(|rule| rule.executable = Some(Pattern::glob("/usr/**/python*").unwrap())).matches(&process()));
        assert!(rule(|rule| rule.executable = Some(Pattern::expression("pyth.n").unwrap())).matches(&process()));
        assert!(rule(|rule| rule.command = Some(Pattern::glob("*http.server*").unwrap())).matches(&process()));
        assert!(rule(|rule| rule.languages = Some(Pattern::glob("{go,python}").unwrap())).matches(&process()));
        let python = rule(|rule| rule.languages = Some(Pattern::glob("*").unwrap()));
        assert!(python.matches(&process()) && !python.matches(&Facts { system: true, ..process() }));
        assert!(rule(|rule| rule.pids = vec![7]).matches(&process()));
        assert!(!rule(|rule| rule.containers_only = true).matches(&process()));
        assert!(!Selector::default().matches(&process()), "a rule that says nothing means nobody");
    }

    #[test]
    fn what_is_excluded_is_not_observed() {
        let everything = rule(|rule| rule.executable = Some(Pattern::glob("*").unwrap()));
        let python = rule(|rule| rule.executable = Some(Pattern::glob("*/python3").unwrap()));
        let named = rule(|rule| {
            rule.name = "shop".to_owned();
            rule.ports = Ports::parse("8080").unwrap();
        });
        let selection = Selection { include: vec![named, everything], ..Selection::default() };
        assert_eq!(selection.choose(&process()).unwrap().name, "shop");
        let selection = Selection { exclude: vec![python], ..selection };
        assert!(selection.choose(&process()).is_none());
    }
}
