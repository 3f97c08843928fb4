//! Routes of paths that no pattern knows: a wildcard for each segment that looks like a value.
//!
//! A segment is a value if anything but letters, `-`, `_`, `.` or a blank is in it (a second character may be: `v1`,
//! `k6`), or if a part of it between those is no word. Source: the behaviour that Beyla's documentation describes and
//! its tests show.

use super::words::{is_known, is_word};

/// The most slashes that a route has, plus one.
const SLASHES: usize = 10;

/// The route that a path seems to have.
pub(super) fn guess(path: &str, wildcard: char) -> String {
    let path = path.split(['?', '&', '#']).next().unwrap_or_default();
    let mut route = String::with_capacity(path.len());
    for (at, segment) in path.split('/').enumerate() {
        if at == SLASHES {
            break;
        }
        if at > 0 {
            route.push('/');
        }
        match is_value(segment) {
            true => route.push(wildcard),
            false => route.push_str(segment),
        }
    }
    route
}

/// Whether a segment looks like a value rather than a word of an interface.
fn is_value(segment: &str) -> bool {
    if segment.is_empty() || is_version(segment) {
        return false;
    }
    let separator = |c: char| matches!(c, '-' | '_' | '.');
    // `oauth2` and the like stand for themselves, and so does each such part of a name.
    let mut place = 0;
    let foreign = segment.split(separator).any(|part| {
        let begin = place;
        place += part.len() + 1;
        let letters = |(at, c): (usize, char)| {
            let graced = begin + at == 1 && segment.chars().filter(|c| !is_letter(*c)).count() == 1;
            is_letter(c) || graced
        };
        !is_known(part) && !part.char_indices().all(letters)
    });
    // Names of systems begin so: `.well-known`, `_search`.
    let mut parts = segment.trim_start_matches(['.', '_']).split(separator);
    let last = parts.next_back().unwrap_or_default();
    foreign || !is_word(last) || parts.any(|part| part.is_empty() || !is_word(part))
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '.' | ' ')
}

/// `v1`, `v22`, `v2beta1`.
fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('v') else { return false };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = rest.len() - after.len();
    let stage = after.trim_end_matches(|c: char| c.is_ascii_digit());
    (1..=3).contains(&digits) && matches!(stage, "" | "alpha" | "beta" | "rc") && after.len() - stage.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_words() {
        for (path, route) in [
            ("", ""),
            ("/", "/"),
            ("/users/fdklsd/j4elk/23993/job/2", "/users/*/j4elk/*/job/*"),
            ("123", "*"),
            ("/123", "/*"),
            ("123/", "*/"),
            ("123/ljgdflgjf", "*/*"),
            ("/**", "/*"),
            ("/u/2", "/u/*"),
            ("/v1/products/2", "/v1/products/*"),
            ("/v1/products/22", "/v1/products/*"),
            ("/v1/products/22j", "/v1/products/*"),
            ("/products/1/org/3", "/products/*/org/*"),
            ("/products//org/3", "/products//org/*"),
            ("/v1/k6-test-runs/1", "/v1/k6-test-runs/*"),
            ("/attach", "/attach"),
            ("/usuarios/fdklsd/j4elk/23993/trabajo/2", "/usuarios/*/j4elk/*/trabajo/*"),
            ("/Benutzer/fdklsd/j4elk/23993/Arbeit/2", "/Benutzer/*/j4elk/*/Arbeit/*"),
            ("/utilisateurs/fdklsd/j4elk/23993/tache/2", "/utilisateurs/*/j4elk/*/tache/*"),
            ("/products/", "/products/"),
            ("/user-space/", "/user-space/"),
            ("/user_space/", "/user_space/"),
            ("/api/hello.world", "/api/hello.world"),
            ("/api/hello.world.again", "/api/hello.world.again"),
            ("/api.backup/hello.world", "/api.backup/hello.world"),
            ("CONNECT /user_space/", "CONNECT /user_space/"),
            ("HTTP GET", "HTTP GET"),
            ("/attach?session_id=ddfsdsf&track_id=sjdklnfldsn", "/attach"),
            ("/attach#section-1", "/attach"),
            ("?", ""),
            ("attach12?", "*"),
            ("1?", "*"),
            ("*&", "*"),
            ("/a#", "/a"),
            ("/1#", "/*"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/i"),
            ("/customer/lfdsjd/job/erwejre", "/customer/*/job/*"),
        ] {
            assert_eq!(guess(path, '*'), route, "{path}");
        }
        assert_eq!(guess("/users/17", '#'), "/users/#");
    }

    #[test]
    fn values_of_all_kinds() {
        for (path, route) in [
            ("/api/v1/orders/550e8400-e29b-41d4-a716-446655440000/items", "/api/v1/orders/*/items"),
            ("/files/deadbeef01", "/files/*"),
            ("/a-long-but-readable-name", "/a-long-but-readable-name"),
            ("/products/17.json", "/products/*"),
            ("/index.html", "/index.html"),
            ("/mail/jane@example.org", "/mail/*"),
            ("/t/aGVsbG8gd29ybGQhIQ9Zx0", "/t/*"),
            ("/oauth2/token", "/oauth2/token"),
            ("/apis/apps/v1beta1", "/apis/apps/v1beta1"),
            ("/s3/bucket", "/s3/bucket"),
            ("/q/%D0%B0%D0%B1", "/q/*"),
            ("/x/-/y", "/x/*/y"),
            ("/.well-known/jwks.json", "/.well-known/jwks.json"),
            ("/items/_search", "/items/_search"),
        ] {
            assert_eq!(guess(path, '*'), route, "{path}");
        }
    }
}
