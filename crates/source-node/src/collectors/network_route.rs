//! `network_route`: the routes of this machine.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::netdev::address;
use crate::collector::Outcome;
use crate::families::Families;
use crate::netlink;
use crate::roots::Roots;

const HEAD: usize = 12;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;

pub(super) fn collect(_: &Roots, out: &mut Families) -> Outcome {
    let names = netlink::device_names()?;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for message in netlink::routes()? {
        let Some((head, rest)) = message.payload.split_at_checked(HEAD) else { continue };
        if head[7] != RTN_UNICAST {
            continue;
        }
        let ip = |bytes: &[u8], kind| netlink::attribute(bytes, kind).and_then(address).map(|ip| ip.to_string());
        let number = |kind| netlink::attribute(rest, kind).and_then(|value| netlink::u32_at(value, 0));
        let destination = netlink::attribute(rest, RTA_DST).and_then(address);
        let route = Route {
            source: ip(rest, RTA_PREFSRC).unwrap_or_default(),
            destination: network(destination, head[1]),
            priority: number(RTA_PRIORITY).unwrap_or(0).to_string(),
            protocol: protocol(head[5]),
        };
        let mut add = |index: u32, gateway: Option<String>, weight: &str| {
            let device = device(&names, index);
            route.add(device, &gateway.unwrap_or_default(), weight, out);
            *counts.entry(device.to_owned()).or_default() += 1;
        };
        let Some(mut hops) = netlink::attribute(rest, RTA_MULTIPATH) else {
            add(number(RTA_OIF).unwrap_or(0), ip(rest, RTA_GATEWAY), "");
            continue;
        };
        // Each hop: length, flags, hops, device, and its own attributes.
        while let (Some(length), Some(index)) = (netlink::u16_at(hops, 0), netlink::u32_at(hops, 4)) {
            let Some(inner) = hops.get(8..usize::from(length)) else { break };
            add(index, ip(inner, RTA_GATEWAY), &(u32::from(hops[3]) + 1).to_string());
            hops = hops.get((usize::from(length) + 3) & !3..).unwrap_or_default();
        }
    }
    for (device, count) in counts {
        out.gauge("node_network_routes", "Routes by network device.", &[("device", &device)], count);
    }
    Ok(())
}

struct Route {
    source: String,
    destination: String,
    priority: String,
    protocol: &'static str,
}

impl Route {
    fn add(&self, device: &str, gateway: &str, weight: &str, out: &mut Families) {
        let labels = [
            ("dest", &*self.destination),
            ("device", device),
            ("gw", gateway),
            ("priority", &self.priority),
            ("proto", self.protocol),
            ("src", &self.source),
            ("weight", weight),
        ];
        out.gauge("node_network_route_info", "A route.", &labels, 1);
    }
}

fn device(names: &HashMap<u32, String>, index: u32) -> &str {
    names.get(&index).map_or("", String::as_str)
}

fn network(address: Option<IpAddr>, prefix: u8) -> String {
    match address {
        Some(address) if prefix > 0 => format!("{address}/{prefix}"),
        _ => "default".into(),
    }
}

/// As the kernel's headers name who has made a route.
fn protocol(number: u8) -> &'static str {
    match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}
