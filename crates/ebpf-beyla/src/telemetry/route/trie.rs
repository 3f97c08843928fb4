//! Narrows routes down: a place in a path that takes many values becomes a wildcard.

use std::collections::BTreeMap;

/// The most places that are remembered of one service.
const PLACES: usize = 4096;

/// What was seen at a place in a path, and behind it.
#[derive(Debug, Default)]
struct Place {
    next: BTreeMap<String, Place>,
    /// All that is seen here is the wildcard.
    collapsed: bool,
}

impl Place {
    fn size(&self) -> usize {
        self.next.values().map(|place| 1 + place.size()).sum()
    }

    /// Makes one of all that was seen here, with what was seen behind each.
    fn collapse(&mut self, most: usize, wildcard: &str) {
        if self.collapsed {
            return;
        }
        self.collapsed = true;
        let mut all = std::mem::take(&mut self.next);
        let mut one = all.remove(wildcard).unwrap_or_default();
        all.into_values().for_each(|place| one.merge(place));
        if one.next.len() > most {
            one.collapse(most, wildcard);
        }
        self.next.insert(wildcard.to_owned(), one);
    }

    fn merge(&mut self, other: Self) {
        for (segment, place) in other.next {
            match self.next.get_mut(&segment) {
                Some(known) => known.merge(place),
                None => {
                    self.next.insert(segment, place);
                }
            }
        }
    }
}

/// The places of one service.
#[derive(Debug, Default)]
pub(super) struct Places {
    root: Place,
    size: usize,
}

impl Places {
    /// The path with a wildcard wherever more than `most` values were seen; 0 leaves it as it is.
    pub(super) fn narrow(&mut self, path: &str, most: usize, wildcard: &str) -> String {
        let inner = path.trim_matches('/');
        if most == 0 || inner.is_empty() {
            return path.to_owned();
        }
        let mut route = String::with_capacity(path.len() + 1);
        let mut here = &mut self.root;
        for segment in inner.split('/') {
            route.push('/');
            if segment.is_empty() {
                continue;
            }
            if !here.collapsed && !here.next.contains_key(segment) {
                if here.next.len() >= most || self.size >= PLACES {
                    here.collapse(most, wildcard);
                    // What was merged is counted again when there seems to be no room.
                } else {
                    self.size += 1;
                }
            }
            let segment = if here.collapsed { wildcard } else { segment };
            route.push_str(segment);
            here = here.next.entry(segment.to_owned()).or_default();
        }
        if self.size >= PLACES {
            self.size = self.root.size();
        }
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(most: usize, paths: &[(&str, &str)]) {
        let mut places = Places::default();
        for (path, route) in paths {
            assert_eq!(places.narrow(path, most, "*"), *route, "{path}");
        }
    }

    #[test]
    fn a_place_that_takes_many_values_becomes_a_wildcard() {
        run(
            2,
            &[
                ("/test/bar-attach/files/multi/test", "/test/bar-attach/files/multi/test"),
                ("/test/apjkmyp/files/jwbCm/test", "/test/apjkmyp/files/jwbCm/test"),
                ("/test/xyz/files/abc/test", "/test/*/files/*/test"),
                ("/test/anything-new/files/something/test", "/test/*/files/*/test"),
            ],
        );
        run(
            3,
            &[
                ("/api/v1/users", "/api/v1/users"),
                ("/api/v2/users", "/api/v2/users"),
                ("/api/v3/users", "/api/v3/users"),
                ("/api/v4/users", "/api/*/users"),
                ("/api/v1/users", "/api/*/users"),
            ],
        );
        run(2, &[("", ""), ("test", "/test"), ("/test", "/test")]);
        run(0, &[("/a/b", "/a/b"), ("/a/c", "/a/c")]);
    }

    #[test]
    fn what_stands_behind_such_places_counts_together() {
        run(
            3,
            &[
                ("api/v1/items/teddy_bear", "/api/v1/items/teddy_bear"),
                ("api/v1/items/sports_car", "/api/v1/items/sports_car"),
                ("api/v1/items/t-shirt", "/api/v1/items/t-shirt"),
                ("api/v1/customers", "/api/v1/customers"),
                ("api/v1/admin", "/api/v1/admin"),
                ("api/v1/users", "/api/v1/*"),
                ("api/v2/items", "/api/v2/items"),
                ("api/v3/items", "/api/v3/items"),
                ("api/v4/items", "/api/*/items"),
                ("api/v4/items0", "/api/*/items0"),
                ("api/v4/items1", "/api/*/*"),
                ("api/v4/items", "/api/*/*"),
                ("api/v4/items/t-shirt", "/api/*/*/t-shirt"),
                ("api/v1/customers/list", "/api/*/*/*"),
                ("api/v4/items/t-shirt", "/api/*/*/*"),
            ],
        );
        let mut places = Places::default();
        for path in ["root/child1/grandchild1", "root/child1/grandchild2", "root/child2/grandchild3"] {
            places.narrow(path, 2, "*");
        }
        assert_eq!(places.narrow("root/child3/grandchild4", 2, "*"), "/root/*/*");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut places = Places::default();
        for a in 0..50 {
            for b in 0..50 {
                for c in 0..10 {
                    places.narrow(&format!("/{a}/{b}/{c}"), 1000, "*");
                }
            }
        }
        assert!(places.root.size() <= PLACES + 3, "{}", places.root.size());
    }
}
