//! `netclass`: what `/sys` says of network devices.

use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::filter::Filter;
use crate::parse;
use crate::roots::Roots;

const NUMBERS: &[(&str, &str, Kind, &str)] = &[
    ("addr_assign_type", "address_assign_type", Kind::Gauge, "Where the address comes from."),
    ("carrier", "carrier", Kind::Gauge, "Whether there is a carrier."),
    ("carrier_changes", "carrier_changes_total", Kind::Counter, "How often the carrier came or went."),
    ("carrier_up_count", "carrier_up_changes_total", Kind::Counter, "How often the carrier came."),
    ("carrier_down_count", "carrier_down_changes_total", Kind::Counter, "How often the carrier went."),
    ("dev_id", "device_id", Kind::Gauge, "Number of devices that share an address."),
    ("dormant", "dormant", Kind::Gauge, "Whether the device waits for something."),
    ("flags", "flags", Kind::Gauge, "The device's flags."),
    ("ifindex", "iface_id", Kind::Gauge, "The device's number."),
    ("iflink", "iface_link", Kind::Gauge, "The number of the device that this one stands on."),
    ("link_mode", "iface_link_mode", Kind::Gauge, "How the link comes up."),
    ("mtu", "mtu_bytes", Kind::Gauge, "The largest packet."),
    ("name_assign_type", "name_assign_type", Kind::Gauge, "Where the name comes from."),
    ("netdev_group", "net_dev_group", Kind::Gauge, "The device's group."),
    ("tx_queue_len", "transmit_queue_length", Kind::Gauge, "Packets that can wait to be sent."),
    ("type", "protocol_type", Kind::Gauge, "The link's protocol."),
];

struct Netclass {
    roots: Arc<Roots>,
    ignored: Filter,
    ignore_invalid_speed: bool,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Netclass {
        roots: Arc::clone(roots),
        ignored: Filter::without("netclass.ignored_devices", &args.netclass.ignored_devices)?,
        ignore_invalid_speed: args.netclass.ignore_invalid_speed_device,
    }))
}

impl Collector for Netclass {
    fn name(&self) -> &'static str {
        "netclass"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let root = self.roots.sys("class/net");
        let mut name = String::new();
        for device in files::list(&root)? {
            let dir = root.join(&device);
            if self.ignored.ignores(&device) || !dir.is_dir() {
                continue;
            }
            let labels = [("device", &*device)];
            let text = |file: &str| Ok::<_, files::ReadError>(files::optional(dir.join(file))?.unwrap_or_default());
            // What is there but no number counts as 0, as in node_exporter: copies of `/sys` hold such files as empty.
            let number = |file: &str| {
                files::optional(dir.join(file)).map(|text| text.map(|text| parse::c_number(&text).unwrap_or(0)))
            };
            let state = text("operstate")?;
            let admin = match number("flags")? {
                None => "unknown",
                Some(flags) if flags & 1 == 1 => "up",
                Some(_) => "down",
            };
            out.gauge("node_network_up", "Whether the device is up.", &labels, state == "up");
            let (address, broadcast) = (text("address")?, text("broadcast")?);
            let (duplex, alias) = (text("duplex")?, text("ifalias")?);
            let info = [
                ("address", &*address),
                ("adminstate", admin),
                ("broadcast", &broadcast),
                ("device", &device),
                ("duplex", &duplex),
                ("ifalias", &alias),
                ("operstate", &state),
            ];
            out.gauge("node_network_info", "A network device.", &info, 1);
            for (file, metric, kind, help) in NUMBERS {
                if let Some(value) = number(file)? {
                    name.clear();
                    name.extend(["node_network_", metric]);
                    out.sample(*kind, &name, help, &labels, value as f64);
                }
            }
            // In Mbit/s; devices that do not know say -1.
            if let Some(speed) = number("speed")?.filter(|speed| *speed >= 0 || !self.ignore_invalid_speed) {
                let help = "The fastest that the device can be.";
                out.gauge("node_network_speed_bytes", help, &labels, (speed * 1_000_000 / 8) as f64);
            }
        }
        Ok(())
    }
}
