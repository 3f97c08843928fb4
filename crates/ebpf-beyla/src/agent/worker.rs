//! The thread that reads records, and tells of what they hold.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corten_proto::otlp::collector::ExportMetricsServiceRequest;
use corten_signal::otlp::SignalKind;
use prost::Message as _;
use rustix::time::{ClockId, clock_gettime};

use super::census::KernelCensus;
use super::meters::Meters;
use super::outlet::{Parcel, Sender};
use super::processes::{Decision, Machine, News, Processes};
use super::teller::{Teller, Told, scope};
use super::usage::Usages;
use crate::arguments::{ContextPropagation, EbpfArguments};
use crate::capture::{Budget, Capture, CaptureError, Policy, Records, Settings};
use crate::interpret::exchange::Exchange;
use crate::interpret::{Interpreter, Options};
use crate::record::{Event, Family, Record, Role, decode};
use crate::telemetry::span::Boot;
use crate::telemetry::{Measures, Service};

/// How long a span waits at most before it goes out.
const TICK: Duration = Duration::from_millis(100);
/// How many spans go out at once without waiting.
const ENOUGH: usize = 512;
/// How often metrics go out.
const METRICS_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked at what processes use.
const USAGES_EVERY: Duration = Duration::from_secs(5);
/// What one process may cost: beyond it, requests are counted and not read.
const BUDGET: Budget = Budget { per_second: 10_000, burst: 20_000 };
/// Why nothing is put into requests, for those who ask for it.
const UNCHANGED: &str = "ebpf.context_propagation: no header is put into requests, since no program of Corten changes \
    what a service sends; calls between observed processes of this machine are joined without it";
/// With `high_request_volume`.
const SMALL_BUDGET: Budget = Budget { per_second: 500, burst: 1000 };

/// What the thread works with.
pub struct Setup {
    /// The file's words.
    pub args: Arc<EbpfArguments>,
    /// The machine.
    pub machine: Machine,
    /// Metrics of requests.
    pub measures: Arc<Mutex<Measures>>,
    /// Self-metrics.
    pub meters: Meters,
    /// Where spans and metrics go.
    pub out: Sender,
    /// Whether metrics go there.
    pub send_metrics: bool,
    /// Set when the thread should end.
    pub stop: Arc<AtomicBool>,
}

/// What can be told once it runs.
#[derive(Debug, Clone)]
pub struct Started {
    /// The hook set.
    pub hooks: String,
    /// What does not work, each with its reason.
    pub problems: Vec<String>,
    /// How many processes are observed.
    pub processes: usize,
}

/// Loads, tells `started` how that went, and works until it is stopped.
pub fn run(setup: Setup, started: impl FnOnce(Result<Started, String>)) {
    match Worker::new(setup) {
        Ok(mut worker) => {
            let mut problems: Vec<String> = worker.capture.problems().map(ToString::to_string).collect();
            if worker.setup.args.ebpf.context_propagation != ContextPropagation::Disabled {
                problems.push(UNCHANGED.to_owned());
            }
            let hooks = worker.capture.hooks().to_string();
            started(Ok(Started { hooks, problems, processes: worker.processes.count() }));
            worker.work();
        }
        Err(why) => started(Err(why)),
    }
}

struct Worker {
    setup: Setup,
    capture: Rc<Capture>,
    records: Records,
    interpreter: Interpreter,
    processes: Processes<KernelCensus>,
    teller: Teller,
    budget: Budget,
    next_tick: u64,
    next_metrics: u64,
    usages: Usages,
    next_usages: u64,
}

impl Worker {
    fn new(setup: Setup) -> Result<Self, String> {
        let (capture, records) =
            Capture::start(&Settings::default(), || {}).map_err(|error: CaptureError| error.to_string())?;
        if setup.args.enforce_sys_caps
            && let Some(problem) = capture.problems().next()
        {
            return Err(format!("enforce_sys_caps: {problem}"));
        }
        let capture = Rc::new(capture);
        let census = KernelCensus::new(Rc::clone(&capture));
        let processes = Processes::new(&setup.args, setup.machine.clone(), census)?;
        let teller = Teller::new(&setup.args, std::process::id(), Arc::clone(&setup.measures))?;
        let budget = if setup.args.ebpf.high_request_volume { SMALL_BUDGET } else { BUDGET };
        let options = Options {
            timeout: nanoseconds(setup.args.ebpf.http_request_timeout),
            joins: !setup.args.ebpf.disable_black_box_cp,
        };
        let now = since_boot();
        let mut worker = Self {
            setup,
            capture,
            records,
            interpreter: Interpreter::new(options),
            processes,
            teller,
            budget,
            next_tick: now,
            next_metrics: now + nanoseconds(METRICS_EVERY),
            usages: Usages::default(),
            next_usages: now,
        };
        let ports: Vec<u16> = worker.processes.ports().collect();
        worker.capture.choose_ports(ports).map_err(|error| error.to_string())?;
        for decision in worker.processes.look_around() {
            worker.decide(decision);
        }
        worker.news();
        Ok(worker)
    }

    fn work(&mut self) {
        while !self.setup.stop.load(Ordering::Acquire) {
            if let Some(chunk) = self.records.wait(TICK) {
                self.chunk(&chunk);
            }
            let now = since_boot();
            if now >= self.next_tick {
                self.next_tick = now + nanoseconds(TICK);
                self.interpreter.sweep(now);
                self.tell(now);
                self.tick(now);
            }
        }
        self.flush();
    }

    fn chunk(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Ok((record, length)) = decode(rest) {
            self.record(&record);
            rest = rest.get(length..).unwrap_or_default();
        }
        self.tell(since_boot());
        if self.teller.waiting() >= ENOUGH {
            self.flush();
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        let pid = record.head.pid;
        match &record.event {
            Event::Lost(lost) => self.setup.meters.lost(lost.reason).add(lost.count),
            Event::Throttled(throttled) => self.setup.meters.throttled.add(throttled.exchanges),
            Event::Exec(_) => {
                self.teller.forget(pid);
                self.look(pid);
            }
            Event::Listen(listen) if listen.open => {
                self.processes.census_mut().changed();
                self.look(pid);
            }
            Event::Fork(fork) => self.processes.fork(pid, fork.parent),
            Event::Exit(_) => {
                self.teller.forget(pid);
                self.processes.exit(pid);
            }
            _ => {
                if matches!(&record.event, Event::Open(open) if open.encrypted) {
                    // The library may have been loaded after the process was looked at.
                    self.watch_tls(pid);
                }
                self.interpreter.take(record);
            }
        }
    }

    fn look(&mut self, pid: u32) {
        if let Some(decision) = self.processes.look(pid) {
            self.decide(decision);
        }
    }

    fn decide(&self, decision: Decision) {
        let (pid, outcome) = match decision {
            Decision::Observe(pid) => (pid, self.capture.set(pid, Policy::Observe(Some(self.budget)))),
            Decision::Ignore(pid) => (pid, self.capture.set(pid, Policy::Ignore)),
            Decision::Clear(pid) => {
                self.capture.clear(pid);
                return;
            }
        };
        match outcome {
            Ok(()) => tracing::debug!(pid, ?decision, "a process was looked at"),
            Err(error) => {
                tracing::warn!(pid, %error, "the process cannot be observed; it runs on untouched");
                return;
            }
        }
        if matches!(decision, Decision::Observe(_)) {
            self.watch_tls(pid);
        }
    }

    /// Watches the process's TLS library; one that was watched or has failed before is not tried again.
    fn watch_tls(&self, pid: u32) {
        if let Err(error) = self.capture.watch_tls(pid) {
            tracing::warn!(pid, %error, "what the process sends through TLS cannot be observed; it runs on untouched");
        }
    }

    /// Tells of what was understood since the last time.
    fn tell(&mut self, now: u64) {
        for verdict in self.interpreter.take_verdicts() {
            // To give none only costs work.
            let _ = self.capture.verdict(&verdict);
        }
        let meters = &self.setup.meters;
        meters.incomplete.add(self.interpreter.take_incomplete());
        let wall = wall();
        let boot = Boot::new(wall, Duration::from_nanos(now));
        for exchange in self.interpreter.take_exchanges() {
            let other = self.other(&exchange);
            let Some(observed) = self.processes.observed(exchange.pid, server_port(&exchange)) else {
                meters.of_others.inc();
                continue;
            };
            let wall = u64::try_from(wall.as_nanos()).unwrap_or_default();
            match self.teller.tell(&exchange, observed, other.as_deref(), boot, wall) {
                Told::Yes => meters.told.inc(),
                Told::Telemetry => meters.telemetry.inc(),
                Told::LeftOut => meters.left_out.inc(),
            }
        }
    }

    fn tick(&mut self, now: u64) {
        self.flush();
        self.news();
        self.usages(now);
        let meters = &self.setup.meters;
        meters.processes.set(self.processes.count() as f64);
        meters.streams.set(self.interpreter.streams() as f64);
        if now < self.next_metrics {
            return;
        }
        self.next_metrics = now + nanoseconds(METRICS_EVERY);
        let wall = u64::try_from(wall().as_nanos()).unwrap_or_default();
        let ttl = u64::try_from(self.setup.args.metrics.ttl.as_nanos()).unwrap_or(u64::MAX);
        let mut measures = self.setup.measures.lock().unwrap_or_else(PoisonError::into_inner);
        meters.overflow.add(measures.take_overflow());
        if ttl > 0 {
            measures.expire(wall.saturating_sub(ttl));
        }
        if !self.setup.send_metrics || measures.is_empty() {
            return;
        }
        let (resource_metrics, items) = (measures.otlp(&scope(), wall), measures.len());
        drop(measures);
        let bytes = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into();
        self.setup.out.send(Parcel { kind: SignalKind::Metrics, bytes, items });
    }

    /// Tells metrics which processes there are.
    fn news(&mut self) {
        let news = self.processes.take_news();
        if news.is_empty() {
            return;
        }
        let mut measures = self.setup.measures.lock().unwrap_or_else(PoisonError::into_inner);
        for news in news {
            match news {
                News::Observed(pid, service) => measures.appeared(pid, &service, false),
                News::Surveyed(pid, service) => measures.appeared(pid, &service, true),
                News::Gone(pid) => measures.ended(pid),
            }
        }
    }

    /// Tells metrics what observed processes use.
    fn usages(&mut self, now: u64) {
        if now < self.next_usages || !self.setup.args.metrics.counted().process {
            return;
        }
        self.next_usages = now + nanoseconds(USAGES_EVERY);
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let used = self.processes.running().filter_map(|(pid, service)| Some((pid, service, self.usages.read(pid)?)));
        let used: Vec<_> = used.collect();
        let mut measures = self.setup.measures.lock().unwrap_or_else(PoisonError::into_inner);
        for (pid, service, (usage, owner)) in used {
            measures.used(pid, service, usage, owner, cpus, now);
        }
    }

    /// The service at the other end of an exchange, if it is one of this machine that is observed.
    fn other(&self, exchange: &Exchange) -> Option<Arc<Service>> {
        if exchange.role != Role::Client {
            return self.processes.service(exchange.caller);
        }
        let ends = exchange.ends.as_ref().filter(|ends| ends.family != Family::Unix && ends.are_here())?;
        self.processes.listener(ends.remote_port)
    }

    fn flush(&mut self) {
        if let Some((request, items)) = self.teller.take() {
            let bytes = request.encode_to_vec().into();
            let lost = self.setup.out.send(Parcel { kind: SignalKind::Traces, bytes, items });
            self.setup.meters.full.add(lost as u64);
        }
    }
}

/// The port that a server answers on.
fn server_port(exchange: &Exchange) -> Option<u16> {
    let ends = exchange.ends.as_ref().filter(|_| exchange.role != Role::Client)?;
    (ends.local_port != 0).then_some(ends.local_port)
}

/// Nanoseconds since boot, suspended time included.
fn since_boot() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or_default())
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
