//! Which attributes are told: `attributes` > `select`.
//!
//! A rule is about metrics whose name its glob matches, or about `traces` or `resource`. Rules come in the order of
//! their names, so that `*` is before `http_*` and that before `http_server_*`. The first one without `include` begins
//! with what is told by default. Names may be written with dots or underscores, of OpenTelemetry or of Prometheus.

use crate::discover::Pattern;

#[derive(Debug, Clone)]
struct Rule {
    section: String,
    about: Pattern,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

/// All rules.
#[derive(Debug, Clone, Default)]
pub struct Select(Vec<Rule>);

impl Select {
    /// Adds a rule; one of the same name is replaced.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn add(&mut self, name: &str, include: &[String], exclude: &[String]) -> Result<(), String> {
        let globs =
            |globs: &[String]| globs.iter().map(|glob| Pattern::glob(&dotted(glob))).collect::<Result<Vec<_>, _>>();
        let section = section(name);
        let rule =
            Rule { about: Pattern::glob(&section)?, section, include: globs(include)?, exclude: globs(exclude)? };
        self.0.retain(|known| known.section != rule.section);
        let at = self.0.partition_point(|known| known.section < rule.section);
        self.0.insert(at, rule);
        Ok(())
    }

    /// Those of a metric's attributes that are told. Each comes with whether it is told by default.
    pub fn shown(&self, metric: &str, attributes: &[(&'static str, bool)]) -> Vec<&'static str> {
        let default = |(name, shown): &(&'static str, bool)| shown.then_some(*name);
        let mut rules = self.0.iter().filter(|rule| rule.about.matches(metric)).peekable();
        let mut all: Vec<&'static str> = match rules.peek() {
            Some(first) if !first.include.is_empty() => Vec::new(),
            _ => attributes.iter().filter_map(default).collect(),
        };
        for rule in rules {
            for (name, _) in attributes {
                if !all.contains(name) && matches(&rule.include, name) {
                    all.push(name);
                }
            }
            all.retain(|name| !matches(&rule.exclude, name));
        }
        all
    }

    /// Whether an attribute of a resource is told.
    pub fn has_resource(&self, attribute: &str) -> bool {
        self.0.iter().filter(|rule| rule.section == "resource").all(|rule| {
            (rule.include.is_empty() || matches(&rule.include, attribute)) && !matches(&rule.exclude, attribute)
        })
    }

    /// Whether an attribute that spans always have is told.
    pub fn has_span(&self, attribute: &str) -> bool {
        self.0.iter().filter(|rule| rule.section == "traces").all(|rule| !matches(&rule.exclude, attribute))
    }

    /// Whether there are no rules about resources or spans.
    pub fn is_plain(&self) -> bool {
        !self.0.iter().any(|rule| matches!(rule.section.as_str(), "resource" | "traces"))
    }
}

fn matches(globs: &[Pattern], name: &str) -> bool {
    let name = dotted(name);
    globs.iter().any(|glob| glob.matches(&name))
}

fn dotted(name: &str) -> String {
    name.replace('_', ".")
}

/// A metric's name without what Prometheus adds to it.
fn section(name: &str) -> String {
    let name = dotted(name);
    let without =
        |name: &str, ends: &[&str]| ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned();
    let name = without(&name, &[".ratio", ".bucket", ".sum", ".count", ".total"]);
    without(&name, &[".bytes", ".seconds"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, bool); 4] =
        [("http.route", true), ("http.request.method", true), ("url.path", false), ("server.address", false)];

    fn shown(rules: &[(&str, &[&str], &[&str])], metric: &str) -> Vec<&'static str> {
        let mut select = Select::default();
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>();
        for (name, include, exclude) in rules {
            select.add(name, &owned(include), &owned(exclude)).unwrap();
        }
        select.shown(metric, &ALL)
    }

    #[test]
    fn without_rules_the_defaults_are_told() {
        assert_eq!(shown(&[], "http.server.request.duration"), ["http.route", "http.request.method"]);
        let other: &[(&str, &[&str], &[&str])] = &[("rpc_*", &["*"], &[])];
        assert_eq!(shown(other, "http.server.request.duration"), ["http.route", "http.request.method"]);
    }

    #[test]
    fn names_may_be_written_in_either_way() {
        for name in
            ["http_server_request_duration_seconds_bucket", "http.server.request.duration", "http_server_*", "*"]
        {
            assert_eq!(shown(&[(name, &["url_path"], &[])], "http.server.request.duration"), ["url.path"], "{name}");
        }
        assert_eq!(shown(&[("*", &[], &["http.*"])], "http.server.request.duration"), [""; 0]);
    }

    #[test]
    fn narrower_rules_come_later() {
        let rules: &[(&str, &[&str], &[&str])] =
            &[("http_client_*", &["http_route"], &[]), ("http_*", &["*"], &["http_route", "url.*"])];
        assert_eq!(shown(rules, "http.server.request.duration"), ["http.request.method", "server.address"]);
        assert_eq!(
            shown(rules, "http.client.request.duration"),
            ["http.request.method", "server.address", "http.route"]
        );
    }

    #[test]
    fn resources_and_spans_have_rules_of_their_own() {
        let mut select = Select::default();
        assert!(select.is_plain() && select.has_resource("host.name") && select.has_span("client.address"));
        select.add("resource", &[], &["host.*".to_owned()]).unwrap();
        select.add("traces", &["url.query".to_owned()], &["client.address".to_owned()]).unwrap();
        assert!(!select.is_plain() && !select.has_resource("host.name") && select.has_resource("service.name"));
        assert!(!select.has_span("client.address") && select.has_span("http.route"));
        assert!(select.add("[", &[], &[]).is_err());
    }
}
