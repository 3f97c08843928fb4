//! A defence for listeners on loopback against pages in this machine's browsers.
//!
//! A page of another origin cannot send OTLP without a preflight, which is only answered for the origins that `cors` allows, and what
//! needs none (forms, plain text) is refused for its type. What is left is DNS rebinding: a page whose own name is made to point at
//! 127.0.0.1, so that the browser takes the receiver for the page's origin. Such a request names the same host and port in `Origin` and
//! `Host`, the port is the receiver's, and the host is no name of loopback. Programs send no `Origin`, and behind a proxy the origin has
//! the proxy's port, so nothing else looks like it.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, header};

use corten_net::Address;

/// Whether a request looks like a page that reached a loopback listener by DNS rebinding.
pub(crate) fn is_rebound(request: &Parts, listening: &Address) -> bool {
    let (Some(local), true) = (listening.socket_addr(), listening.is_local()) else { return false };
    let Some((name, port)) = origin(&request.headers) else { return false };
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
    let own = format!("{name}:{port}");
    let same = host.eq_ignore_ascii_case(&own) || (host.eq_ignore_ascii_case(name) && matches!(port, 80 | 443));
    same && port == local.port() && !is_loopback(name)
}

/// Host and port of `Origin`.
fn origin(headers: &HeaderMap) -> Option<(&str, u16)> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    let (scheme, authority) = origin.split_once("://")?;
    let default = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => Some((name, port.parse().ok()?)),
        _ => Some((authority, default)),
    }
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebound(host: &str, origin: Option<&str>, listening: &str) -> bool {
        let mut request = http::Request::post("/v1/traces").header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        is_rebound(&request.body(()).unwrap().into_parts().0, &listening.parse().unwrap())
    }

    #[test]
    fn only_a_rebound_page_is_one() {
        assert!(rebound("evil.test:4318", Some("http://evil.test:4318"), "127.0.0.1:4318"));
        assert!(rebound("evil.test:4318", Some("http://EVIL.test:4318"), "[::1]:4318"));
        assert!(!rebound("evil.test:4318", None, "127.0.0.1:4318"), "programs");
        assert!(!rebound("localhost:4318", Some("http://localhost:3000"), "127.0.0.1:4318"), "a page in development");
        assert!(!rebound("127.0.0.1:4318", Some("http://127.0.0.1:4318"), "127.0.0.1:4318"));
        assert!(!rebound("app.test", Some("https://app.test"), "127.0.0.1:4318"), "behind a proxy");
        assert!(!rebound("evil.test:4318", Some("http://evil.test:4318"), "10.0.0.1:4318"), "not loopback");
    }
}
