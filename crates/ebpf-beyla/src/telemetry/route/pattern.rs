//! Patterns that a user wrote: `/users/{id}`, `/users/:id`, `/@:name`, `/static/*`, `/files/<path:name>/info`.
//!
//! A path goes through a tree of segments. A literal counts more than a placeholder, placeholders count in the order
//! of the patterns, and what stands for several segments comes last. Source: Beyla's documentation of the routes
//! decorator, and what its tests show.

use std::collections::HashMap;
use std::sync::Arc;

/// The most segments of a path that are looked at.
const SEGMENTS: usize = 128;

#[derive(Debug, Default)]
struct Node {
    /// The pattern that ends here.
    full: Option<Arc<str>>,
    literal: HashMap<String, Node>,
    /// Placeholders for one segment, each behind a text that may be empty.
    one: Vec<(String, Node)>,
    /// A placeholder for one segment or more.
    several: Option<Box<Node>>,
    /// The pattern that takes all that is left, be it nothing.
    rest: Option<Arc<str>>,
}

/// Patterns.
#[derive(Debug, Default)]
pub(super) struct Matcher(Node);

enum Part<'a> {
    Literal(&'a str),
    One(&'a str),
    Several,
    Rest,
}

impl Matcher {
    /// Of patterns, in their order.
    pub(super) fn new(patterns: &[String]) -> Self {
        let mut root = Node::default();
        for pattern in patterns {
            root.add(&parts(pattern), &Arc::from(pattern.as_str()));
        }
        Self(root)
    }

    /// The pattern that a path matches.
    pub(super) fn find(&self, path: &str) -> Option<&str> {
        let segments = parts(path);
        self.0.find(segments.get(..SEGMENTS).unwrap_or(&segments))
    }
}

impl Node {
    fn add(&mut self, parts: &[&str], whole: &Arc<str>) {
        let Some((first, after)) = parts.split_first() else {
            self.full = Some(Arc::clone(whole));
            return;
        };
        match part(first) {
            Part::Literal(text) => self.literal.entry(text.to_owned()).or_default().add(after, whole),
            Part::One(prefix) => {
                let at = self.one.iter().position(|(known, _)| known == prefix).unwrap_or_else(|| {
                    self.one.push((prefix.to_owned(), Self::default()));
                    self.one.len() - 1
                });
                self.one[at].1.add(after, whole);
            }
            Part::Several => self.several.get_or_insert_default().add(after, whole),
            Part::Rest => self.rest = Some(Arc::clone(whole)),
        }
    }

    fn find(&self, path: &[&str]) -> Option<&str> {
        let Some((first, after)) = path.split_first() else { return self.full.as_deref().or(self.rest.as_deref()) };
        let one = match self.literal.get(*first) {
            // A literal is meant, whatever a placeholder would take.
            Some(node) => node.find(after),
            None => {
                let takes =
                    |prefix: &str| prefix.is_empty() || (first.len() > prefix.len() && first.starts_with(prefix));
                self.one.iter().filter(|(prefix, _)| takes(prefix)).find_map(|(_, node)| node.find(after))
            }
        };
        let several =
            || self.several.as_ref().and_then(|node| (1..=path.len()).find_map(|taken| node.find(&path[taken..])));
        one.or_else(several).or(self.rest.as_deref())
    }
}

fn part(segment: &str) -> Part<'_> {
    let braced = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let angled = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    match (segment, braced, angled) {
        ("*" | "**", ..) => Part::Rest,
        (_, Some(name), _) if name.starts_with('*') => Part::Several,
        (_, _, Some(name)) if name.starts_with("path:") => Part::Several,
        (_, Some(_), _) | (_, _, Some(_)) => Part::One(""),
        _ => segment.split_once(':').map_or(Part::Literal(segment), |(prefix, _)| Part::One(prefix)),
    }
}

/// The segments, without the empty ones at both ends.
fn parts(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() { Vec::new() } else { path.split('/').collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], paths: &[(&str, &str)]) {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let matcher = Matcher::new(&patterns);
        for (path, expected) in paths {
            assert_eq!(matcher.find(path).unwrap_or_default(), *expected, "{path}");
        }
    }

    #[test]
    fn literals_placeholders_and_rests() {
        check(
            &["/foo/bar/bae/", "/foo/:id", "/foo/{id}/push", "/ski/*", "/snow/mobile/*", "/"],
            &[
                ("/", "/"),
                ("/foo/bar/bae", "/foo/bar/bae/"),
                ("/foo/1234", "/foo/:id"),
                ("/foo/5678/push", "/foo/{id}/push"),
                ("/foo", ""),
                ("/foo/bar", ""),
                ("/foo/bar/bae/baz", ""),
                ("/foo/1234/down", ""),
                ("/foo/5678/push/up", ""),
                ("/ski", "/ski/*"),
                ("/ski/doo/new/", "/ski/*"),
                ("/snow/man", ""),
                ("/snow/mobile/long", "/snow/mobile/*"),
            ],
        );
        check(
            &["/admin/*", "/admin/:id/settings"],
            &[("/admin", "/admin/*"), ("/admin/token", "/admin/*"), ("/admin/token/settings", "/admin/:id/settings")],
        );
    }

    #[test]
    fn a_text_may_precede_a_placeholder() {
        check(
            &["/@:username/lists/:id", "/@:username/followers"],
            &[
                ("/@alice/lists/42", "/@:username/lists/:id"),
                ("/@bob/followers", "/@:username/followers"),
                ("/gouthamve/lists/my-list", ""),
                ("/@/followers", ""),
            ],
        );
        let (named, any) = ("/@:username/profile", "/:section/profile");
        check(&[named, any], &[("/@carol/profile", named), ("/settings/profile", any)]);
        check(&[any, named], &[("/@carol/profile", any)]);
    }

    #[test]
    fn placeholders_of_other_frameworks() {
        check(
            &["/customers/{id:int}", "/archive/{id?}", "/files/{**path}", "/years/{year<\\d{4}>}", "/n/<int:id>"],
            &[
                ("/customers/42", "/customers/{id:int}"),
                ("/archive/2026", "/archive/{id?}"),
                ("/files/a/b/c", "/files/{**path}"),
                ("/years/2026", "/years/{year<\\d{4}>}"),
                ("/n/7", "/n/<int:id>"),
            ],
        );
        let suffixed = "/files/<path:name>/metadata";
        check(
            &[suffixed],
            &[
                ("/files/a/metadata", suffixed),
                ("/files/a/b/metadata", suffixed),
                ("/files/a/metadata/b/metadata", suffixed),
                ("/files/a/b", ""),
                ("/files/a/metadata/extra", ""),
                ("/files/metadata", ""),
                ("/files", ""),
            ],
        );
        let (exact, all) = ("/files", "/files/<path:name>");
        for order in [[all, suffixed, exact], [exact, suffixed, all]] {
            check(
                &order,
                &[("/files", exact), ("/files/a/b/metadata", suffixed), ("/files/a", all), ("/files/metadata", all)],
            );
        }
        check(
            &["/files/static", suffixed],
            &[("/files/static", "/files/static"), ("/files/static/x/metadata", suffixed)],
        );
    }
}
