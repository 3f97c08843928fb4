//! `ipvs`: the kernel's load balancer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::{IpvsBlock, UnixArguments};
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

const STATISTICS: &[(&str, &str)] = &[
    ("connections_total", "Connections made."),
    ("incoming_packets_total", "Packets that came in."),
    ("outgoing_packets_total", "Packets that went out."),
    ("incoming_bytes_total", "Bytes that came in."),
    ("outgoing_bytes_total", "Bytes that went out."),
];

struct Ipvs {
    roots: Arc<Roots>,
    /// Which of a backend's labels are shown, by their place in [`Backend`].
    labels: Vec<(&'static str, usize)>,
}

const LABELS: [&str; 6] = ["local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"];

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let wanted = &args.ipvs.backend_labels;
    if let Some(unknown) = wanted.iter().find(|label| !label.is_empty() && !LABELS.contains(&&***label)) {
        let known = IpvsBlock::default().backend_labels.join(", ");
        let error = BuildError::at("ipvs.backend_labels", format!("unknown IPVS backend labels: {unknown:?}"));
        return Err(error.with_help(format!("known are {known}")));
    }
    let labels = LABELS.into_iter().zip(0..).filter(|(label, _)| wanted.iter().any(|wanted| wanted == label));
    Ok(Box::new(Ipvs { roots: Arc::clone(roots), labels: labels.collect() }))
}

impl Collector for Ipvs {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let text = files::read(self.roots.proc("net/ip_vs_stats"))?;
        let numbers: Vec<_> = text.lines().nth(2).unwrap_or_default().split_whitespace().collect();
        if numbers.len() != STATISTICS.len() {
            return Err(Failure::new("net/ip_vs_stats: the third line has not five numbers"));
        }
        for (number, (metric, help)) in numbers.iter().zip(STATISTICS) {
            out.counter(&format!("node_ipvs_{metric}"), help, &[], parse::hex(number, "ip_vs_stats")?);
        }
        // Backends that do not differ in the labels are added up.
        let mut sums: BTreeMap<Vec<String>, [u64; 3]> = BTreeMap::new();
        for Backend { labels, counts } in backends(&files::read(self.roots.proc("net/ip_vs"))?)? {
            let key = self.labels.iter().map(|(_, place)| labels[*place].clone()).collect();
            for (sum, count) in sums.entry(key).or_default().iter_mut().zip(counts) {
                *sum = sum.wrapping_add(count);
            }
        }
        for (values, [weight, active, inactive]) in &sums {
            let labels: Vec<_> = self.labels.iter().zip(values).map(|((name, _), value)| (*name, &**value)).collect();
            let help = "Connections of a backend that are active.";
            out.gauge("node_ipvs_backend_connections_active", help, &labels, *active);
            let help = "Connections of a backend that are not active.";
            out.gauge("node_ipvs_backend_connections_inactive", help, &labels, *inactive);
            out.gauge("node_ipvs_backend_weight", "Weight of a backend.", &labels, *weight);
        }
        Ok(())
    }
}

pub(super) struct Backend {
    /// In the order of [`LABELS`].
    labels: [String; 6],
    /// Weight, active and inactive connections.
    counts: [u64; 3],
}

pub(super) fn backends(text: &str) -> Result<Vec<Backend>, Failure> {
    let mut backends = Vec::new();
    let mut service = <[String; 4]>::default();
    for line in text.lines() {
        let columns: Vec<_> = line.split_whitespace().collect();
        match &*columns {
            [proto @ ("TCP" | "UDP"), address, ..] => {
                let (address, port) = endpoint(address)?;
                service = [address, port, (*proto).to_owned(), String::new()];
            }
            [proto @ "FWM", mark, ..] => {
                service = [String::new(), "0".into(), (*proto).to_owned(), (*mark).to_owned()];
            }
            ["->", "RemoteAddress:Port", ..] => {}
            ["->", address, _, counts @ ..] if counts.len() >= 3 => {
                let (address, port) = endpoint(address)?;
                let [local, local_port, proto, mark] = service.clone();
                let count = |place: usize| parse::number::<u64>(counts[place], "ip_vs");
                backends.push(Backend {
                    labels: [local, local_port, address, port, proto, mark],
                    counts: [count(0)?, count(1)?, count(2)?],
                });
            }
            _ => {}
        }
    }
    Ok(backends)
}

/// `C0A80016:0CEA` or `[2620:0000:...]:0CEA`; the port in hexadecimal.
fn endpoint(text: &str) -> Result<(String, String), Failure> {
    let wrong = || Failure::new(format!("net/ip_vs: {text:?} is no address with a port"));
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = u16::from_str_radix(port, 16).map_err(|_| wrong())?;
    let address = match address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => {
            let address: Ipv6Addr = inner.parse().map_err(|_| wrong())?;
            address.to_ipv4_mapped().map_or_else(|| address.to_string(), |mapped| mapped.to_string())
        }
        None => Ipv4Addr::from(u32::from_str_radix(address, 16).map_err(|_| wrong())?).to_string(),
    };
    Ok((address, port.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_hexadecimal() {
        assert_eq!(endpoint("C0A80016:0CEA").unwrap(), ("192.168.0.22".into(), "3306".into()));
        let six = "[2620:0000:0000:0000:0000:0000:0000:0001]:0050";
        assert_eq!(endpoint(six).unwrap(), ("2620::1".into(), "80".into()));
        assert!(endpoint("x").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(TCP|FWM|->|[0-9A-F]{8}:[0-9A-F]{4}|[0-9]| |\n|.){0,60}") {
            let _ = backends(&text);
        }
    }
}
