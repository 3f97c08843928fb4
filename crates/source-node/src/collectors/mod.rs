//! The collectors, each in a file of its name, and which of them run.

mod arp;
mod bcache;
mod bcachefs;
mod bonding;
mod btrfs;
mod buddyinfo;
mod bus;
mod cgroups;
mod conntrack;
mod cpu;
mod cpu_vulnerabilities;
mod cpufreq;
mod cpuinfo;
mod diskstats;
mod dmi;
mod dmmultipath;
mod drbd;
pub(crate) mod drm;
mod edac;
mod entropy;
mod ethtool;
mod fibrechannel;
mod filefd;
mod filesystem;
mod hwmon;
mod infiniband;
mod interrupts;
mod ipvs;
mod kernel_hung;
mod ksmd;
mod lnstat;
mod loadavg;
mod logind;
mod mdadm;
mod meminfo;
mod meminfo_numa;
mod mountinfo;
mod mountstats;
mod netclass;
mod netdev;
mod netstat;
mod network_route;
mod nfs;
mod ntp;
mod nvme;
mod nvmesubsystem;
mod os;
mod pcidevice;
mod perf;
mod powersupplyclass;
mod pressure;
mod processes;
mod qdisc;
mod rapl;
mod runit;
mod schedstat;
mod selinux;
mod slabinfo;
mod sockstat;
mod softirqs;
mod softnet;
mod stat;
mod supervisord;
mod swap;
mod sysctl;
mod systemd;
mod tapestats;
mod tcpstat;
mod textfile;
mod textformat;
mod thermal_zone;
mod time;
mod timex;
mod udp_queues;
mod uname;
mod vmstat;
mod watchdog;
mod wifi;
mod xfrm;
mod xfs;
mod zfs;
mod zoneinfo;

use std::collections::BTreeSet;
use std::sync::Arc;

use corten_component::BuildError;

use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::roots::Roots;

/// A collector of any kind.
type Boxed = Box<dyn Collector>;

/// How a collector is made.
#[derive(Clone, Copy)]
enum Make {
    /// It has neither arguments nor memory.
    Plain(fn(&Roots, &mut Families) -> Outcome),
    Built(fn(&UnixArguments, &Arc<Roots>) -> Result<Boxed, BuildError>),
    /// It asks over D-Bus.
    Asking(fn(&UnixArguments, &OnBus) -> Result<Boxed, BuildError>),
}

use Make::{Asking, Built, Plain};
use bus::OnBus;

/// Names, whether they run where the user names none, how they are made.
const ALL: &[(&str, bool, Make)] = &[
    ("arp", true, Built(arp::build)),
    ("bcache", true, Built(bcache::build)),
    ("bcachefs", true, Plain(bcachefs::collect)),
    ("bonding", true, Plain(bonding::collect)),
    ("btrfs", true, Plain(btrfs::collect)),
    ("buddyinfo", false, Plain(buddyinfo::collect)),
    ("cgroups", false, Plain(cgroups::collect)),
    ("conntrack", true, Plain(conntrack::collect)),
    ("cpu", true, Built(cpu::build)),
    ("cpu_vulnerabilities", false, Plain(cpu_vulnerabilities::collect)),
    ("cpufreq", true, Plain(cpufreq::collect)),
    ("diskstats", true, Built(diskstats::build)),
    ("dmi", true, Built(dmi::build)),
    ("dmmultipath", true, Plain(dmmultipath::collect)),
    ("drbd", false, Plain(drbd::collect)),
    ("drm", false, Plain(drm::collect)),
    ("edac", true, Plain(edac::collect)),
    ("entropy", true, Plain(entropy::collect)),
    ("ethtool", false, Built(ethtool::build)),
    ("fibrechannel", true, Plain(fibrechannel::collect)),
    ("filefd", true, Plain(filefd::collect)),
    ("filesystem", true, Built(filesystem::build)),
    ("hwmon", true, Built(hwmon::build)),
    ("infiniband", true, Plain(infiniband::collect)),
    ("interrupts", false, Plain(interrupts::collect)),
    ("ipvs", true, Built(ipvs::build)),
    ("kernel_hung", true, Plain(kernel_hung::collect)),
    ("ksmd", false, Plain(ksmd::collect)),
    ("lnstat", false, Plain(lnstat::collect)),
    ("loadavg", true, Plain(loadavg::collect)),
    ("logind", false, Asking(logind::build)),
    ("mdadm", true, Plain(mdadm::collect)),
    ("meminfo", true, Plain(meminfo::collect)),
    ("meminfo_numa", false, Plain(meminfo_numa::collect)),
    ("mountstats", false, Plain(mountstats::collect)),
    ("netclass", true, Built(netclass::build)),
    ("netdev", true, Built(netdev::build)),
    ("netstat", true, Built(netstat::build)),
    ("network_route", false, Plain(network_route::collect)),
    ("nfs", true, Plain(nfs::collect_client)),
    ("nfsd", true, Plain(nfs::collect_server)),
    ("ntp", false, Built(ntp::build)),
    ("nvme", true, Plain(nvme::collect)),
    ("nvmesubsystem", false, Plain(nvmesubsystem::collect)),
    ("os", true, Plain(os::collect)),
    ("pcidevice", false, Plain(pcidevice::collect)),
    ("perf", false, Built(perf::build)),
    ("powersupplyclass", true, Built(powersupplyclass::build)),
    ("pressure", true, Plain(pressure::collect)),
    ("processes", false, Plain(processes::collect)),
    ("qdisc", false, Plain(qdisc::collect)),
    ("rapl", true, Plain(rapl::collect)),
    ("runit", false, Built(runit::build)),
    ("schedstat", true, Plain(schedstat::collect)),
    ("selinux", true, Plain(selinux::collect)),
    ("slabinfo", false, Plain(slabinfo::collect)),
    ("sockstat", true, Plain(sockstat::collect)),
    ("softirqs", false, Plain(softirqs::collect)),
    ("softnet", true, Plain(softnet::collect)),
    ("stat", true, Built(stat::build)),
    ("supervisord", false, Built(supervisord::build)),
    ("swap", false, Plain(swap::collect)),
    ("sysctl", false, Built(sysctl::build)),
    ("systemd", false, Asking(systemd::build)),
    ("tapestats", true, Built(tapestats::build)),
    ("tcpstat", false, Plain(tcpstat::collect)),
    ("textfile", true, Built(textfile::build)),
    ("thermal_zone", true, Plain(thermal_zone::collect)),
    ("time", true, Plain(time::collect)),
    ("timex", true, Plain(timex::collect)),
    ("udp_queues", true, Plain(udp_queues::collect)),
    ("uname", true, Plain(uname::collect)),
    ("vmstat", true, Built(vmstat::build)),
    ("watchdog", true, Plain(watchdog::collect)),
    ("wifi", false, Plain(wifi::collect)),
    ("xfrm", false, Plain(xfrm::collect)),
    ("xfs", true, Plain(xfs::collect)),
    ("zfs", true, Plain(zfs::collect)),
    ("zoneinfo", false, Plain(zoneinfo::collect)),
];

/// The names of all collectors.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, ..)| *name)
}

/// Which collectors run: a set of the user's own or the defaults, less what is disabled, and what is enabled. Names
/// that are not known are passed over.
fn selected(args: &UnixArguments) -> BTreeSet<&'static str> {
    let named = |list: &[String], name: &str| list.iter().any(|wanted| wanted == name);
    let runs = |name: &str, default: bool| {
        let base = if args.set_collectors.is_empty() { default } else { named(&args.set_collectors, name) };
        (base && !named(&args.disable_collectors, name)) || named(&args.enable_collectors, name)
    };
    ALL.iter().filter(|(name, default, _)| runs(name, *default)).map(|(name, ..)| *name).collect()
}

/// Makes the collectors that run.
pub(crate) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Vec<Boxed>, BuildError> {
    let selected = selected(args);
    let on_bus = OnBus::system();
    let chosen = ALL.iter().filter(|(name, ..)| selected.contains(name));
    chosen
        .map(|(name, _, make)| match *make {
            Plain(collect) => Ok(Box::new(PlainCollector { name, roots: Arc::clone(roots), collect }) as Boxed),
            Built(build) => build(args, roots),
            Asking(build) => build(args, &on_bus),
        })
        .collect()
}

/// Gives text to all parsers, whatever they make of it.
pub(crate) fn parse_all(text: &str) {
    let roots = Roots::default();
    let mut out = Families::new();
    if let Ok(parsed) = textformat::parse(text) {
        parsed.families.iter().for_each(|family| family.add_to(&mut out, ""));
    }
    let _ = (cpuinfo::parse(text), mountinfo::parse(text, &roots));
    let _ = (mdadm::parse(text).is_ok(), mountstats::parse(text).is_ok(), netdev::parse(text).is_ok());
    let _ = (nfs::Lines::parse(text).is_ok(), ipvs::backends(text).is_ok(), supervisord::processes(text).len());
    let _ = (zfs::rows(text, "").is_ok(), processes::parse(text).is_ok(), os::setting(text).is_some());
    let _ = crate::families::render(&mut [out]);
}

struct PlainCollector {
    name: &'static str,
    roots: Arc<Roots>,
    collect: fn(&Roots, &mut Families) -> Outcome,
}

impl Collector for PlainCollector {
    fn name(&self) -> &'static str {
        self.name
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        (self.collect)(&self.roots, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn as_many_run_by_default_as_in_node_exporter() {
        assert_eq!(selected(&UnixArguments::default()).len(), 49);
        assert!(names().is_sorted());
    }

    #[test]
    fn enabling_wins_over_disabling_and_a_set_replaces_the_defaults() {
        let args = UnixArguments {
            disable_collectors: list(&["cpu", "stat"]),
            enable_collectors: list(&["cpu", "swap", "nosuch"]),
            ..UnixArguments::default()
        };
        let chosen = selected(&args);
        assert!(chosen.contains("cpu") && chosen.contains("swap") && !chosen.contains("stat"));
        let args = UnixArguments {
            set_collectors: list(&["cpu", "stat"]),
            disable_collectors: list(&["stat"]),
            ..UnixArguments::default()
        };
        assert_eq!(selected(&args).into_iter().collect::<Vec<_>>(), ["cpu"]);
    }

    #[test]
    fn every_collector_is_made_under_its_name() {
        let args = UnixArguments { set_collectors: names().map(str::to_owned).collect(), ..UnixArguments::default() };
        let made = build(&args, &Arc::new(Roots::default())).unwrap();
        assert!(made.iter().map(|collector| collector.name()).eq(names()));
    }
}
