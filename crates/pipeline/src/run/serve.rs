//! The life of the process: bind, load, tell, work, drain.

use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics;
use corten_component::node::Services;
use corten_delivery::Arena;
use corten_engine::{Engine, LoadError, LoadStage, Settings};
use corten_signal::exposition::Routes;
use corten_syntax::render;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::drain::{Drained, drain, lost};
use super::{Control, Options, Source, blocks, guide};
use crate::cli::{Failure, colour, complain, print};
use crate::http::{Debugging, Server, Wanted};
use crate::logs::Logs;
use crate::notify::watchdog_interval;
use crate::traces::Traces;
use crate::{components, process};

/// The HTTP server ends last, so that the drain can be watched.
pub(super) async fn serve(
    options: Options,
    metrics: metrics::Registry,
    logs: Logs,
    traces: Traces,
) -> Result<(), Failure> {
    // Before anything else: a signal during the load must not be the default's sudden end.
    let mut signals = Signals::new().map_err(|error| Failure::new(format!("listening for signals: {error}")))?;
    tracing::info!(
        version = crate::VERSION,
        revision = crate::REVISION,
        pid = std::process::id(),
        "Corten is starting"
    );
    for (flag, why) in &options.notes {
        tracing::warn!(flag = format!("--{flag}"), why, "flag has no effect");
    }
    process::register(&metrics);
    let wanted = Wanted::default();
    let mut server = Server::bind(&options.listen, wanted.clone()).map_err(Failure::new)?;
    let (mut settings, arena) = settings(&options, &metrics)?;
    let routes = Arc::new(Routes::default());
    settings.services.insert(Arc::clone(&routes));
    // For prometheus.exporter.self.
    settings.services.insert(Arc::new(metrics.clone()));
    let budget = settings.services.get::<corten_delivery::Budget>();
    let debugging = Debugging::default();
    settings.host_blocks = blocks::all(logs.clone(), traces.clone(), debugging.clone(), wanted);
    let control =
        Arc::new(Control::new(Engine::new(settings), metrics, options, traces.clone(), debugging, Arc::clone(&routes)));

    let loaded = tokio::select! {
        loaded = control.load() => loaded,
        () = signals.end() => {
            tracing::info!("told to end while loading");
            control.engine.shutdown(Duration::from_secs(5)).await;
            return Ok(());
        }
    };
    match loaded {
        Ok(report) => {
            complain(&render(&report.warnings, &report.source_map, colour()));
            tracing::info!(components = report.started, duration = ?report.took, "configuration loaded");
        }
        Err(error) => {
            logs.give_up_waiting();
            logs.flush(Duration::from_secs(1));
            return Err(load_failure(&error));
        }
    }
    // Held until the process ends.
    let _extra = match &control.options.extra {
        Some(extra) => Some(extra.serve(routes).await.map_err(Failure::new)?),
        None => None,
    };
    server.serve(&control).await.map_err(Failure::new)?;
    tracing::info!(addr = %server.address(), "now listening for http traffic");
    control.tell_ready();
    tracing::info!("Corten is running");
    if control.options.source == Source::Default {
        print(&guide::text(&server.url()));
    }

    let forgetting = tokio::spawn(crate::allocator::forget_the_start());
    let heart = tokio::spawn(heartbeat(Arc::clone(&control)));
    let trim = budget.map(|budget| tokio::spawn(crate::allocator::trim_after_drains(budget)));
    let pump = tokio::spawn(traces.clone().run(Arc::clone(&arena)));
    let result = work(&control, &mut server, &mut signals, &traces, &arena).await;
    pump.abort();
    heart.abort();
    forgetting.abort();
    trim.inspect(tokio::task::JoinHandle::abort);
    result
}

fn settings(options: &Options, metrics: &metrics::Registry) -> Result<(Settings, Arc<Arena>), Failure> {
    let registry = components::registry().map_err(|error| Failure::new(error.to_string()))?;
    let mut services = Services::default();
    let budget = corten_delivery::Budget::new(corten_delivery::default_limit());
    budget.register_metrics(&metrics.process());
    // One arena for receivers, batches and queues: what lies in it is charged once, whoever holds it.
    let arena = Arena::new(Arc::clone(&budget));
    services.insert(Arc::clone(&arena));
    services.insert(budget);
    let mut settings = Settings::new(registry);
    settings.metrics = metrics.clone();
    settings.services = services;
    if let Some(storage) = &options.storage {
        settings.storage_path.clone_from(storage);
    }
    settings.fetch = Arc::new(crate::fetch::Network);
    Ok((settings, arena))
}

/// Diagnostics go to standard error; the failure has the last word.
fn load_failure(error: &LoadError) -> Failure {
    let unreadable =
        error.stage == LoadStage::Read && error.diagnostics.iter().all(|diagnostic| diagnostic.span.is_none());
    if unreadable {
        return Failure::new(error.to_string());
    }
    complain(&render(&error.diagnostics, &error.source_map, colour()));
    Failure::after_diagnostics("could not perform the initial load successfully")
}

async fn work(
    control: &Arc<Control>,
    server: &mut Server,
    signals: &mut Signals,
    traces: &Traces,
    arena: &Arena,
) -> Result<(), Failure> {
    // A wish, not a queue: ten signals during one reload are one more reload.
    let wish = Arc::new(Notify::new());
    let reloader = {
        let (control, wish) = (Arc::clone(control), Arc::clone(&wish));
        tokio::spawn(async move {
            loop {
                wish.notified().await;
                // The answer is in log and metrics.
                let _ = control.reload("SIGHUP").await;
            }
        })
    };
    let mut loads = control.loads();
    loop {
        tokio::select! {
            event = signals.next() => match event {
                Event::Reload => wish.notify_one(),
                Event::End => break,
            },
            _ = loads.changed() => {
                // The `http` block may have changed.
                if let Err(error) = server.serve(control).await {
                    tracing::error!(err = error, "the HTTP server could not take up the http block");
                }
            }
        }
    }
    reloader.abort();
    control.begin_stop();
    control.notifier.stopping("draining");
    tracing::info!("draining; a second signal ends at once");
    // The last that can still leave by the pipeline.
    traces.flush(arena).await;
    let drained = tokio::select! {
        drained = drain(&control.engine, &control.metrics, control.options.drain_deadline) => drained,
        () = signals.end() => {
            tracing::warn!("second signal: ending without the rest of the drain");
            return Err(Failure::new("ended before the drain was complete"));
        }
    };
    match drained {
        Drained::Finished(report) if report.abandoned.is_empty() => {
            tracing::info!(components = report.stopped, duration = ?report.took, "all components have ended");
        }
        Drained::Finished(report) => {
            tracing::warn!(
                components = report.abandoned.join(", "),
                "components had not ended by the deadline and were abandoned"
            );
        }
        Drained::Stalled => tracing::warn!(
            "nothing has left for 10 s: ending; what waits in memory is lost, what is on disk is sent at the next start"
        ),
    }
    for (exporter, items) in lost(&control.metrics.render()) {
        tracing::warn!(exporter, items, "items could not be delivered before the end and are lost");
    }
    Ok(())
}

/// Says that the data path's own loop turns and that the engine answers; nothing else feeds the watchdog.
async fn heartbeat(control: Arc<Control>) {
    const STATUS: Duration = Duration::from_secs(10);
    let watchdog = watchdog_interval();
    let mut ticks = tokio::time::interval(watchdog.unwrap_or(STATUS).min(STATUS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut told = String::new();
    loop {
        ticks.tick().await;
        let status = control.status();
        if watchdog.is_some() {
            control.notifier.watchdog();
        }
        if status != told && !control.is_stopping() {
            control.notifier.status(&status);
            told = status;
        }
    }
}

enum Event {
    Reload,
    End,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// SIGINT or SIGTERM.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.hangup.recv() => Event::Reload,
            _ = self.interrupt.recv() => Event::End,
            _ = self.terminate.recv() => Event::End,
        }
    }
}
