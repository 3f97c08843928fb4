//! Paths to routes: `/users/17` to `/users/{id}` by what the user wrote, else by what looks like a value.
//!
//! Routes name metrics series, so that their number has to stay small whatever clients ask for. Source: Beyla's
//! documentation of its routes decorator.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The most routes that are given to one service; what comes after is the wildcard.
const ROUTES: usize = 500;
/// The most segments that are looked at.
const SEGMENTS: usize = 12;
/// The most services that have routes.
const SERVICES: usize = 2000;

/// What becomes of a path that no pattern matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, corten_component::Enumeration)]
pub enum Unmatched {
    /// No route.
    Unset,
    /// The path itself: only for services whose paths are few.
    Path,
    /// One for all.
    Wildcard,
    /// What looks like a value becomes a wildcard.
    #[default]
    Heuristic,
    /// The same, and a place in a path that takes many values becomes a wildcard too.
    #[arg(name = "low-cardinality")]
    LowCardinality,
}

/// How routes are made.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteRules {
    /// Patterns in order: `/users/{id}`, `/users/:id`, `/static/*` for all below.
    pub patterns: Vec<String>,
    /// Paths that are not told at all.
    pub ignored: Vec<String>,
    /// What becomes of the rest.
    pub unmatched: Unmatched,
    /// What stands for a value.
    pub wildcard: String,
    /// How many values a place in a path may take.
    pub cardinality: usize,
}

impl Default for RouteRules {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            ignored: Vec::new(),
            unmatched: Unmatched::default(),
            wildcard: "*".to_owned(),
            cardinality: 10,
        }
    }
}

/// Gives routes.
#[derive(Debug)]
pub struct Routes {
    rules: RouteRules,
    patterns: Vec<Pattern>,
    ignored: Vec<Pattern>,
    services: HashMap<String, Known>,
}

/// What a service's paths were.
#[derive(Debug, Default)]
struct Known {
    routes: HashSet<String>,
    /// By what precedes a segment, the values that it took.
    segments: HashMap<String, HashSet<String>>,
}

impl Routes {
    /// By these rules.
    pub fn new(rules: RouteRules) -> Self {
        let compile = |patterns: &[String]| patterns.iter().map(|pattern| Pattern::new(pattern)).collect();
        let (patterns, ignored) = (compile(&rules.patterns), compile(&rules.ignored));
        Self { rules, patterns, ignored, services: HashMap::new() }
    }

    /// Whether the path is not told.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.ignored.iter().any(|pattern| pattern.matches(path))
    }

    /// The route of a path; empty if it has none.
    pub fn route(&mut self, service: &str, path: &str) -> String {
        if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.matches(path)) {
            return pattern.text.clone();
        }
        let all = format!("/{0}{0}", self.rules.wildcard);
        let route = match self.rules.unmatched {
            Unmatched::Unset => return String::new(),
            Unmatched::Wildcard => return all,
            Unmatched::Path => path.to_owned(),
            Unmatched::Heuristic => self.guess(path),
            Unmatched::LowCardinality => {
                let guess = self.guess(path);
                self.narrow(service, &guess)
            }
        };
        match self.known(service) {
            Some(known) if known.routes.contains(&route) => route,
            Some(known) if known.routes.len() < ROUTES => {
                known.routes.insert(route.clone());
                route
            }
            _ => all,
        }
    }

    fn known(&mut self, service: &str) -> Option<&mut Known> {
        if !self.services.contains_key(service) {
            if self.services.len() >= SERVICES {
                return None;
            }
            self.services.insert(service.to_owned(), Known::default());
        }
        self.services.get_mut(service)
    }

    /// The path with a wildcard for each segment that looks like a value.
    fn guess(&self, path: &str) -> String {
        let wildcard = self.rules.wildcard.as_str();
        let mut segments = path.trim_start_matches('/').split('/');
        let mut route = String::new();
        for segment in segments.by_ref().take(SEGMENTS) {
            route.push('/');
            route.push_str(if is_value(segment) { wildcard } else { segment });
        }
        if segments.next().is_some() {
            route.push('/');
            route.push_str(wildcard);
        }
        route
    }

    /// A wildcard for each segment that has taken too many values.
    fn narrow(&mut self, service: &str, path: &str) -> String {
        let (wildcard, most) = (self.rules.wildcard.clone(), self.rules.cardinality);
        let Some(known) = self.known(service) else { return format!("/{wildcard}") };
        let mut route = String::new();
        for segment in path.trim_start_matches('/').split('/') {
            if known.segments.len() >= ROUTES && !known.segments.contains_key(&route) {
                return format!("{route}/{wildcard}");
            }
            let values = known.segments.entry(route.clone()).or_default();
            let fits = segment == wildcard || values.contains(segment) || values.len() < most;
            if fits && segment != wildcard {
                values.insert(segment.to_owned());
            }
            route.push('/');
            route.push_str(if fits { segment } else { &wildcard });
        }
        route
    }
}

/// Whether a segment looks like a value rather than a word of an interface.
fn is_value(segment: &str) -> bool {
    // What is before a dot counts, so that `17.json` is a value.
    let segment = percent_decoded(segment);
    let name = segment.rsplit_once('.').map_or(&*segment, |(name, _)| name);
    if name.is_empty() || is_version(name) {
        return false;
    }
    let count = |of: fn(char) -> bool| name.chars().filter(|c| of(*c)).count();
    let (all, digits) = (name.chars().count(), count(|c| c.is_ascii_digit()));
    let (letters, hex) = (count(|c| c.is_ascii_alphabetic()), count(|c| c.is_ascii_hexdigit()));
    let (upper, lower) = (count(|c| c.is_ascii_uppercase()), count(|c| c.is_ascii_lowercase()));
    let dashes = count(|c| matches!(c, '-' | '_'));
    digits + dashes == all
        || (digits > 0 && hex + dashes == all && all >= 8)
        || name.contains('@')
        || all > 40
        || (digits > 1 && digits * 3 >= all)
        // Base64 and the like: long, with capitals and small letters mixed with digits.
        || (all >= 16 && dashes == 0 && digits > 1 && upper > 1 && lower > 1)
        || letters * 2 < all
}

/// `v1`, `v2beta`.
fn is_version(name: &str) -> bool {
    let digits = name.strip_prefix('v').map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    name.len() <= 8 && digits.is_some_and(|digits| digits > 0)
}

fn percent_decoded(segment: &str) -> Cow<'_, str> {
    match segment.contains('%') {
        // What is written in escapes is a value or a text of some language: the letters between tell.
        true => Cow::Owned(segment.replace('%', "")),
        false => Cow::Borrowed(segment),
    }
}

/// A pattern that a user wrote.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// `{id}` or `:id`.
    Any,
    /// `*`: everything from here on.
    Rest,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let segment = |segment: &str| match segment {
            "*" | "**" => Segment::Rest,
            _ if segment.starts_with(':') || (segment.starts_with('{') && segment.ends_with('}')) => Segment::Any,
            _ => Segment::Text(segment.to_owned()),
        };
        Self { text: text.to_owned(), segments: parts(text).map(segment).collect() }
    }

    fn matches(&self, path: &str) -> bool {
        let mut path = parts(path);
        for segment in &self.segments {
            match (segment, path.next()) {
                (Segment::Rest, _) => return true,
                (Segment::Any, Some(_)) => {}
                (Segment::Text(text), Some(part)) if text == part => {}
                _ => return false,
            }
        }
        path.next().is_none()
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routes(patterns: &[&str], unmatched: Unmatched) -> Routes {
        let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Routes::new(RouteRules { patterns, unmatched, ..RouteRules::default() })
    }

    #[test]
    fn patterns_come_first() {
        let mut routes = routes(&["/user/{id}", "/user/:id/basket/{product}", "/static/*"], Unmatched::Unset);
        for (path, route) in [
            ("/user/123", "/user/{id}"),
            ("/user/a/basket/3", "/user/:id/basket/{product}"),
            ("/static/a/b.css", "/static/*"),
            ("/user", ""),
            ("/user/1/2", ""),
        ] {
            assert_eq!(routes.route("s", path), route, "{path}");
        }
    }

    #[test]
    fn values_are_told_from_words() {
        let mut routes = routes(&[], Unmatched::Heuristic);
        for (path, route) in [
            ("/", "/"),
            ("/users/17", "/users/*"),
            ("/api/v1/orders/550e8400-e29b-41d4-a716-446655440000/items", "/api/v1/orders/*/items"),
            ("/files/deadbeef01", "/files/*"),
            ("/login", "/login"),
            ("/a-long-but-readable-name", "/a-long-but-readable-name"),
            ("/products/17.json", "/products/*"),
            ("/index.html", "/index.html"),
            ("/mail/jane@example.org", "/mail/*"),
            ("/t/aGVsbG8gd29ybGQhIQ9Zx0", "/t/*"),
            ("/oauth2/token", "/oauth2/token"),
            ("/s3/bucket", "/s3/bucket"),
            ("/q/%D0%B0%D0%B1", "/q/*"),
        ] {
            assert_eq!(routes.route("s", path), route, "{path}");
        }
    }

    #[test]
    fn a_place_that_takes_many_values_becomes_a_wildcard() {
        let mut routes = routes(&[], Unmatched::LowCardinality);
        let names = ["ada", "bob", "cleo", "dan", "eve", "fay", "gus", "hal", "ivy", "jon", "kim", "lea"];
        let given: Vec<_> = names.iter().map(|name| routes.route("s", &format!("/u/{name}/x"))).collect();
        assert_eq!(given[9], "/u/jon/x");
        assert_eq!((given[10].as_str(), given[11].as_str()), ("/u/*/x", "/u/*/x"));
        assert_eq!(routes.route("other", "/u/kim/x"), "/u/kim/x");
    }

    #[test]
    fn other_ways() {
        assert_eq!(routes(&[], Unmatched::Wildcard).route("s", "/a/1"), "/**");
        assert_eq!(routes(&[], Unmatched::Path).route("s", "/a/1"), "/a/1");
        let rules =
            RouteRules { ignored: vec!["/health".to_owned(), "/internal/*".to_owned()], ..RouteRules::default() };
        let routes = Routes::new(rules);
        assert!(routes.is_ignored("/health") && routes.is_ignored("/internal/a/b") && !routes.is_ignored("/healthy"));
    }

    #[test]
    fn routes_are_bounded() {
        let mut routes = routes(&[], Unmatched::Path);
        for n in 0..ROUTES * 2 {
            routes.route("s", &format!("/{n}"));
        }
        assert_eq!(routes.route("s", "/another"), "/**");
        assert_eq!(routes.route("s", "/1"), "/1");
    }

    proptest! {
        #[test]
        fn any_path_has_a_short_route(path in r"/\PC{0,80}") {
            for unmatched in [Unmatched::Heuristic, Unmatched::LowCardinality] {
                let route = routes(&[], unmatched).route("s", &path);
                prop_assert!(route.starts_with('/') && route.len() <= path.len() + SEGMENTS * 2 + 4);
            }
        }
    }
}
