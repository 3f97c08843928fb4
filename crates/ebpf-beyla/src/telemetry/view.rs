//! An exchange as the conventions describe it.

use std::net::{IpAddr, Ipv6Addr};

use super::route::Routes;
use crate::interpret::exchange::{Ending, Exchange};
use crate::record::{Family, Role};

/// Methods that the conventions know; others are `_OTHER`.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What spans and metrics say of an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct View<'a> {
    /// What it is made from.
    pub exchange: &'a Exchange,
    /// The method, or `_OTHER`.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The query; may be empty.
    pub query: &'a str,
    /// The route; empty if there is none.
    pub route: String,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The server's name or address, without a port.
    pub server: String,
    /// The server's port; 0 if that is not known.
    pub server_port: u16,
    /// The other side's address; empty if that is not known.
    pub peer: String,
    /// `error.type`, if it failed.
    pub error: Option<String>,
}

impl<'a> View<'a> {
    /// Looks at an exchange of a service.
    pub fn new(exchange: &'a Exchange, service: &str, routes: &mut Routes) -> Self {
        let (authority, path, query) = parts(&exchange.target);
        let route = match (exchange.is_grpc(), path) {
            (true, _) | (_, "*" | "") => String::new(),
            (false, path) => routes.route(service, path),
        };
        let (server, port) = server(exchange, authority);
        Self {
            exchange,
            method: METHODS.iter().find(|known| **known == exchange.method).map_or("_OTHER", |known| known),
            path,
            query,
            route,
            scheme: if exchange.tls { "https" } else { "http" },
            server,
            server_port: port,
            peer: exchange.ends.as_ref().map(|ends| address(ends.family, &ends.remote)).unwrap_or_default(),
            error: error(exchange),
        }
    }

    /// Whether it is about what the process answered.
    pub fn is_server(&self) -> bool {
        self.exchange.role != Role::Client
    }

    /// The full name of a gRPC method, without the slash before it.
    pub fn rpc_method(&self) -> &'a str {
        self.path.trim_start_matches('/')
    }

    /// How long it took, in seconds.
    pub fn seconds(&self) -> f64 {
        self.exchange.end.saturating_sub(self.exchange.start) as f64 / 1e9
    }
}

/// Authority, path and query of a target.
fn parts(target: &str) -> (&str, &str, &str) {
    let (before, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query.split('#').next().unwrap_or_default();
    if before.starts_with('/') || before == "*" {
        return ("", before, query);
    }
    match before.split_once("://") {
        Some((_, rest)) => match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at..], query),
            None => (rest, "/", query),
        },
        // CONNECT
        None => (before, "", query),
    }
}

/// The server as the request names it, else as the connection does.
fn server(exchange: &Exchange, authority: &str) -> (String, u16) {
    let ends = exchange.ends.as_ref();
    let port = ends.map_or(0, |ends| if exchange.role == Role::Client { ends.remote_port } else { ends.local_port });
    let named = if authority.is_empty() { exchange.host.as_str() } else { authority };
    let named = named.rsplit('@').next().unwrap_or_default();
    if !named.is_empty() {
        let (host, written) = host_and_port(named);
        return (host.to_owned(), written.unwrap_or(port));
    }
    let Some(ends) = ends else { return (String::new(), 0) };
    if ends.family == Family::Unix {
        return (ends.path.clone(), 0);
    }
    let side = if exchange.role == Role::Client { &ends.remote } else { &ends.local };
    (address(ends.family, side), port)
}

fn host_and_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (host, None),
        },
        _ => (text, None),
    }
}

/// An address as text; empty for a Unix socket.
pub fn address(family: Family, bytes: &[u8; 16]) -> String {
    let address = match family {
        Family::Unix => return String::new(),
        Family::V4 => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
        Family::V6 => IpAddr::from(Ipv6Addr::from(*bytes)).to_canonical(),
    };
    address.to_string()
}

/// Names of gRPC's status codes, in order of their numbers.
pub const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name of a gRPC status; a number that has none is its own name.
pub fn grpc_status(code: u32) -> String {
    GRPC.get(code as usize).map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

/// Why it failed: by the conventions a server fails with 5xx, a client with 4xx too; of gRPC's codes a server fails
/// with those that are its own fault.
fn error(exchange: &Exchange) -> Option<String> {
    let server = exchange.role != Role::Client;
    if exchange.is_grpc()
        && let Some(code) = exchange.grpc_status
    {
        let fault = if server { matches!(code, 2 | 4 | 12 | 13 | 14 | 15) } else { code != 0 };
        return fault.then(|| grpc_status(code));
    }
    match exchange.status {
        Some(status @ 500..) => Some(status.to_string()),
        Some(status @ 400..) if !server => Some(status.to_string()),
        _ if exchange.ending == Ending::Broken => Some("connection_closed".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::exchange::{Ends, Protocol};
    use crate::telemetry::route::RouteRules;

    fn view(exchange: &Exchange) -> View<'_> {
        View::new(exchange, "s", &mut Routes::new(RouteRules::default()))
    }

    fn exchange(role: Role, target: &str, host: &str) -> Exchange {
        let mut remote = [0; 16];
        remote[..4].copy_from_slice(&[10, 0, 0, 2]);
        let ends = Ends { local_port: 8080, remote_port: 9090, remote, ..Ends::default() };
        Exchange {
            role,
            method: "GET".to_owned(),
            target: target.to_owned(),
            host: host.to_owned(),
            ends: Some(ends),
            status: Some(200),
            ..Exchange::default()
        }
    }

    #[test]
    fn targets_have_several_forms() {
        let one = exchange(Role::Server, "/a/1?x=y", "example.org:81");
        let seen = view(&one);
        assert_eq!((seen.path, seen.query, seen.route.as_str()), ("/a/1", "x=y", "/a/*"));
        assert_eq!((seen.server.as_str(), seen.server_port, seen.peer.as_str()), ("example.org", 81, "10.0.0.2"));
        let one = exchange(Role::Client, "http://proxy.me/b", "ignored");
        let seen = view(&one);
        assert_eq!((seen.path, seen.server.as_str(), seen.server_port), ("/b", "proxy.me", 9090));
        let one = exchange(Role::Client, "h:443", "");
        assert_eq!((view(&one).path, view(&one).server.as_str(), view(&one).server_port), ("", "h", 443));
        let one = exchange(Role::Client, "/", "");
        assert_eq!(view(&one).server, "10.0.0.2");
        let one = exchange(Role::Server, "/", "[::1]:5");
        assert_eq!((view(&one).server.as_str(), view(&one).server_port), ("::1", 5));
    }

    #[test]
    fn who_is_at_fault_depends_on_the_side() {
        let with = |role, status, grpc: Option<u32>, ending| {
            let protocol = if grpc.is_some() { Protocol::Http2 } else { Protocol::Http11 };
            let content_type = if grpc.is_some() { "application/grpc" } else { "" }.to_owned();
            let one =
                Exchange { status, grpc_status: grpc, protocol, content_type, ending, ..exchange(role, "/", "h") };
            view(&one).error
        };
        let complete = Ending::Complete;
        assert_eq!(with(Role::Server, Some(404), None, complete), None);
        assert_eq!(with(Role::Client, Some(404), None, complete).as_deref(), Some("404"));
        assert_eq!(with(Role::Server, Some(503), None, complete).as_deref(), Some("503"));
        assert_eq!(with(Role::Server, Some(200), Some(5), complete), None);
        assert_eq!(with(Role::Client, Some(200), Some(5), complete).as_deref(), Some("NOT_FOUND"));
        assert_eq!(with(Role::Server, Some(200), Some(13), complete).as_deref(), Some("INTERNAL"));
        assert_eq!(with(Role::Server, None, None, Ending::Broken).as_deref(), Some("connection_closed"));
    }

    #[test]
    fn addresses_are_written_shortly() {
        let mut mapped = [0; 16];
        mapped[10..].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
        assert_eq!(address(Family::V6, &mapped), "127.0.0.1");
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(address(Family::V6, &one), "::1");
    }
}
