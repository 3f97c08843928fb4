//! `wifi`: wireless devices and their stations.

use crate::collector::{Failure, Outcome};
use crate::families::{Families, Kind};
use crate::netlink::{self, Family, Message, attribute, u16_at, u32_at, u64_at};
use crate::roots::Roots;

const GET_INTERFACE: u8 = 5;
const GET_STATION: u8 = 17;
const GET_SCAN: u8 = 32;

const ATTR_IFINDEX: u16 = 3;
const ATTR_IFNAME: u16 = 4;
const ATTR_MAC: u16 = 6;
const ATTR_STA_INFO: u16 = 21;
const ATTR_WIPHY_FREQ: u16 = 38;
const ATTR_BSS: u16 = 47;

const BSS_BSSID: u16 = 1;
const BSS_ELEMENTS: u16 = 6;
const BSS_STATUS: u16 = 9;

const STA_SIGNAL: u16 = 7;
const STA_TX_BITRATE: u16 = 8;
const STA_RX_BITRATE: u16 = 14;

/// Counters of a station: attribute, metric, how many make one of the metric's unit.
const NUMBERS: &[(&[u16], &str, Kind, f64, &str)] = &[
    (&[16], "connected_seconds_total", Kind::Counter, 1.0, "Time that a station has been connected."),
    (&[1], "inactive_seconds", Kind::Gauge, 1e3, "Time since a station did anything."),
    // The longer counters where there are any.
    (&[23, 2], "receive_bytes_total", Kind::Counter, 1.0, "Bytes received from a station."),
    (&[24, 3], "transmit_bytes_total", Kind::Counter, 1.0, "Bytes sent to a station."),
    (&[11], "transmit_retries_total", Kind::Counter, 1.0, "Packets sent again."),
    (&[12], "transmit_failed_total", Kind::Counter, 1.0, "Packets that could not be sent."),
    (&[18], "beacon_loss_total", Kind::Counter, 1.0, "Beacons that did not come."),
    (&[10], "transmitted_packets_total", Kind::Counter, 1.0, "Packets sent to a station."),
    (&[9], "received_packets_total", Kind::Counter, 1.0, "Packets received from a station."),
];

pub(super) fn collect(_: &Roots, out: &mut Families) -> Outcome {
    let family = netlink::generic_family("nl80211")?;
    for device in ask(family, GET_INTERFACE, None)? {
        let Some(attributes) = device.payload.get(4..) else { continue };
        let name = attribute(attributes, ATTR_IFNAME).map(netlink::text).unwrap_or_default();
        let Some(index) = attribute(attributes, ATTR_IFINDEX).and_then(|value| u32_at(value, 0)) else { continue };
        // Some virtual devices have no name.
        if name.is_empty() {
            continue;
        }
        let megahertz = attribute(attributes, ATTR_WIPHY_FREQ).and_then(|value| u32_at(value, 0)).unwrap_or(0);
        let labels = [("device", &*name)];
        let help = "The frequency that a device is on.";
        out.gauge("node_wifi_interface_frequency_hertz", help, &labels, f64::from(megahertz) * 1e6);
        // Not every kind of device has these.
        for found in ask(family, GET_SCAN, Some(index)).unwrap_or_default() {
            let bss = found.payload.get(4..).and_then(|attributes| attribute(attributes, ATTR_BSS));
            if let Some(bss) = bss.filter(|bss| attribute(bss, BSS_STATUS).is_some()) {
                network(&name, bss, out);
                break;
            }
        }
        for found in ask(family, GET_STATION, Some(index)).unwrap_or_default() {
            if let Some(attributes) = found.payload.get(4..) {
                station(&name, attributes, out);
            }
        }
    }
    Ok(())
}

fn ask(family: u16, command: u8, device: Option<u32>) -> Result<Vec<Message>, Failure> {
    let mut body = vec![command, 0, 0, 0];
    if let Some(index) = device {
        netlink::write_attribute(&mut body, ATTR_IFINDEX, &index.to_ne_bytes());
    }
    netlink::dump(Family::Generic, family, &body)
}

fn network(device: &str, bss: &[u8], out: &mut Families) {
    let mode = match attribute(bss, BSS_STATUS).and_then(|status| u32_at(status, 0)) {
        Some(0 | 1) => "client",
        Some(2) => "ad-hoc",
        _ => "unknown",
    };
    let address = attribute(bss, BSS_BSSID).map(mac).unwrap_or_default();
    let name = attribute(bss, BSS_ELEMENTS).and_then(ssid).unwrap_or_default();
    let labels = [("bssid", &*address), ("device", device), ("mode", mode), ("ssid", &*name)];
    out.gauge("node_wifi_station_info", "The network that a device is in.", &labels, 1);
}

/// Elements are number, length, content; the name is number 0.
fn ssid(mut elements: &[u8]) -> Option<String> {
    while let [number, length, rest @ ..] = elements {
        let (content, more) = rest.split_at_checked(usize::from(*length))?;
        if *number == 0 {
            return Some(String::from_utf8_lossy(content).into_owned());
        }
        elements = more;
    }
    None
}

fn station(device: &str, attributes: &[u8], out: &mut Families) {
    let address = attribute(attributes, ATTR_MAC).map(mac).unwrap_or_default();
    let Some(info) = attribute(attributes, ATTR_STA_INFO) else { return };
    let labels = [("device", device), ("mac_address", &*address)];
    for (kinds, metric, family, unit, help) in NUMBERS {
        let value = kinds.iter().find_map(|kind| attribute(info, *kind)).map_or(0, number);
        out.sample(*family, &format!("node_wifi_station_{metric}"), help, &labels, value as f64 / unit);
    }
    let bitrate = |kind| attribute(info, kind).map_or(0.0, bitrate);
    let help = "Bits a second received from a station.";
    out.gauge("node_wifi_station_receive_bits_per_second", help, &labels, bitrate(STA_RX_BITRATE));
    let help = "Bits a second sent to a station.";
    out.gauge("node_wifi_station_transmit_bits_per_second", help, &labels, bitrate(STA_TX_BITRATE));
    let signal = attribute(info, STA_SIGNAL).and_then(|value| value.first()).map_or(0, |byte| byte.cast_signed());
    out.gauge("node_wifi_station_signal_dbm", "How strong a station's signal is.", &labels, i32::from(signal));
}

/// In steps of 100 kbit/s; the longer number where there is one.
fn bitrate(rate: &[u8]) -> f64 {
    let long = attribute(rate, 5).and_then(|value| u32_at(value, 0));
    let steps = long.or_else(|| attribute(rate, 1).and_then(|value| u16_at(value, 0)).map(u32::from));
    f64::from(steps.unwrap_or(0)) * 1e5
}

fn number(value: &[u8]) -> u64 {
    u64_at(value, 0).or_else(|| u32_at(value, 0).map(u64::from)).unwrap_or(0)
}

fn mac(bytes: &[u8]) -> String {
    let parts: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::write_attribute;

    #[test]
    fn a_station_is_told_by_its_attributes() {
        let mut rate = Vec::new();
        write_attribute(&mut rate, 1, &866u16.to_ne_bytes());
        let mut info = Vec::new();
        write_attribute(&mut info, 1, &400u32.to_ne_bytes());
        write_attribute(&mut info, 2, &7u32.to_ne_bytes());
        write_attribute(&mut info, 23, &5_000_000_000u64.to_ne_bytes());
        write_attribute(&mut info, STA_SIGNAL, &[0u8.wrapping_sub(52)]);
        write_attribute(&mut info, STA_TX_BITRATE, &rate);
        let mut attributes = Vec::new();
        write_attribute(&mut attributes, ATTR_MAC, &[1, 2, 3, 0xab, 0xcd, 0xef]);
        write_attribute(&mut attributes, ATTR_STA_INFO, &info);
        let mut out = Families::new();
        station("wlan0", &attributes, &mut out);
        let text = crate::render(&mut [out]);
        let labels = "{device=\"wlan0\",mac_address=\"01:02:03:ab:cd:ef\"}";
        for (metric, value) in [
            ("inactive_seconds", "0.4"),
            ("receive_bytes_total", "5e+09"),
            ("transmit_bits_per_second", "8.66e+07"),
            ("signal_dbm", "-52"),
        ] {
            assert!(text.contains(&format!("node_wifi_station_{metric}{labels} {value}\n")), "{metric} in {text}");
        }
    }

    #[test]
    fn a_network_has_a_name() {
        assert_eq!(ssid(&[1, 1, 9, 0, 4, b'h', b'o', b'm', b'e']).as_deref(), Some("home"));
        assert_eq!(ssid(&[0, 9, b'x']), None);
        assert_eq!(ssid(&[]), None);
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_ignored(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut out = Families::new();
            station("a", &bytes, &mut out);
            network("a", &bytes, &mut out);
        }
    }
}
