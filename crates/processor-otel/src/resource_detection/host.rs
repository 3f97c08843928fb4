//! Facts about the machine, from files and system calls. Everything here may block.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// Where files of the machine are looked for.
#[derive(Debug, Clone)]
pub(super) struct Host {
    root: PathBuf,
}

/// The first CPU's description.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    pub(super) vendor_id: Option<String>,
    pub(super) family: Option<String>,
    pub(super) model_id: Option<String>,
    pub(super) model_name: Option<String>,
    pub(super) stepping: Option<String>,
    /// KiB.
    pub(super) cache_size: Option<i64>,
}

/// What is known of network interfaces that are up and not loopback.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Interfaces {
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// Upper-case hexadecimal with hyphens, as IEEE writes them.
    pub(super) macs: Vec<String>,
}

impl Host {
    pub(super) fn at(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned() }
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// The machine id.
    pub(super) fn id(&self) -> Option<String> {
        ["etc/machine-id", "var/lib/dbus/machine-id"].iter().find_map(|path| {
            let id = self.read(path)?.trim().to_owned();
            (!id.is_empty()).then_some(id)
        })
    }

    /// A field of os-release, without its quotes.
    pub(super) fn os_release(&self, name: &str) -> Option<String> {
        let text = self.read("etc/os-release").or_else(|| self.read("usr/lib/os-release"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?.trim();
        let value = value.trim_matches(|letter| letter == '"' || letter == '\'');
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(super) fn cpu(&self) -> Cpu {
        let Some(text) = self.read("proc/cpuinfo") else { return Cpu::default() };
        let first = text.split("\n\n").next().unwrap_or_default();
        let field = |wanted: &[&str]| {
            first.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let value = value.trim();
                (wanted.contains(&name.trim()) && !value.is_empty()).then(|| value.to_owned())
            })
        };
        Cpu {
            vendor_id: field(&["vendor_id", "CPU implementer"]),
            family: field(&["cpu family", "CPU architecture"]),
            model_id: field(&["model", "CPU part"]),
            model_name: field(&["model name"]),
            stepping: field(&["stepping", "CPU revision"]),
            cache_size: field(&["cache size"]).and_then(|text| text.strip_suffix(" KB")?.trim().parse().ok()),
        }
    }

    /// The distribution, then the kernel as uname tells it.
    pub(super) fn os_description(&self) -> Option<String> {
        let kernel = nix::sys::utsname::uname().ok().map(|uname| {
            let parts = [uname.sysname(), uname.nodename(), uname.release(), uname.version(), uname.machine()];
            parts.map(|part| part.to_string_lossy().into_owned()).join(" ")
        });
        match (self.os_release("PRETTY_NAME"), kernel) {
            (Some(name), Some(kernel)) => Some(format!("{name} ({kernel})")),
            (name, kernel) => name.or(kernel),
        }
    }

    /// The name of the host with its domain, where it is known: from /etc/hosts, else from the resolver.
    pub(super) fn fully_qualified_name(&self) -> Result<String, String> {
        let name = os_hostname()?;
        if let Some(known) = self.read("etc/hosts").and_then(|hosts| canonical_in(&hosts, &name)) {
            return Ok(known);
        }
        canonical_name(&name).or_else(|_| reverse_lookup(&name))
    }
}

/// The first name of the line of a hosts file that holds this name.
fn canonical_in(hosts: &str, name: &str) -> Option<String> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut names = lines.filter_map(|line| {
        let names: Vec<&str> = line.split_whitespace().skip(1).collect();
        names.iter().any(|known| known.eq_ignore_ascii_case(name)).then(|| names.first().copied())?
    });
    // Debian's second loopback address often names the host alone, another line with its domain.
    let all: Vec<&str> = names.by_ref().collect();
    let best = all.iter().find(|known| known.contains('.')).or(all.first())?;
    (!best.starts_with("localhost")).then(|| (*best).to_owned())
}

/// The name that the kernel knows.
pub(super) fn os_hostname() -> Result<String, String> {
    let name =
        nix::unistd::gethostname().map_err(|error| format!("the kernel does not tell the host's name: {error}"))?;
    match name.into_string() {
        Ok(name) if !name.is_empty() => Ok(name),
        Ok(_) => Err("the host has no name".into()),
        Err(_) => Err("the host's name is not UTF-8".into()),
    }
}

/// The canonical name that the resolver gives.
pub(super) fn canonical_name(name: &str) -> Result<String, String> {
    const AI_CANONNAME: i32 = 2;
    let hints = dns_lookup::AddrInfoHints { flags: AI_CANONNAME, ..Default::default() };
    let failed = |error: &dyn std::fmt::Debug| format!("{name:?} cannot be resolved: {error:?}");
    let answers = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(|error| failed(&error))?;
    let mut names = answers.filter_map(Result::ok).filter_map(|answer| answer.canonname);
    names.next().map(without_dot).ok_or_else(|| failed(&"no canonical name"))
}

/// The name of one of the addresses of a name.
pub(super) fn reverse_lookup(name: &str) -> Result<String, String> {
    let addresses = dns_lookup::lookup_host(name).map_err(|error| format!("{name:?} cannot be resolved: {error}"))?;
    for address in addresses {
        // A numeric answer means that the address has no name.
        match dns_lookup::lookup_addr(&address) {
            Ok(found) if found.parse::<IpAddr>().is_err() => return Ok(without_dot(found)),
            _ => {}
        }
    }
    Err(format!("no address of {name:?} has a name"))
}

fn without_dot(name: String) -> String {
    name.trim_end_matches('.').to_owned()
}

pub(super) fn interfaces() -> Interfaces {
    let mut found = Interfaces::default();
    let Ok(all) = getifaddrs() else { return found };
    for interface in all {
        let flags = interface.flags;
        if !flags.contains(InterfaceFlags::IFF_UP) || flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            continue;
        }
        if !found.names.contains(&interface.interface_name) {
            found.names.push(interface.interface_name.clone());
        }
        let Some(address) = interface.address else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            found.addresses.push(v4.ip().into());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            found.addresses.push(SocketAddr::from((v6.ip(), 0)).ip());
        } else if let Some(mac) = address.as_link_addr().and_then(|link| link.addr()).filter(|mac| *mac != [0; 6]) {
            found.macs.push(mac.map(|byte| format!("{byte:02X}")).join("-"));
        }
    }
    found.addresses.retain(|address| !address.is_loopback());
    found
}

/// The architecture, as the semantic conventions name it.
pub(super) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn files_tell_what_the_machine_is() {
        let (_root, host) = host(&[
            ("etc/machine-id", "\n"),
            ("var/lib/dbus/machine-id", "abc123\n"),
            ("etc/os-release", "NAME=X\nID=nixos\nVERSION_ID=\"25.11\"\nBUILD_ID='b'\nPRETTY_NAME=\"NixOS 25.11\"\n"),
            (
                "proc/cpuinfo",
                "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon\n\
                 stepping\t: 7\ncache size\t: 33792 KB\n\nprocessor\t: 1\nmodel\t\t: 86\n",
            ),
        ]);
        assert_eq!(host.id().as_deref(), Some("abc123"));
        assert_eq!(host.os_release("ID").as_deref(), Some("nixos"));
        assert_eq!(host.os_release("VERSION_ID").as_deref(), Some("25.11"));
        assert_eq!(host.os_release("BUILD_ID").as_deref(), Some("b"));
        assert!(host.os_description().unwrap().starts_with("NixOS 25.11 ("));
        let cpu = host.cpu();
        assert_eq!((cpu.model_id.as_deref(), cpu.cache_size), (Some("85"), Some(33792)));
    }

    #[test]
    fn the_hosts_file_knows_the_domain() {
        let hosts = "127.0.0.1 localhost shop\n127.0.1.1 shop # short\n192.0.2.1 shop.example.org shop\n";
        assert_eq!(canonical_in(hosts, "shop").as_deref(), Some("shop.example.org"));
        assert_eq!(canonical_in("127.0.0.1 localhost shop\n", "shop"), None);
        assert_eq!(canonical_in(hosts, "other"), None);
    }

    #[test]
    fn interfaces_are_up_and_not_loopback() {
        let found = interfaces();
        assert!(!found.names.iter().any(|name| name == "lo"));
        assert!(found.addresses.iter().all(|address| !address.is_loopback()));
        assert!(found.macs.iter().all(|mac| mac.len() == 17 && *mac == mac.to_uppercase()));
    }
}
