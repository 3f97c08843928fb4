//! `cpu`: where the CPUs' time goes, their throttling, and on request what they are.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use corten_component::BuildError;
use regex::Regex;

use super::Boxed;
use super::cpuinfo::{self, Processor};
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter;
use crate::parse;
use crate::roots::Roots;

/// Clock ticks a second in what the kernel tells.
const USER_HZ: f64 = 100.0;
/// Where the idle time falls by so many seconds, the CPU was away and begins anew.
const JUMP: f64 = 3.0;

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE: usize = 3;
/// With the two kinds of guest time.
type Times = [f64; 10];

struct Cpu {
    roots: Arc<Roots>,
    guest: bool,
    info: bool,
    frequency: bool,
    flags: Option<Regex>,
    bugs: Option<Regex>,
    last: Mutex<BTreeMap<u32, Times>>,
    isolated: OnceLock<Vec<u32>>,
    topology: Mutex<HashMap<String, Option<(u64, u64)>>>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let flags = filter::pattern("cpu.flags_include", &args.cpu.flags_include)?;
    let bugs = filter::pattern("cpu.bugs_include", &args.cpu.bugs_include)?;
    Ok(Box::new(Cpu {
        roots: Arc::clone(roots),
        guest: args.cpu.guest,
        info: args.cpu.info || flags.is_some() || bugs.is_some(),
        frequency: super::selected(args).contains("cpufreq"),
        flags,
        bugs,
        last: Mutex::default(),
        isolated: OnceLock::new(),
        topology: Mutex::default(),
    }))
}

impl Collector for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        if self.info {
            self.info(out)?;
        }
        self.times(out)?;
        let isolated = self.isolated.get_or_init(|| {
            let text = files::read(self.roots.sys("devices/system/cpu/isolated")).unwrap_or_default();
            parse::cpu_list(&text).unwrap_or_default()
        });
        for cpu in isolated {
            out.gauge("node_cpu_isolated", "CPUs kept free of general work.", &[("cpu", &cpu.to_string())], 1);
        }
        let cpus = files::numbered(self.roots.sys("devices/system/cpu"), "cpu")?;
        self.throttles(&cpus, out);
        self.online(&cpus, out);
        Ok(())
    }
}

impl Cpu {
    fn times(&self, out: &mut Families) -> Outcome {
        let now = read_times(&files::read(self.roots.proc("stat"))?)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|cpu, _| now.contains_key(cpu));
        for (cpu, times) in now {
            let known = last.entry(cpu).or_default();
            advance(known, &times);
            let cpu = cpu.to_string();
            for (mode, seconds) in MODES.iter().zip(&*known) {
                let labels = [("cpu", &*cpu), ("mode", *mode)];
                out.counter("node_cpu_seconds_total", "Time of the CPUs by what it was spent on.", &labels, *seconds);
            }
            if self.guest {
                for (mode, seconds) in [("user", known[8]), ("nice", known[9])] {
                    let help = "Time of the CPUs in guests; it is part of user and nice.";
                    out.counter("node_cpu_guest_seconds_total", help, &[("cpu", &*cpu), ("mode", mode)], seconds);
                }
            }
        }
        Ok(())
    }

    fn info(&self, out: &mut Families) -> Outcome {
        let cpus = cpuinfo::parse(&files::read(self.roots.proc("cpuinfo"))?);
        for cpu in &cpus {
            out.gauge("node_cpu_info", "What a CPU is.", &cpu.labels(), 1);
            if self.frequency {
                let place = [("package", &*cpu.package), ("core", &*cpu.core), ("cpu", &*cpu.number)];
                out.gauge("node_cpu_frequency_hertz", "The frequency that a CPU runs at.", &place, cpu.mhz * 1e6);
            }
        }
        if let Some(Processor { flags, bugs, .. }) = cpus.first() {
            let wanted = |pattern: &Option<Regex>, word: &str| pattern.as_ref().is_some_and(|it| it.is_match(word));
            for flag in flags.split_whitespace().filter(|flag| wanted(&self.flags, flag)) {
                out.gauge("node_cpu_flag_info", "Flags of the first CPU.", &[("flag", flag)], 1);
            }
            for bug in bugs.split_whitespace().filter(|bug| wanted(&self.bugs, bug)) {
                out.gauge("node_cpu_bug_info", "Bugs of the first CPU.", &[("bug", bug)], 1);
            }
        }
        Ok(())
    }

    /// Core throttles once for each core and not for each of its threads.
    fn throttles(&self, cpus: &[String], out: &mut Families) {
        let mut topology = self.topology.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut cores, mut packages) = (BTreeMap::new(), BTreeMap::new());
        for name in cpus {
            let dir = self.roots.sys("devices/system/cpu").join(name);
            let place = topology.entry(name.clone()).or_insert_with(|| {
                let number = |file| files::number(dir.join("topology").join(file)).ok();
                Some((number("physical_package_id")?, number("core_id")?))
            });
            let Some((package, core)) = *place else { continue };
            let count = |file| files::number::<u64>(dir.join("thermal_throttle").join(file)).ok();
            if let std::collections::btree_map::Entry::Vacant(free) = cores.entry((package, core))
                && let Some(throttles) = count("core_throttle_count")
            {
                free.insert(throttles);
            }
            if let std::collections::btree_map::Entry::Vacant(free) = packages.entry(package)
                && let Some(throttles) = count("package_throttle_count")
            {
                free.insert(throttles);
            }
        }
        for ((package, core), throttles) in cores {
            let (package, core) = (package.to_string(), core.to_string());
            let labels = [("package", &*package), ("core", &*core)];
            out.counter("node_cpu_core_throttles_total", "How often a core was throttled.", &labels, throttles);
        }
        for (package, throttles) in packages {
            let help = "How often a package was throttled.";
            out.counter("node_cpu_package_throttles_total", help, &[("package", &*package.to_string())], throttles);
        }
    }

    fn online(&self, cpus: &[String], out: &mut Families) {
        let state = |name: &String| files::attribute(self.roots.sys("devices/system/cpu").join(name).join("online"));
        // Without the file at the first CPU, the machine does not tell of any.
        let tells = cpus.first().is_some_and(|first| !state(first).is_err_and(|error| error.is_absent()));
        for name in cpus.iter().filter(|_| tells) {
            let labels = [("cpu", name.trim_start_matches("cpu"))];
            out.gauge("node_cpu_online", "CPUs that are in use.", &labels, state(name).is_ok_and(|text| text == "1"));
        }
    }
}

fn read_times(text: &str) -> Result<BTreeMap<u32, Times>, Failure> {
    let mut all = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("cpu")) {
        let mut columns = line.split_whitespace();
        // The sum of all CPUs has no number.
        let Some(number) = columns.next().filter(|_| !line.starts_with(' ')) else { continue };
        let mut times = [0.0; 10];
        for (time, column) in times.iter_mut().zip(columns) {
            *time = parse::number::<f64>(column, "stat")? / USER_HZ;
        }
        all.insert(parse::number(number, "stat")?, times);
    }
    Ok(all)
}

/// Counters never go back, except that of a CPU which was away.
fn advance(known: &mut Times, now: &Times) {
    if known[IDLE] - now[IDLE] >= JUMP {
        *known = [0.0; 10];
    }
    for (known, now) in known.iter_mut().zip(now) {
        *known = known.max(*now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_do_not_go_back_unless_the_cpu_was_away() {
        let mut known = [10.0; 10];
        let mut now = [9.5; 10];
        now[0] = 11.0;
        advance(&mut known, &now);
        assert_eq!((known[0], known[1], known[IDLE]), (11.0, 10.0, 10.0));
        now[IDLE] = 7.0;
        advance(&mut known, &now);
        assert_eq!((known[0], known[1], known[IDLE]), (11.0, 9.5, 7.0));
    }

    #[test]
    fn old_kernels_have_fewer_columns_and_the_sum_is_left_out() {
        let times = read_times("cpu  9 9 9 9\ncpu0 100 200 300 400\nintr 5\n").unwrap();
        assert_eq!(times.len(), 1);
        assert_eq!(times[&0][..5], [1.0, 2.0, 3.0, 4.0, 0.0]);
        assert!(read_times("cpu0 x\n").is_err());
    }
}
