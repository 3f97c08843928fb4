//! Where a server listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// A place to listen: `host:port`, or the path of a unix socket.
///
/// Two spellings of one address (`localhost:1` and `127.0.0.1:1`) are the same, so that they name the same listener.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

/// The text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address to listen on: {why}")]
pub struct AddressError {
    text: String,
    why: String,
}

impl Address {
    /// Reads `127.0.0.1:4318`, `[::1]:4318`, `localhost:4318`, `:4318` (all interfaces), `unix:/run/x.sock`.
    ///
    /// Other host names are looked up, which may block; a name must stand for an address of this machine.
    ///
    /// # Errors
    /// If the text has no port, or the name is not known.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let fail = |why: &str| AddressError { text: text.to_owned(), why: why.to_owned() };
        if let Some(path) = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:")) {
            return Self::unix(path).map_err(|_| fail("the path of the socket is missing"));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(fail("the port is missing, as in \"127.0.0.1:4318\""));
        };
        let port: u16 = port.parse().map_err(|_| fail("the port is not a number from 0 to 65535"))?;
        match host {
            "" => Ok(Self::Tcp((Ipv6Addr::UNSPECIFIED, port).into())),
            "localhost" => Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into())),
            _ if host.contains(':') && !host.starts_with('[') => {
                Err(fail("an IPv6 address stands in brackets, as in \"[::1]:4318\""))
            }
            _ => std::net::ToSocketAddrs::to_socket_addrs(&(host.trim_matches(['[', ']']), port))
                .ok()
                .and_then(|mut found| found.next())
                .map(Self::Tcp)
                .ok_or_else(|| fail("the host name is not known")),
        }
    }

    /// A unix socket at a path.
    ///
    /// # Errors
    /// If the path is empty.
    pub fn unix(path: &str) -> Result<Self, AddressError> {
        match path {
            "" => Err(AddressError { text: path.to_owned(), why: "the path of the socket is missing".to_owned() }),
            path => Ok(Self::Unix(PathBuf::from(path))),
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => match address.ip() {
                IpAddr::V4(ip) => ip.is_loopback(),
                IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
            },
            Self::Unix(_) => true,
        }
    }

    /// The TCP address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn spellings_of_one_address_are_equal() {
        assert_eq!(Address::parse("localhost:4318").unwrap(), Address::parse("127.0.0.1:4318").unwrap());
        assert_eq!(Address::parse(":1").unwrap(), Address::parse("[::]:1").unwrap());
        assert_eq!(Address::parse("unix:/a").unwrap(), Address::unix("/a").unwrap());
        assert!(Address::parse("[::1]:4317").unwrap().is_local());
        assert!(!Address::parse("0.0.0.0:4317").unwrap().is_local());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in
            [("127.0.0.1", "port is missing"), ("a:b", "not a number"), ("::1:x", "not a number"), ("unix:", "path")]
        {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
