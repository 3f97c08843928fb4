//! `ethtool`: what network devices can do and what they offer.
//!
//! Asked by netlink. What drivers count on their own is told by an older call alone, which is not made here.

use std::path::Path;
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter::Filter;
use crate::netlink::{self, Family, attribute, u32_at, write_attribute};
use crate::roots::Roots;

const LINKMODES_GET: u8 = 4;
const HEADER: u16 = 1;
const HEADER_DEV_NAME: u16 = 2;
const HEADER_FLAGS: u16 = 3;
const COMPACT_BITSETS: u32 = 1;
const LINKMODES_AUTONEG: u16 = 2;
const LINKMODES_OURS: u16 = 3;
const BITSET_VALUE: u16 = 4;
const BITSET_MASK: u16 = 5;

const AUTONEG: usize = 6;
const PAUSE: usize = 13;
const ASYM_PAUSE: usize = 14;
const PORTS: [(usize, &str); 6] = [(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];

/// Bits, Mbit/s, kinds of link; all but those of [`HALF`] go both ways at a time.
const SPEEDS: &[(usize, u32, &str)] = &[
    (0, 10, "T"),
    (1, 10, "T"),
    (2, 100, "T"),
    (3, 100, "T"),
    (4, 1000, "T"),
    (5, 1000, "T"),
    (12, 10000, "T"),
    (17, 1000, "KX"),
    (18, 10000, "KX4"),
    (19, 10000, "KR"),
    (20, 10000, "R_FEC"),
    (21, 20000, "MLD2"),
    (22, 20000, "KR2"),
    (23, 40000, "KR4"),
    (24, 40000, "CR4"),
    (25, 40000, "SR4"),
    (26, 40000, "LR4"),
    (27, 56000, "KR4"),
    (28, 56000, "CR4"),
    (29, 56000, "SR4"),
    (30, 56000, "LR4"),
    (31, 25000, "CR"),
    (32, 25000, "KR"),
    (33, 25000, "SR"),
    (34, 50000, "CR2"),
    (35, 50000, "KR2"),
    (36, 100_000, "KR4"),
    (37, 100_000, "SR4"),
    (38, 100_000, "CR4"),
    (39, 100_000, "R4_ER4"),
    (40, 50000, "SR2"),
    (41, 1000, "X"),
    (42, 10000, "CR"),
    (43, 10000, "SR"),
    (44, 10000, "LR"),
    (45, 10000, "LRM"),
    (46, 10000, "ER"),
    (47, 2500, "T"),
    (48, 5000, "T"),
    (52, 50000, "KR"),
    (53, 50000, "SR"),
    (54, 50000, "CR"),
    (55, 50000, "LR_ER_FR"),
    (56, 50000, "DR"),
    (57, 100_000, "KR2"),
    (58, 100_000, "SR2"),
    (59, 100_000, "CR2"),
    (60, 100_000, "LR2_ER2_FR2"),
    (61, 100_000, "DR2"),
    (62, 200_000, "KR4"),
    (63, 200_000, "SR4"),
    (64, 200_000, "LR4_ER4_FR4"),
    (65, 200_000, "DR4"),
    (66, 200_000, "CR4"),
    (67, 100, "T1"),
    (68, 1000, "T1"),
    (69, 400_000, "KR8"),
    (70, 400_000, "SR8"),
    (71, 400_000, "LR8_ER8_FR8"),
    (72, 400_000, "DR8"),
    (73, 400_000, "CR8"),
    (75, 100_000, "KR"),
    (76, 100_000, "SR"),
    (77, 100_000, "LR_ER_FR"),
    (78, 100_000, "CR"),
    (79, 100_000, "DR"),
    (80, 200_000, "KR2"),
    (81, 200_000, "SR2"),
    (82, 200_000, "LR2_ER2_FR2"),
    (83, 200_000, "DR2"),
    (84, 200_000, "CR2"),
    (85, 400_000, "KR4"),
    (86, 400_000, "SR4"),
    (87, 400_000, "LR4_ER4_FR4"),
    (88, 400_000, "DR4"),
    (89, 400_000, "CR4"),
    (90, 100, "FX"),
    (91, 100, "FX"),
];
const HALF: [usize; 4] = [0, 2, 4, 90];

struct Ethtool {
    roots: Arc<Roots>,
    filter: Filter,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let args = &args.ethtool;
    // Checked, though nothing is counted that it could choose from.
    crate::filter::pattern("ethtool.metrics_include", &args.metrics_include)?;
    let filter = Filter::new("ethtool", "device", &args.device_exclude, &args.device_include)?;
    Ok(Box::new(Ethtool { roots: Arc::clone(roots), filter }))
}

impl Collector for Ethtool {
    fn name(&self) -> &'static str {
        "ethtool"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let root = self.roots.sys("class/net");
        let family = netlink::generic_family("ethtool")?;
        for device in files::list(&root)? {
            let dir = root.join(&device);
            if self.filter.ignores(&device) || !dir.is_dir() {
                continue;
            }
            match modes(family, &device) {
                Ok(modes) => modes.report(&device, out),
                Err(why) => tracing::debug!(collector = "ethtool", device, "asking for its link: {why}"),
            }
            driver(&dir, &device, out);
        }
        Ok(())
    }
}

fn driver(dir: &Path, device: &str, out: &mut Families) {
    let Ok(driver) = files::link_name(dir.join("device/driver")) else { return };
    let bus = dir.join("device").canonicalize().ok();
    let bus =
        bus.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let labels = [
        ("bus_info", &*bus),
        ("device", device),
        ("driver", &*driver),
        ("expansion_rom_version", ""),
        ("firmware_version", ""),
        ("version", ""),
    ];
    out.gauge("node_ethtool_info", "The driver of a network device.", &labels, 1);
}

struct Modes {
    autonegotiate: bool,
    supported: Vec<u32>,
    advertised: Vec<u32>,
}

fn modes(family: u16, device: &str) -> Result<Modes, Failure> {
    let mut header = Vec::new();
    write_attribute(&mut header, HEADER_DEV_NAME, &[device.as_bytes(), b"\0"].concat());
    write_attribute(&mut header, HEADER_FLAGS, &COMPACT_BITSETS.to_ne_bytes());
    let mut body = vec![LINKMODES_GET, 1, 0, 0];
    write_attribute(&mut body, HEADER | 0x8000, &header);
    let answers = netlink::get(Family::Generic, family, &body)?;
    let attributes = answers.iter().find_map(|answer| answer.payload.get(4..));
    let attributes = attributes.ok_or_else(|| Failure::no_data("it has no answer"))?;
    let ours = attribute(attributes, LINKMODES_OURS).unwrap_or_default();
    let words =
        |kind| attribute(ours, kind).unwrap_or_default().chunks_exact(4).filter_map(|word| u32_at(word, 0)).collect();
    let autonegotiate = attribute(attributes, LINKMODES_AUTONEG).and_then(|value| value.first()) == Some(&1);
    Ok(Modes { autonegotiate, supported: words(BITSET_MASK), advertised: words(BITSET_VALUE) })
}

fn has(words: &[u32], bit: usize) -> bool {
    words.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1)
}

impl Modes {
    fn report(&self, device: &str, out: &mut Families) {
        for (which, words) in [("supported", &self.supported), ("advertised", &self.advertised)] {
            for (bit, speed, kind) in SPEEDS.iter().filter(|(bit, ..)| has(words, *bit)) {
                let duplex = if HALF.contains(bit) { "half" } else { "full" };
                let mode = format!("{speed}base{kind}");
                let labels = [("device", device), ("duplex", duplex), ("mode", &*mode)];
                let help = format_args!("Speeds that are {which}.");
                out.gauge(&format!("node_network_{which}_speed_bytes"), help, &labels, f64::from(*speed) * 125e3);
            }
            for (bit, name) in [(AUTONEG, "autonegotiate"), (PAUSE, "pause"), (ASYM_PAUSE, "asymmetricpause")] {
                let help = format_args!("Whether {name} is {which}.");
                out.gauge(&format!("node_network_{name}_{which}"), help, &[("device", device)], has(words, bit));
            }
        }
        for (_, name) in PORTS.iter().filter(|(bit, _)| has(&self.supported, *bit)) {
            let labels = [("device", device), ("type", *name)];
            out.gauge("node_network_supported_port_info", "Ports that a device has.", &labels, 1);
        }
        let help = "Whether both sides agree on a speed.";
        out.gauge("node_network_autonegotiate", help, &[("device", device)], self.autonegotiate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_speeds() {
        let modes = Modes { autonegotiate: true, supported: vec![0b1110_0000, 1 << 15], advertised: vec![1 << 5] };
        let mut out = Families::new();
        modes.report("eth0", &mut out);
        let text = crate::render(&mut [out]);
        for line in [
            "node_network_supported_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"1000baseT\"} 1.25e+08",
            "node_network_supported_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"2500baseT\"} 3.125e+08",
            "node_network_advertised_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"1000baseT\"} 1.25e+08",
            "node_network_supported_port_info{device=\"eth0\",type=\"TP\"} 1",
            "node_network_autonegotiate_supported{device=\"eth0\"} 1",
            "node_network_autonegotiate_advertised{device=\"eth0\"} 0",
            "node_network_autonegotiate{device=\"eth0\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
    }
}
