//! `corten exporter`: one exporter behind an HTTP server, without a configuration.

use std::sync::Arc;
use std::time::Duration;

use corten_component::{BoxFuture, NodeId, metrics};
use corten_net::Address;
use corten_net::server::{Listener, Serving};
use corten_signal::exposition::Expose;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::Level;

use crate::cli::Failure;
use crate::http::ExporterSite;
use crate::logs::{Logs, Settings};
use crate::notify::{Notifier, watchdog_interval};
use crate::run::{LAST_LINES, runtime};
use crate::traces::Traces;

/// How long scrapes that are under way may take when the process is told to end.
const LAST_SCRAPES: Duration = Duration::from_secs(5);

/// An exporter and where it is to be found.
pub(crate) struct Exporter {
    /// What its metrics are of.
    pub(crate) about: &'static str,
    pub(crate) listen: String,
    pub(crate) level: Level,
    pub(crate) exposed: Arc<dyn Expose>,
    /// What it does besides answering; never ends.
    pub(crate) background: BoxFuture<'static, ()>,
}

/// Serves an exporter until a signal ends it. Takes over the process.
pub(crate) fn run(exporter: Exporter) -> Result<(), Failure> {
    crate::allocator::set_up();
    let metrics = metrics::Registry::new();
    let logs = Logs::stderr(&metrics);
    logs.install(&Traces::new(&metrics));
    logs.configure(Settings { level: exporter.level, ..Settings::default() });
    let runtime = runtime(1).map_err(|error| Failure::new(format!("starting threads: {}", crate::text::io(&error))))?;
    let result = runtime.block_on(serve(exporter));
    // A look that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    logs.flush(LAST_LINES);
    result
}

async fn serve(exporter: Exporter) -> Result<(), Failure> {
    let listening = |error: std::io::Error| Failure::new(format!("listening for signals: {error}"));
    let mut term = signal(SignalKind::terminate()).map_err(listening)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listening)?;
    let address = Address::parse(&exporter.listen).map_err(|error| Failure::new(format!("--listen: {error}")))?;
    let listener = Listener::bind(&address).map_err(|error| {
        Failure::new(format!("{error}\nhelp: stop what uses it, or choose another address with --listen"))
    })?;
    let address = listener.local_addr().clone();
    if !address.is_local() {
        tracing::warn!(addr = %address, "the metrics can be read by other machines");
    }
    let site = ExporterSite::new(exporter.about, exporter.exposed, address.is_local());
    let installed = listener.install(&NodeId::root("exporter"), Serving::new(Arc::new(site))).await;
    let installed = installed.map_err(|error| Failure::new(error.to_string()))?;
    tracing::info!(addr = %address, about = exporter.about, "metrics are at /metrics");
    let notifier = Notifier::from_environment();
    notifier.ready(&format!("{} at {address}", exporter.about));
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        () = exporter.background => {}
        () = heartbeat(&notifier) => {}
    }
    notifier.stopping("finishing scrapes");
    tracing::info!("ending");
    installed.finish(Instant::now() + LAST_SCRAPES).await;
    Ok(())
}

/// Tells the service manager that the process lives, if it wants to know.
async fn heartbeat(notifier: &Notifier) {
    let Some(every) = watchdog_interval() else { return std::future::pending().await };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        notifier.watchdog();
    }
}
