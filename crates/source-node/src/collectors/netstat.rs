//! `netstat`: counters of the network's protocols.

use std::sync::Arc;

use corten_component::BuildError;
use regex::Regex;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter;
use crate::parse;
use crate::roots::Roots;

struct Netstat {
    roots: Arc<Roots>,
    fields: Option<Regex>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let fields = filter::pattern("netstat.fields", &args.netstat.fields)?;
    Ok(Box::new(Netstat { roots: Arc::clone(roots), fields }))
}

impl Collector for Netstat {
    fn name(&self) -> &'static str {
        "netstat"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let mut name = String::new();
        let mut add = |protocol: &str, field: &str, value: &str| -> Outcome {
            name.clear();
            name.extend(["node_netstat_", protocol, "_", field]);
            if self.fields.as_ref().is_none_or(|fields| fields.is_match(&name["node_netstat_".len()..])) {
                let value: f64 = parse::number(value, &name)?;
                out.untyped(&name, format_args!("Counter {field} of {protocol}."), &[], value);
            }
            Ok(())
        };
        for file in ["net/netstat", "net/snmp"] {
            pairs(&files::read(self.roots.proc(file))?, &mut add)?;
        }
        // Without IPv6 it is not there.
        for line in files::read_if_present(self.roots.proc("net/snmp6"))?.unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            let (Some(key), Some(value)) = (words.next(), words.next()) else { continue };
            if let Some(six) = key.find('6') {
                add(&key[..=six], &key[six + 1..], value)?;
            }
        }
        Ok(())
    }
}

/// Pairs of lines: `Tcp: Name Name`, `Tcp: 1 2`.
fn pairs(text: &str, add: &mut impl FnMut(&str, &str, &str) -> Outcome) -> Outcome {
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (mut names, mut values) = (names.split(' '), values.split(' '));
        let protocol = names.next().unwrap_or_default().trim_end_matches(':');
        values.next();
        loop {
            match (names.next(), values.next()) {
                (Some(name), Some(value)) => add(protocol, name, value)?,
                (None, None) => break,
                _ => return Err(Failure::new(format!("{protocol} has not as many numbers as names"))),
            }
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
        let mut found = Vec::new();
        let mut add = |protocol: &str, name: &str, value: &str| {
            found.push(format!("{protocol}.{name}={value}"));
            Ok(())
        };
        pairs("Tcp: A B\nTcp: 1 -2\nUdp: C\nUdp: 3\n", &mut add).unwrap();
        assert_eq!(found, ["Tcp.A=1", "Tcp.B=-2", "Udp.C=3"]);
        assert!(pairs("Tcp: A B\nTcp: 1\n", &mut |_: &str, _: &str, _: &str| Ok(())).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(Tcp:|[A-Z6]|[0-9]| |\n){0,60}") {
            let _ = pairs(&text, &mut |_: &str, _: &str, _: &str| Ok(()));
        }
    }
}
