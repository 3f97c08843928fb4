//! `perf`: what the CPUs' own counters and the kernel count. It needs rights: `CAP_PERFMON`, or the setting
//! `kernel.perf_event_paranoid` at 0 or less.

use std::sync::{Arc, Mutex, PoisonError};

use corten_component::BuildError;
use perf_event::events::{Cache, CacheId, CacheOp, CacheResult, Event, Hardware, Software, Tracepoint};
use perf_event::{Builder, Counter};

use super::Boxed;
use crate::arguments::{PerfBlock, UnixArguments};
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Profilers, their metrics, what they count.
const HARDWARE: &[(&str, &str, Hardware)] = &[
    ("CpuCycles", "cpucycles_total", Hardware::CPU_CYCLES),
    ("CpuInstr", "instructions_total", Hardware::INSTRUCTIONS),
    ("CacheRef", "cache_refs_total", Hardware::CACHE_REFERENCES),
    ("CacheMisses", "cache_misses_total", Hardware::CACHE_MISSES),
    ("BranchInstr", "branch_instructions_total", Hardware::BRANCH_INSTRUCTIONS),
    ("BranchMisses", "branch_misses_total", Hardware::BRANCH_MISSES),
    ("StalledCyclesBackend", "stalled_cycles_backend_total", Hardware::STALLED_CYCLES_BACKEND),
    ("StalledCyclesFrontend", "stalled_cycles_frontend_total", Hardware::STALLED_CYCLES_FRONTEND),
    ("RefCpuCycles", "ref_cpucycles_total", Hardware::REF_CPU_CYCLES),
];

const SOFTWARE: &[(&str, &str, Software)] = &[
    ("PageFault", "page_faults_total", Software::PAGE_FAULTS),
    ("ContextSwitch", "context_switches_total", Software::CONTEXT_SWITCHES),
    ("CpuMigration", "cpu_migrations_total", Software::CPU_MIGRATIONS),
    ("MinorFault", "minor_faults_total", Software::PAGE_FAULTS_MIN),
    ("MajorFault", "major_faults_total", Software::PAGE_FAULTS_MAJ),
];

const fn cache(which: CacheId, operation: CacheOp, result: CacheResult) -> Cache {
    Cache { which, operation, result }
}

const READ: CacheOp = CacheOp::READ;
const WRITE: CacheOp = CacheOp::WRITE;
const HIT: CacheResult = CacheResult::ACCESS;
const MISS: CacheResult = CacheResult::MISS;

const CACHES: &[(&str, &str, Cache)] = &[
    ("L1DataReadHit", "cache_l1d_read_hits_total", cache(CacheId::L1D, READ, HIT)),
    ("L1DataReadMiss", "cache_l1d_read_misses_total", cache(CacheId::L1D, READ, MISS)),
    ("L1DataWriteHit", "cache_l1d_write_hits_total", cache(CacheId::L1D, WRITE, HIT)),
    ("L1InstrReadMiss", "cache_l1_instr_read_misses_total", cache(CacheId::L1I, READ, MISS)),
    ("LLReadHit", "cache_ll_read_hits_total", cache(CacheId::LL, READ, HIT)),
    ("LLReadMiss", "cache_ll_read_misses_total", cache(CacheId::LL, READ, MISS)),
    ("LLWriteHit", "cache_ll_write_hits_total", cache(CacheId::LL, WRITE, HIT)),
    ("LLWriteMiss", "cache_ll_write_misses_total", cache(CacheId::LL, WRITE, MISS)),
    ("InstrTLBReadHit", "cache_tlb_instr_read_hits_total", cache(CacheId::ITLB, READ, HIT)),
    ("InstrTLBReadMiss", "cache_tlb_instr_read_misses_total", cache(CacheId::ITLB, READ, MISS)),
    ("DataTLBReadHit", "cache_tlb_data_read_hits_total", cache(CacheId::DTLB, READ, HIT)),
    ("DataTLBReadMiss", "cache_tlb_data_read_misses_total", cache(CacheId::DTLB, READ, MISS)),
    ("DataTLBWriteHit", "cache_tlb_data_write_hits_total", cache(CacheId::DTLB, WRITE, HIT)),
    ("DataTLBWriteMiss", "cache_tlb_data_write_misses_total", cache(CacheId::DTLB, WRITE, MISS)),
    ("BPUReadHit", "cache_bpu_read_hits_total", cache(CacheId::BPU, READ, HIT)),
    ("BPUReadMiss", "cache_bpu_read_misses_total", cache(CacheId::BPU, READ, MISS)),
];

/// A counter that runs.
struct Running {
    metric: String,
    cpu: String,
    counter: Counter,
}

struct Perf {
    roots: Arc<Roots>,
    args: PerfBlock,
    cpus: Option<Vec<u32>>,
    /// Opened when first collected, and kept.
    running: Mutex<Vec<Running>>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let args = args.perf.clone();
    let cpus = cpus(&args.cpus).ok_or_else(|| {
        let error = BuildError::at("perf.cpus", format!("{:?} is no list of CPUs", args.cpus));
        error.with_help("write single CPUs and ranges, perhaps with steps: 0-3,5,8-15:2")
    })?;
    if let Some(wrong) = args.tracepoint.iter().find(|name| name.split(':').count() != 2) {
        return Err(BuildError::at("perf.tracepoint", format!("{wrong:?} is not SUBSYSTEM:EVENT")));
    }
    let cpus = (!args.cpus.is_empty()).then_some(cpus);
    Ok(Box::new(Perf { roots: Arc::clone(roots), args, cpus, running: Mutex::default() }))
}

/// `0-3,5,8-15:2`.
fn cpus(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (range, step) =
            part.split_once(':').map_or(Some((part, 1)), |(range, step)| Some((range, step.parse().ok()?)))?;
        let range = parse::cpu_list(range)?;
        cpus.extend(range.into_iter().step_by(if step > 0 { step } else { return None }));
    }
    Some(cpus)
}

impl Collector for Perf {
    fn name(&self) -> &'static str {
        "perf"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_empty() {
            *running = self.open()?;
        }
        for Running { metric, cpu, counter } in &mut *running {
            let count = counter.read().map_err(|error| Failure::new(format!("reading {metric}: {error}")))?;
            let help = format_args!("Counted by the CPU or the kernel: {metric}.");
            out.counter(&format!("node_perf_{metric}"), help, &[("cpu", cpu)], count);
        }
        Ok(())
    }
}

impl Perf {
    /// All that can be had; without any, why.
    fn open(&self) -> Result<Vec<Running>, Failure> {
        let all =
            || files::read(self.roots.sys("devices/system/cpu/online")).ok().and_then(|text| parse::cpu_list(&text));
        let cpus = self.cpus.clone().or_else(all).unwrap_or_else(|| vec![0]);
        let args = &self.args;
        let mut opened = Opened::default();
        for cpu in &cpus {
            if !args.disable_hardware_profilers {
                opened.add(HARDWARE, &args.hardware_profilers, *cpu);
            }
            if !args.disable_software_profilers {
                opened.add(SOFTWARE, &args.software_profilers, *cpu);
            }
            if !args.disable_cache_profilers {
                opened.add(CACHES, &args.cache_profilers, *cpu);
            }
            for name in &args.tracepoint {
                let event = Tracepoint::with_name(name.replace(':', "/"));
                let metric = parse::metric_name(&name.replace(':', "_"));
                opened.keep(metric, *cpu, event.and_then(|event| start(event, *cpu)));
            }
        }
        match opened.failure {
            Some(why) if opened.running.is_empty() => Err(why),
            _ => Ok(opened.running),
        }
    }
}

#[derive(Default)]
struct Opened {
    running: Vec<Running>,
    failure: Option<Failure>,
}

impl Opened {
    fn add<E: Event + Clone>(&mut self, all: &[(&str, &str, E)], wanted: &[String], cpu: u32) {
        let chosen = all.iter().filter(|(name, ..)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
        for (_, metric, event) in chosen {
            self.keep((*metric).to_owned(), cpu, start(event.clone(), cpu));
        }
    }

    /// CPUs differ in what they can count.
    fn keep(&mut self, metric: String, cpu: u32, counter: std::io::Result<Counter>) {
        match counter {
            Ok(counter) => self.running.push(Running { metric, cpu: cpu.to_string(), counter }),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let why = "counting needs CAP_PERFMON, or the setting kernel.perf_event_paranoid at 0";
                self.failure = Some(Failure::no_data(why));
            }
            Err(error) => self.failure = Some(Failure::new(format!("counting {metric}: {error}"))),
        }
    }
}

fn start(event: impl Event, cpu: u32) -> std::io::Result<Counter> {
    let cpu = usize::try_from(cpu).unwrap_or(usize::MAX);
    let mut counter = Builder::new(event).any_pid().one_cpu(cpu).include_kernel().build()?;
    counter.enable()?;
    Ok(counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_listed_with_steps() {
        assert_eq!(cpus("0-2,8-12:2"), Some(vec![0, 1, 2, 8, 10, 12]));
        assert_eq!(cpus(""), Some(vec![]));
        assert_eq!(cpus("1-3:0"), None);
        assert_eq!(cpus("x"), None);
    }

    #[test]
    fn it_counts_or_says_what_it_lacks() {
        let args = UnixArguments::default();
        let mut out = Families::new();
        match build(&args, &Arc::default()).unwrap().collect(&mut out) {
            Ok(()) => assert!(crate::render(&mut [out]).contains("node_perf_")),
            Err(why) => assert!(!why.to_string().is_empty()),
        }
    }
}
