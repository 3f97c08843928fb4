//! `udp_queues`: bytes that wait in UDP sockets.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let mut found = false;
    for (file, ip) in [("net/udp", "v4"), ("net/udp6", "v6")] {
        let Some(text) = files::read_if_present(roots.proc(file))? else { continue };
        found = true;
        let (tx, rx) = sums(&text, file)?;
        for (queue, bytes) in [("tx", tx), ("rx", rx)] {
            out.gauge("node_udp_queues", "Bytes that wait in UDP sockets.", &[("ip", ip), ("queue", queue)], bytes);
        }
    }
    if found { Ok(()) } else { Err(Failure::no_data("there is no UDP")) }
}

/// Of the fifth column: both in hexadecimal, with a colon between.
fn sums(text: &str, file: &str) -> Result<(u64, u64), Failure> {
    let mut sums = (0u64, 0u64);
    for line in text.lines().skip(1) {
        let queues = line.split_whitespace().nth(4).and_then(|column| column.split_once(':'));
        let (tx, rx) = queues.ok_or_else(|| Failure::new(format!("{file}: {line:?} has no queues")))?;
        sums.0 = sums.0.wrapping_add(parse::hex(tx, file)?);
        sums.1 = sums.1.wrapping_add(parse::hex(rx, file)?);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_hexadecimal() {
        let text = "header\n 1: 0:0 0:0 07 0000000A:00000010 x\n 2: 0:0 0:0 07 00000001:00000000 x\n";
        assert_eq!(sums(text, "udp").unwrap(), (11, 16));
        assert!(sums("header\n1: 2\n", "udp").is_err());
    }
}
