//! `netdev`: bytes, packets and errors of network devices, and on request their addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter::Filter;
use crate::netlink;
use crate::parse;
use crate::roots::Roots;

/// Metrics, and the places in `rtnl_link_stats64` that add up to them.
const BY_NETLINK: &[(&str, &[usize])] = &[
    ("receive_packets", &[0]),
    ("transmit_packets", &[1]),
    ("receive_bytes", &[2]),
    ("transmit_bytes", &[3]),
    ("receive_errs", &[4]),
    ("transmit_errs", &[5]),
    ("receive_drop", &[6, 15]),
    ("transmit_drop", &[7]),
    ("receive_multicast", &[8]),
    ("transmit_colls", &[9]),
    // Length, overrun, checksum and frame errors.
    ("receive_frame", &[10, 11, 12, 13]),
    ("receive_fifo", &[14]),
    // Aborted, carrier, heartbeat and window errors.
    ("transmit_carrier", &[16, 17, 19, 20]),
    ("transmit_fifo", &[18]),
    ("receive_compressed", &[21]),
    ("transmit_compressed", &[22]),
    ("receive_nohandler", &[23]),
];

/// The columns of `net/dev`.
const BY_FILE: [&str; 16] = [
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
];

struct Netdev {
    roots: Arc<Roots>,
    filter: Filter,
    addresses: bool,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let args = &args.netdev;
    if !args.device_exclude.is_empty() && !args.device_include.is_empty() {
        let why = "device_exclude and device_include cannot be set at the same time";
        return Err(BuildError::at("netdev.device_include", why));
    }
    let filter = Filter::new("netdev", "device", &args.device_exclude, &args.device_include)?;
    Ok(Box::new(Netdev { roots: Arc::clone(roots), filter, addresses: args.address_info }))
}

impl Collector for Netdev {
    fn name(&self) -> &'static str {
        "netdev"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        // The kernel's answer knows more, but is about this machine: so it is not for a copy of another's files, unless
        // those do not tell.
        let file = self.roots.proc("net/dev");
        let links = if self.roots.is_live() || !file.exists() { netlink::links() } else { Err(Failure::no_data("")) };
        match links {
            Ok(links) => {
                for link in links.values().filter(|link| !self.filter.ignores(&link.name)) {
                    let Some(stats) = &link.stats else { continue };
                    for (metric, places) in BY_NETLINK.iter().filter(|(_, places)| places[0] < stats.len()) {
                        let sum = places
                            .iter()
                            .filter_map(|place| stats.get(*place))
                            .fold(0, |sum: u64, it| sum.wrapping_add(*it));
                        add(metric, &link.name, sum, out);
                    }
                }
            }
            Err(_) => {
                for (device, counts) in parse(&files::read(file)?)? {
                    if !self.filter.ignores(&device) {
                        BY_FILE.iter().zip(counts).for_each(|(metric, count)| add(metric, &device, count, out));
                    }
                }
            }
        }
        if self.addresses && self.roots.is_live() { self.addresses(out) } else { Ok(()) }
    }
}

fn add(metric: &str, device: &str, value: u64, out: &mut Families) {
    let mut name = String::with_capacity(48);
    name.extend(["node_network_", metric, "_total"]);
    out.counter(&name, format_args!("Counter {metric} of a network device."), &[("device", device)], value);
}

/// Names may be followed by a number without a space: `eth0:123`.
pub(super) fn parse(text: &str) -> Result<Vec<(String, [u64; 16])>, Failure> {
    let mut devices = Vec::new();
    for line in text.lines().skip(2) {
        let wrong = || Failure::new(format!("net/dev: {line:?} is no device"));
        let (device, rest) = line.rsplit_once(':').ok_or_else(wrong)?;
        let mut counts = [0; 16];
        let mut words = rest.split_whitespace();
        for count in &mut counts {
            *count = parse::number(words.next().ok_or_else(wrong)?, "net/dev")?;
        }
        devices.push((device.trim().to_owned(), counts));
    }
    Ok(devices)
}

impl Netdev {
    fn addresses(&self, out: &mut Families) -> Outcome {
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        let names = netlink::device_names()?;
        for message in netlink::addresses()? {
            let Some((head, rest)) = message.payload.split_at_checked(8) else { continue };
            let Some(device) = netlink::u32_at(head, 4).and_then(|index| names.get(&index)) else { continue };
            // On links between two, the address is the other side's.
            let local = netlink::attribute(rest, IFA_LOCAL).or_else(|| netlink::attribute(rest, IFA_ADDRESS));
            let Some(address) = local.and_then(address) else { continue };
            if self.filter.ignores(device) {
                continue;
            }
            let (text, prefix) = (address.to_string(), head[1].to_string());
            let labels = [("address", &*text), ("device", device), ("netmask", &*prefix), ("scope", scope(address))];
            out.gauge("node_network_address_info", "An address of a network device.", &labels, 1);
        }
        Ok(())
    }
}

/// Of four or sixteen bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

fn scope(address: IpAddr) -> &'static str {
    let (local, interface) = match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            (four.is_loopback() || (a, b) == (169, 254) || (a, b, c) == (224, 0, 0), false)
        }
        IpAddr::V6(six) => {
            let first = six.segments()[0];
            (six.is_loopback() || first & 0xffc0 == 0xfe80 || first & 0xff0f == 0xff02, first & 0xff0f == 0xff01)
        }
    };
    match (local, interface) {
        (true, _) => "link-local",
        (_, true) => "interface-local",
        _ if address.is_unspecified() || address.is_multicast() => "",
        _ => "global",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_may_follow_a_name_at_once() {
        let text = "Inter-|\n face |\n  veth4:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        let devices = parse(text).unwrap();
        assert_eq!((&*devices[0].0, devices[0].1[0], devices[0].1[15]), ("veth4", 1, 16));
        assert!(parse("a\nb\nc: 1\n").is_err());
    }

    #[test]
    fn addresses_have_scopes() {
        for (text, expected) in [
            ("127.0.0.1", "link-local"),
            ("10.0.0.1", "global"),
            ("fe80::1", "link-local"),
            ("::1", "link-local"),
            ("::", ""),
        ] {
            assert_eq!(scope(text.parse().unwrap()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "([a-z]|:|[0-9]| |\n){0,80}") {
            let _ = parse(&text);
        }
    }
}
