//! Browsers reach loopback for any page they show. Two checks keep such pages out: the name that the browser thinks
//! it talks to must be ours (DNS rebinding), and what changes something must not come from another site.

use std::net::IpAddr;

use http::{HeaderMap, header};

/// Under which names the server may be reached.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    /// Whether names are looked at: only loopback is protected by a name, anything else is open to the network anyhow.
    loopback: bool,
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(loopback: bool, memory_address: &str, allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(String::as_str).chain([memory_address]).map(name_of).collect();
        Self { loopback, allowed }
    }

    /// Why a request is refused, if it is.
    pub(super) fn check(&self, headers: &HeaderMap, authority: Option<&str>) -> Result<(), String> {
        let header = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("\u{fffd}"));
        // HTTP/1.0 and a raw probe send no name; a browser always does.
        let Some(host) = authority.or(header).filter(|host| !host.is_empty()) else { return Ok(()) };
        let name = name_of(host);
        if !self.loopback || is_loopback(&name) || self.allowed.contains(&name) {
            return Ok(());
        }
        Err(format!(
            "host {name:?} is not one of this server\n\
             help: use 127.0.0.1 or localhost, or start with --server.http.allowed-hosts={name}\n"
        ))
    }
}

/// Whether another site's page asks.
pub(super) fn is_foreign(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("\u{fffd}"));
    if text(header::HeaderName::from_static("sec-fetch-site"))
        .is_some_and(|site| !matches!(site, "same-origin" | "none"))
    {
        return true;
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    let host = authority.or_else(|| text(header::HOST)).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, origin)| !origin.eq_ignore_ascii_case(host))
}

fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn only_our_names_reach_loopback() {
        let hosts = Hosts::new(true, "alloy.internal:12345", &["monitor.example".to_owned()]);
        let check = |host: &str| hosts.check(&headers(&[("host", host)]), None).is_ok();
        for good in [
            "127.0.0.1:12345",
            "localhost",
            "LOCALHOST.:1",
            "[::1]:12345",
            "127.8.8.8",
            "a.localhost:1",
            "alloy.internal:12345",
            "monitor.example",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in ["evil.example:12345", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]:1"] {
            assert!(!check(bad), "{bad}");
        }
        assert!(hosts.check(&headers(&[]), None).is_ok());
        assert!(hosts.check(&headers(&[]), Some("evil.example")).is_err());
        assert!(Hosts::new(false, "", &[]).check(&headers(&[("host", "evil.example")]), None).is_ok());
    }

    #[test]
    fn other_sites_are_foreign() {
        let foreign = |pairs: &[(&'static str, &str)]| is_foreign(&headers(pairs), None);
        assert!(!foreign(&[("host", "localhost:1")]));
        assert!(!foreign(&[
            ("host", "localhost:1"),
            ("origin", "http://localhost:1"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!foreign(&[("host", "localhost:1"), ("sec-fetch-site", "none")]));
        assert!(foreign(&[("host", "localhost:1"), ("origin", "http://localhost:2")]));
        assert!(foreign(&[("host", "localhost:1"), ("origin", "null")]));
        assert!(foreign(&[("host", "localhost:1"), ("sec-fetch-site", "cross-site")]));
    }
}
