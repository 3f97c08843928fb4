//! `sockstat`: sockets in use by protocol.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for (file, six) in [("net/sockstat", false), ("net/sockstat6", true)] {
        // Either may be switched off.
        let text = files::read_if_present(roots.proc(file))?.unwrap_or_default();
        for line in text.lines() {
            let pairs = pairs(line).ok_or_else(|| Failure::new(format!("{file}: {line:?} is no list of pairs")))?;
            protocol(&pairs, six, out)?;
        }
    }
    Ok(())
}

/// The protocol, and names with numbers: `TCP: inuse 4 orphan 0`.
fn pairs(line: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (protocol, rest) = line.split_once(": ")?;
    let words: Vec<_> = rest.split_whitespace().collect();
    let pairs = words.chunks(2).map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    Some((protocol, pairs.collect::<Option<_>>()?))
}

fn protocol((protocol, pairs): &(&str, Vec<(&str, &str)>), six: bool, out: &mut Families) -> Outcome {
    for (name, value) in pairs {
        let value: i64 = parse::number(value, "sockstat")?;
        if *protocol == "sockets" {
            if *name == "used" && !six {
                out.gauge("node_sockstat_sockets_used", "Sockets in use.", &[], value);
            }
            continue;
        }
        if !matches!(*name, "inuse" | "orphan" | "tw" | "alloc" | "mem" | "memory") {
            continue;
        }
        let help = format_args!("Sockets of {protocol}: {name}.");
        out.gauge(&format!("node_sockstat_{protocol}_{name}"), help, &[], value);
        if *name == "mem" {
            let bytes = value as f64 * rustix::param::page_size() as f64;
            let help = format_args!("Memory that sockets of {protocol} take.");
            out.gauge(&format!("node_sockstat_{protocol}_mem_bytes"), help, &[], bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_numbers_are_paired() {
        assert_eq!(pairs("TCP: inuse 4 mem 1"), Some(("TCP", vec![("inuse", "4"), ("mem", "1")])));
        assert_eq!(pairs("TCP: inuse"), None);
        assert_eq!(pairs("TCP"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(line in ".*") {
            let _ = pairs(&line);
        }
    }
}
