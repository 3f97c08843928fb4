//! `beyla.ebpf`: the component around the observing thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_component::metrics::MetricDoc;
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Exports, Handle, Note, RunContext, RunError,
};
use corten_signal::exposition::{Expose, Exposition, Routes, ScrapeRequest, host_name, target};
use corten_signal::otlp::{Batch, OutputArguments, SignalKind};
use corten_signal::targets::Targets;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::agent::meters::{DOCS, Meters};
use crate::agent::outlet::{Receiver, queue};
use crate::agent::processes::Machine;
use crate::agent::worker::{Setup, Started, run};
use crate::arguments::EbpfArguments;
use crate::telemetry::Measures;

/// How long after a failure the kernel is asked again: rights and modules may have come.
const AGAIN: Duration = Duration::from_secs(60);
/// How long loading may take: compiling programs in the kernel of a slow machine.
const LOADING: Duration = Duration::from_secs(60);
/// How long a consumer may take for a request.
const SENDING: Duration = Duration::from_secs(30);

/// `beyla.ebpf`
pub struct BeylaEbpf {
    args: Arc<EbpfArguments>,
    measures: Arc<Mutex<Measures>>,
    exposed: Handle<dyn Expose>,
}

/// What others refer to.
#[derive(Exports)]
pub struct BeylaExports {
    /// One target: where `prometheus.scrape` finds the metrics of requests.
    pub targets: Targets,
}

struct Shown(Arc<Mutex<Measures>>);

impl Expose for Shown {
    fn expose(&self, _: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).prometheus();
        Box::pin(async move { Ok(Exposition::text(text)) })
    }
}

impl Component for BeylaEbpf {
    const NAME: &'static str = "beyla.ebpf";
    const DOC: &'static str = "Observes HTTP and gRPC requests of services as they are, by programs in the kernel, and \
        makes spans and metrics of them. Nothing in the services is changed.\n\nNeeds the capabilities BPF and PERFMON \
        (and SYS_PTRACE to look into processes of other users); what is missing costs what it is for, and is said in \
        the component's health.";
    const METRICS: &'static [MetricDoc] = DOCS;
    type Arguments = EbpfArguments;
    type Exports = BeylaExports;
    type Carry = ();

    async fn build(args: Arc<EbpfArguments>, cx: &mut BuildContext<'_>) -> Result<(Self, BeylaExports), BuildError> {
        args.selection().map_err(|why| BuildError::at("discovery", why))?;
        let settings = args.measures(&host_id(&args)).map_err(|why| BuildError::at("attributes", why))?;
        let measures = Arc::new(Mutex::new(Measures::new(settings)));
        let exposed: Handle<dyn Expose> = cx.handle("metrics", Arc::new(Shown(Arc::clone(&measures))));
        let targets = target(Self::NAME, cx.id(), "beyla", &host(&args));
        Ok((Self { args, measures, exposed }, BeylaExports { targets }))
    }

    fn notes(args: &EbpfArguments) -> Vec<Note> {
        args.notes()
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let routes = cx.service::<Routes>();
        if let Some(routes) = &routes {
            routes.offer(cx.id(), self.exposed.clone());
        }
        let meters = Meters::register(cx.metrics());
        let output = self.args.output.clone().unwrap_or_default();
        while !self.observe(&cx, &output, &meters).await {
            tokio::select! {
                () = cx.stopping() => break,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
        if let Some(routes) = &routes {
            routes.withdraw(&cx);
        }
        ((), Ok(()))
    }
}

impl BeylaEbpf {
    /// Observes until the instance ends; `false` if the kernel does not let us.
    async fn observe(&self, cx: &RunContext<Self>, output: &OutputArguments, meters: &Meters) -> bool {
        let stop = Arc::new(AtomicBool::new(false));
        let (out, mut parcels) = queue();
        let setup = Setup {
            args: Arc::clone(&self.args),
            machine: Machine { host: host(&self.args), host_id: host_id(&self.args) },
            measures: Arc::clone(&self.measures),
            meters: meters.clone(),
            out,
            send_metrics: output.of(SignalKind::Metrics).is_some(),
            stop: Arc::clone(&stop),
        };
        let (tell, started) = oneshot::channel();
        let thread = std::thread::Builder::new().name("beyla.ebpf".to_owned()).spawn(move || {
            run(setup, move |how| {
                let _ = tell.send(how);
            });
        });
        let thread = match thread {
            Ok(thread) => thread,
            Err(error) => {
                cx.health().unhealthy(format!("no thread could be started: {error}"));
                return false;
            }
        };
        match timeout(LOADING, started).await {
            Ok(Ok(Ok(started))) => say(cx, &started),
            Ok(Ok(Err(why))) => {
                tracing::warn!(component = %cx.id(), reason = why, "nothing can be observed; `corten doctor ebpf` says what is missing");
                cx.health().unhealthy(format!("nothing can be observed: {why}"));
                return false;
            }
            Ok(Err(_)) | Err(_) => {
                stop.store(true, Ordering::Release);
                cx.health().unhealthy("loading programs into the kernel did not come to an end");
                return false;
            }
        }
        let stopping = async {
            cx.stopping().await;
            stop.store(true, Ordering::Release);
        };
        // When the thread has ended, its side of the queue has gone, and what is left has been received.
        tokio::join!(stopping, forward(&mut parcels, output, meters));
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        true
    }
}

fn say(cx: &RunContext<BeylaEbpf>, started: &Started) {
    for problem in &started.problems {
        tracing::warn!(component = %cx.id(), reason = problem, "a part of the observation is missing");
    }
    let missing = match started.problems.len() {
        0 => String::new(),
        count => format!("; {count} parts are missing, the first: {}", started.problems[0]),
    };
    cx.health().healthy(format!("observing {} processes by {}{missing}", started.processes, started.hooks));
}

/// Hands on what the thread makes, until it ends.
async fn forward(parcels: &mut Receiver, output: &OutputArguments, meters: &Meters) {
    while let Some(parcel) = parcels.next().await {
        let items = parcel.items as u64;
        let Some(to) = output.of(parcel.kind) else { continue };
        let batch = Batch::new(parcel.kind, parcel.bytes, parcel.items);
        let taken = timeout(SENDING, to.consume(batch)).await;
        if !matches!(taken, Ok(Ok(()))) && parcel.kind == SignalKind::Traces {
            meters.refused.add(items);
        }
    }
}

/// The machine's id: the file's, else what systemd keeps; empty if there is none.
fn host_id(args: &EbpfArguments) -> String {
    match args.attributes.host_id.overridden.as_str() {
        "" => ["/etc/machine-id", "/var/lib/dbus/machine-id"]
            .iter()
            .find_map(|file| std::fs::read_to_string(file).ok())
            .map(|id| id.trim().to_owned())
            .unwrap_or_default(),
        id => id.to_owned(),
    }
}

/// The machine's name, as the file has it or as the machine does.
fn host(args: &EbpfArguments) -> String {
    match args.attributes.instance_id.override_hostname.as_str() {
        "" => host_name(),
        name => name.to_owned(),
    }
}
