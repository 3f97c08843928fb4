//! `/etc/resolv.conf`: which servers to ask, and for which names.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) servers: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    /// Names with at least this many dots are tried as they are first.
    pub(super) ndots: usize,
    pub(super) timeout: Duration,
}

impl Config {
    /// From a file.
    pub(super) fn read(path: &Path) -> std::io::Result<Self> {
        std::fs::read_to_string(path).map(|text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let timeout = Duration::from_secs(5);
        let mut config = Self { servers: Vec::new(), search: Vec::new(), ndots: 1, timeout };
        for line in text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default()) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    config.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                Some("search") => config.search = words.map(str::to_owned).collect(),
                Some("domain") => config.search = words.next().map(str::to_owned).into_iter().collect(),
                Some("options") => words.for_each(|word| match word.split_once(':') {
                    Some(("ndots", count)) => config.ndots = count.parse().unwrap_or(1).min(15),
                    Some(("timeout", seconds)) => {
                        config.timeout = Duration::from_secs(seconds.parse().unwrap_or(5).clamp(1, 30));
                    }
                    _ => {}
                }),
                _ => {}
            }
        }
        config
    }

    /// The names to try, in order.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let dots = name.matches('.').count();
        let searched = self.search.iter().map(|domain| format!("{name}.{}", domain.trim_start_matches('.')));
        let mut names: Vec<String> = searched.collect();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, name.to_owned());
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_names_are_read() {
        let config = Config::parse(
            "# a comment\nnameserver 192.0.2.1\nnameserver ::1 # more\nnameserver nonsense\nsearch a.example b.example\n\
             options ndots:2 timeout:1 rotate\n",
        );
        assert_eq!(config.servers, ["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!(config.timeout, Duration::from_secs(1));
        assert_eq!(config.names("x.y"), ["x.y.a.example", "x.y.b.example", "x.y"]);
        assert_eq!(config.names("x.y.z"), ["x.y.z", "x.y.z.a.example", "x.y.z.b.example"]);
        assert_eq!(config.names("x."), ["x."]);
    }
}
