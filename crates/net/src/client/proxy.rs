//! Which requests go through which proxy.

use std::net::IpAddr;

use base64::Engine as _;
use http::{HeaderName, HeaderValue, Uri};

use crate::args::ProxySettings;

/// The rule for a client.
#[derive(Clone, Default)]
pub enum Proxy {
    /// No proxy.
    #[default]
    None,
    /// One for every scheme, but for some hosts.
    Fixed(Box<ProxyRule>),
    /// One for each scheme, as the environment says.
    Environment {
        /// For `http`.
        http: Option<Box<ProxyRule>>,
        /// For `https`.
        https: Option<Box<ProxyRule>>,
    },
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.write_str(if matches!(self, Self::None) { "Proxy::None" } else { "Proxy" })
    }
}

/// A proxy and those who do without it.
#[derive(Clone)]
pub struct ProxyRule {
    hop: Hop,
    except: Vec<Exception>,
}

#[derive(Clone)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The proxy's address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProxyError(String);

#[derive(Clone)]
enum Exception {
    All,
    Network(IpAddr, u8),
    Host(String, Option<u16>),
    Suffix(String, Option<u16>),
}

impl Proxy {
    /// A proxy for all requests.
    ///
    /// # Errors
    /// If it is not an `http://` or `https://` address.
    pub fn fixed(url: &str) -> Result<Self, ProxyError> {
        Ok(Self::Fixed(Box::new(ProxyRule { hop: hop(url)?, except: Vec::new() })))
    }

    /// From an argument block.
    ///
    /// # Errors
    /// If an address or header cannot be used.
    pub fn from_settings(settings: &ProxySettings) -> Result<Self, ProxyError> {
        let mut headers = Vec::new();
        for (name, values) in &settings.proxy_connect_header {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| ProxyError(format!("proxy_connect_header: {name:?} is not a header's name")))?;
            for value in values {
                let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
                    ProxyError(format!("proxy_connect_header: the value of {name} cannot stand in a header"))
                })?;
                value.set_sensitive(true);
                headers.push((name.clone(), value));
            }
        }
        let rule = |url: &str, except: &str| -> Result<Box<ProxyRule>, ProxyError> {
            let mut hop = hop(url)?;
            hop.headers.extend(headers.clone());
            Ok(Box::new(ProxyRule { hop, except: exceptions(except) }))
        };
        if settings.proxy_from_environment {
            let except = env("NO_PROXY").unwrap_or_default();
            let from = |name| env(name).map(|url| rule(&url, &except)).transpose();
            return Ok(Self::Environment { http: from("HTTP_PROXY")?, https: from("HTTPS_PROXY")? });
        }
        match settings.proxy_url.as_str() {
            "" => Ok(Self::None),
            url => Ok(Self::Fixed(rule(url, &settings.no_proxy)?)),
        }
    }

    pub(super) fn hop(&self, uri: &Uri) -> Option<Hop> {
        let rule = match self {
            Self::None => None,
            Self::Fixed(rule) => Some(rule),
            Self::Environment { http, https } => match uri.scheme_str() {
                Some("https") => https.as_ref(),
                _ => http.as_ref(),
            },
        }?;
        // What the environment says never holds for this machine itself, as in Go.
        if matches!(self, Self::Environment { .. }) && is_this_machine(uri.host().unwrap_or_default()) {
            return None;
        }
        let excepted = rule.except.iter().any(|exception| exception.covers(uri));
        (!excepted).then(|| rule.hop.clone())
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn env(name: &str) -> Option<String> {
    [name.to_owned(), name.to_lowercase()]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|value| !value.is_empty())
}

fn hop(url: &str) -> Result<Hop, ProxyError> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    // The address is not quoted in messages: it may hold a password.
    let uri: Uri = with_scheme.parse().map_err(|_| ProxyError("the proxy's address is not an URL".into()))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        other => {
            let scheme = other.unwrap_or_default();
            return Err(ProxyError(format!("proxies of scheme {scheme:?} are not implemented, only http and https")));
        }
    };
    let Some(authority) = uri.authority() else { return Err(ProxyError("the proxy's address has no host".into())) };
    let mut headers = Vec::new();
    if let Some((user, _)) = authority.as_str().rsplit_once('@') {
        let decoded = percent_decode(user);
        let credentials = base64::engine::general_purpose::STANDARD.encode(decoded);
        let mut value = HeaderValue::from_str(&format!("Basic {credentials}"))
            .map_err(|_| ProxyError("the proxy's credentials cannot stand in a header".into()))?;
        value.set_sensitive(true);
        headers.push((http::header::PROXY_AUTHORIZATION, value));
    }
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    Ok(Hop { host, port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }), tls, headers })
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                out.push(code);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn exceptions(list: &str) -> Vec<Exception> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(Exception::parse).collect()
}

impl Exception {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Some((ip, bits)) = entry.split_once('/')
            && let (Ok(ip), Ok(bits)) = (ip.parse(), bits.parse())
        {
            return Self::Network(ip, bits);
        }
        if let Ok(ip) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Self::Network(ip, if ip.is_ipv4() { 32 } else { 128 });
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry, None),
        };
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
            Some(suffix) => Self::Suffix(suffix.to_owned(), port),
            None => Self::Host(name, port),
        }
    }

    fn covers(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let under = |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
        match self {
            Self::All => true,
            Self::Network(network, bits) => host.parse::<IpAddr>().is_ok_and(|ip| same_network(ip, *network, *bits)),
            // A name covers its subdomains, as in Go.
            Self::Host(name, wanted) => (host == *name || under(name)) && wanted.is_none_or(|wanted| wanted == port),
            Self::Suffix(suffix, wanted) => under(suffix) && wanted.is_none_or(|wanted| wanted == port),
        }
    }
}

fn same_network(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let shifted = |value: u128, width: u8| value.checked_shr(u32::from(width.saturating_sub(bits))).unwrap_or(0);
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            shifted(u128::from(u32::from(a)), 32) == shifted(u128::from(u32::from(b)), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => shifted(u128::from(a), 128) == shifted(u128::from(b), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_through(except: &str, uri: &str) -> bool {
        let settings = ProxySettings {
            proxy_url: "http://user:p%40ss@proxy:3128".into(),
            no_proxy: except.into(),
            ..ProxySettings::default()
        };
        Proxy::from_settings(&settings).unwrap().hop(&uri.parse().unwrap()).is_some()
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        assert!(goes_through("", "http://example.org/"));
        for except in ["*", "example.org", ".example.org, other", "*.example.org", "a.example.org:80"] {
            assert!(!goes_through(except, "http://a.example.org/"), "{except}");
        }
        assert!(goes_through(".example.org", "http://example.org/"));
        assert!(goes_through("example.org:81", "http://example.org/"));
        assert!(goes_through("ample.org", "http://example.org/"));
        assert!(!goes_through("10.0.0.0/8", "http://10.200.1.1/"));
        assert!(goes_through("10.0.0.0/8", "http://11.0.0.1/"));
        assert!(!goes_through("::1", "http://[::1]:80/"));
        assert!(!goes_through("0.0.0.0/0", "http://1.2.3.4/"));
    }

    #[test]
    fn credentials_become_a_header_that_is_not_printed() {
        let Ok(hop) = hop("http://user:p%40ss@proxy:3128") else { panic!("a proxy") };
        assert_eq!((hop.host.as_str(), hop.port), ("proxy", 3128));
        assert_eq!(
            hop.headers[0].1,
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("user:p@ss"))
        );
        assert!(hop.headers[0].1.is_sensitive());
        let Err(error) = super::hop("socks5://user:canary@proxy") else { panic!("socks is not there") };
        assert!(!error.to_string().contains("canary"));
    }
}
