//! Cookies that a server sets and wants back: names and values for each host, for load balancers that stick.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use corten_net::http::{HeaderMap, HeaderValue, Uri, header};

/// So many cookies are kept for a host; a server that sets more has a mistake.
const MOST: usize = 64;

/// Cookies by host. Only what an exporter needs: a cookie goes back to the host that set it, until that host takes it
/// back or the process ends.
#[derive(Default)]
pub(crate) struct Jar(Mutex<BTreeMap<String, BTreeMap<String, Cookie>>>);

struct Cookie {
    value: String,
    path: String,
    secure: bool,
}

impl Jar {
    /// Keeps what an answer sets.
    pub(crate) fn keep(&self, address: &Uri, headers: &HeaderMap) {
        let Some(host) = address.host() else { return };
        for line in headers.get_all(header::SET_COOKIE) {
            let Ok(line) = line.to_str() else { continue };
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let mut cookie = Cookie { value: value.trim().to_owned(), path: "/".to_owned(), secure: false };
            let mut taken_back = false;
            for attribute in parts {
                let (key, text) = attribute.split_once('=').unwrap_or((attribute, ""));
                match key.to_ascii_lowercase().as_str() {
                    "path" if text.starts_with('/') => cookie.path = text.to_owned(),
                    "secure" => cookie.secure = true,
                    "max-age" => taken_back = text.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                    _ => {}
                }
            }
            let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let cookies = hosts.entry(host.to_ascii_lowercase()).or_default();
            if taken_back {
                cookies.remove(name.trim());
            } else if cookies.len() < MOST || cookies.contains_key(name.trim()) {
                cookies.insert(name.trim().to_owned(), cookie);
            }
        }
    }

    /// Adds what belongs to an address.
    pub(crate) fn add(&self, address: &Uri, headers: &mut HeaderMap) {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cookies) = address.host().and_then(|host| hosts.get(&host.to_ascii_lowercase())) else { return };
        let path = address.path();
        let fits = |cookie: &Cookie| {
            let rest = path.strip_prefix(cookie.path.as_str());
            let inside =
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie.path.ends_with('/'));
            inside && (!cookie.secure || address.scheme_str() == Some("https"))
        };
        let pairs: Vec<String> = cookies
            .iter()
            .filter(|(_, cookie)| fits(cookie))
            .map(|(name, cookie)| format!("{name}={}", cookie.value))
            .collect();
        if let Ok(mut value) = HeaderValue::from_str(&pairs.join("; "))
            && !pairs.is_empty()
        {
            value.set_sensitive(true);
            headers.insert(header::COOKIE, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(jar: &Jar, address: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        jar.add(&address.parse().unwrap(), &mut headers);
        headers.get(header::COOKIE).map(|value| value.to_str().unwrap().to_owned())
    }

    fn set(jar: &Jar, address: &str, line: &'static str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::SET_COOKIE, HeaderValue::from_static(line));
        jar.keep(&address.parse().unwrap(), &headers);
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_alone() {
        let jar = Jar::default();
        set(&jar, "http://a/v1/logs", "route=7; HttpOnly");
        set(&jar, "http://a/v1/logs", "deep=1; Path=/v1/logs");
        set(&jar, "http://a/v1/logs", "safe=1; Secure");
        assert_eq!(cookie(&jar, "http://A/v1/logs").as_deref(), Some("deep=1; route=7"));
        assert_eq!(cookie(&jar, "http://a/v1/logsx").as_deref(), Some("route=7"));
        assert_eq!(cookie(&jar, "https://a/x").as_deref(), Some("route=7; safe=1"));
        assert_eq!(cookie(&jar, "http://b/v1/logs"), None);
        set(&jar, "http://a/", "route=; Max-Age=0");
        assert_eq!(cookie(&jar, "http://a/x"), None);
    }
}
