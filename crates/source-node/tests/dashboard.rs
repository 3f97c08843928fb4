//! The families that the widely used dashboard for node_exporter asks for are all known here: from the recorded machines,
//! from the machine that runs the test, or from a bus that neither has.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::time::Duration;

use corten_source_node::{Choice, Unix, UnixArguments};

/// Asked for over D-Bus, which this test has none of; tested with a stand-in beside the collector.
const OVER_THE_BUS: &str = "node_systemd_";

/// What the dashboard asks for by a name that node_exporter 1.12 does not have.
const NAMED_OTHERWISE: [(&str, &str); 1] = [("node_kernel_hung_tasks", "node_kernel_hung_tasks_total")];

fn families(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0.to_owned()))
}

#[test]
fn every_family_that_the_dashboard_asks_for_is_known() {
    let mut args = UnixArguments { include_exporter_metrics: true, ..UnixArguments::default() };
    // Off by default, and on in the set-up that the dashboard was made for.
    args.enable_collectors = vec!["processes".into(), "tcpstat".into()];
    args.cpu.guest = true;
    args.netstat.fields = ".*".into();
    let live = Unix::new(&args).unwrap().gather(&Choice::default(), Duration::from_secs(60));
    let recorded = [include_str!("fixtures/server.prom"), include_str!("fixtures/laptop.prom")];
    let known: BTreeSet<String> = recorded.into_iter().chain([&*live]).flat_map(families).collect();
    let wanted = include_str!("fixtures/dashboard.txt").lines().filter(|line| !line.starts_with('#'));
    let renamed = |name| NAMED_OTHERWISE.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| *new);
    let wanted: Vec<_> = wanted.map(renamed).filter(|name| !name.starts_with(OVER_THE_BUS)).collect();
    assert!(wanted.len() > 200);
    let unknown: Vec<_> = wanted.into_iter().filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
