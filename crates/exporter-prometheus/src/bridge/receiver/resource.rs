//! Resources and scopes out of labels.

use std::net::IpAddr;

use corten_proto::otlp::common::KeyValue;
use corten_signal::labels::{Labels, NAME};

use super::group::attribute;

const SCOPE_NAME: &str = "otel_scope_name";
const SCOPE_VERSION: &str = "otel_scope_version";
const SCOPE_SCHEMA: &str = "otel_scope_schema_url";

/// Labels that say where a series comes from; they are no attributes of points.
pub(super) const ORIGIN: [&str; 8] =
    [NAME, "job", "instance", "__scheme__", "__metrics_path__", SCOPE_NAME, SCOPE_VERSION, SCOPE_SCHEMA];

/// Where a series comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    pub(super) job: &'a str,
    pub(super) instance: &'a str,
    scheme: &'a str,
    pub(super) scope: Scope<'a>,
}

/// The library that made a series; empty if none is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) schema: &'a str,
}

impl<'a> Origin<'a> {
    pub(super) fn of(labels: &'a Labels) -> Self {
        let mut origin = Self::default();
        for (name, value) in labels {
            match name {
                "job" => origin.job = value,
                "instance" => origin.instance = value,
                "__scheme__" => origin.scheme = value,
                SCOPE_NAME => origin.scope.name = value,
                SCOPE_VERSION => origin.scope.version = value,
                SCOPE_SCHEMA => origin.scope.schema = value,
                _ => {}
            }
        }
        origin
    }

    /// The attributes of the resource, without those that its `target_info` tells.
    pub(super) fn resource(&self) -> Vec<KeyValue> {
        let (host, port) = split(self.instance);
        let pairs = [
            ("service.name", self.job),
            ("service.instance.id", self.instance),
            ("server.address", if is_discernible(host) { host } else { "" }),
            ("server.port", port),
            ("url.scheme", self.scheme),
        ];
        pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| attribute(name, value)).collect()
    }
}

/// Host and port of an address; the whole is the host if it has no port.
fn split(address: &str) -> (&str, &str) {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => (host, port),
        _ => return (address, ""),
    };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => (inner, port),
        // Several colons without brackets: an address without a port.
        None if host.contains(':') => (address, ""),
        None => (host, port),
    }
}

/// Whether a host says which one it is.
fn is_discernible(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => !address.is_loopback() && !address.is_unspecified(),
        Err(_) => host != "localhost",
    }
}

/// Attributes by the labels of `target_info` or `otel_scope_info`.
pub(super) fn told(labels: &Labels) -> impl Iterator<Item = KeyValue> + '_ {
    labels.iter().filter(|(name, _)| !ORIGIN.contains(name)).map(|(name, value)| attribute(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        let cases = [
            ("host:80", ("host", "80")),
            ("host", ("host", "")),
            ("[::1]:80", ("::1", "80")),
            ("::1", ("::1", "")),
            ("host:name", ("host:name", "")),
        ];
        for (address, expected) in cases {
            assert_eq!(split(address), expected);
        }
        let here = ["localhost", "127.0.0.1", "::1", "0.0.0.0"];
        assert!(here.into_iter().all(|host| !is_discernible(host)));
        assert!(is_discernible("10.0.0.1") && is_discernible("host"));
    }
}
