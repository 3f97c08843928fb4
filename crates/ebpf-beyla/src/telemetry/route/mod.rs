//! Paths to routes: `/users/17` to `/users/{id}` by what the user wrote, else by what looks like a value.
//!
//! Routes name metrics series, so that their number has to stay small whatever clients ask for. Source: Beyla's
//! documentation of its routes decorator.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Routes`] |
//! | `pattern.rs` | patterns that a user wrote |
//! | `guess.rs` | which segments look like values |
//! | `words.rs` | which letters make a word |
//! | `trie.rs` | places in paths that take too many values |

mod guess;
mod pattern;
mod trie;
mod words;

use std::collections::{HashMap, HashSet};

use self::guess::guess;
use self::pattern::Matcher;
use self::trie::Places;

/// The most routes that are given to one service; what comes after is the wildcard.
const ROUTES: usize = 500;
/// The route of all paths that have none of their own.
const ALL: &str = "/**";
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
    /// How many values a place in a path may take; 0 is any number.
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
    wildcard: char,
    patterns: Matcher,
    ignored: Matcher,
    services: HashMap<String, Known>,
}

/// What a service's paths were.
#[derive(Debug, Default)]
struct Known {
    routes: HashSet<String>,
    places: Places,
}

impl Routes {
    /// By these rules.
    pub fn new(rules: RouteRules) -> Self {
        let (patterns, ignored) = (Matcher::new(&rules.patterns), Matcher::new(&rules.ignored));
        let wildcard = rules.wildcard.chars().next().unwrap_or('*');
        Self { rules, wildcard, patterns, ignored, services: HashMap::new() }
    }

    /// Whether the path is not told.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.ignored.find(path).is_some()
    }

    /// The route of a path; empty if it has none.
    pub fn route(&mut self, service: &str, path: &str) -> String {
        if let Some(pattern) = self.patterns.find(path) {
            return pattern.to_owned();
        }
        let route = match self.rules.unmatched {
            Unmatched::Unset => return String::new(),
            Unmatched::Wildcard => return ALL.to_owned(),
            Unmatched::Path => path.to_owned(),
            Unmatched::Heuristic | Unmatched::LowCardinality => guess(path, self.wildcard),
        };
        let (narrow, most, wildcard) =
            (self.rules.unmatched == Unmatched::LowCardinality, self.rules.cardinality, self.wildcard);
        let Some(known) = self.known(service) else { return ALL.to_owned() };
        let route = if narrow { known.places.narrow(&route, most, &wildcard.to_string()) } else { route };
        if known.routes.contains(&route) {
            return route;
        }
        if known.routes.len() >= ROUTES {
            return ALL.to_owned();
        }
        known.routes.insert(route.clone());
        route
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
        assert!(routes.is_ignored("/internal"));
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
                prop_assert!(route.starts_with('/') && route.len() <= path.len() + 4);
            }
        }
    }
}
