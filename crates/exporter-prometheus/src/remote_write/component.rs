//! The life of an instance.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corten_component::metrics::{MetricDoc, Metrics};
use corten_component::{BuildContext, BuildError, Component, Note, RunContext, RunError};
use corten_delivery::log::directory_name;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;

use super::arguments::{RemoteWriteArguments, RemoteWriteExports, Wal};
use super::door::{Door, Open, Shared};
use super::endpoint::{Around, Endpoint, Plan};
use super::faults::Reports;
use super::metrics::{self, DoorMetrics};
use super::scaling;
use super::sender::Connection;

/// Whatever `truncate_frequency` says, memory is looked at as often as this.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// How long an endpoint that is replaced may take to send what it has in memory.
const HANDS_OVER_WITHIN: Duration = Duration::from_secs(3);

/// Is left of the time to stop for what comes after the last request.
const MARGIN: Duration = Duration::from_millis(500);

/// `prometheus.remote_write`.
pub struct RemoteWrite {
    args: Arc<RemoteWriteArguments>,
    plans: Vec<(Plan, Connection)>,
    open: watch::Sender<Option<Arc<Open>>>,
}

/// What the next instance goes on with.
#[derive(Default)]
pub struct Carry(Option<Arc<Open>>);

impl Component for RemoteWrite {
    const NAME: &'static str = "prometheus.remote_write";
    const DOC: &'static str = "Sends samples to Prometheus, or to what speaks its remote write protocol, in version 1.0 \
        or 2.0. Samples wait on disk until each endpoint has taken them, also over a restart.";
    const METRICS: &'static [MetricDoc] = &metrics::DOCS;
    type Arguments = RemoteWriteArguments;
    type Exports = RemoteWriteExports;
    type Carry = Carry;

    fn notes(args: &RemoteWriteArguments) -> Vec<Note> {
        let other = args.endpoint.iter().filter(|endpoint| !endpoint.is_http());
        let note = |endpoint: &super::arguments::Endpoint| {
            let message = format!("{:?} is neither http:// nor https://: nothing can be sent there", endpoint.url);
            Note { caution: true, ..Note::new(["endpoint.url"], message) }
        };
        other.map(note).collect()
    }

    async fn build(
        args: Arc<RemoteWriteArguments>,
        cx: &mut BuildContext<'_>,
    ) -> Result<(Self, RemoteWriteExports), BuildError> {
        let plans = plan(&args, &cx.id().to_string(), cx.data_dir());
        let plans = plans.into_iter().map(|plan| Ok((plan.clone(), Connection::new(&plan.args)?)));
        let plans = plans.collect::<Result<_, BuildError>>()?;
        let (open, opened) = watch::channel(None);
        let receiver = cx.port("receiver", Arc::new(Door { open: opened }));
        Ok((Self { args, plans, open }, RemoteWriteExports { receiver }))
    }

    async fn run(self, carry: Carry, cx: RunContext<Self>) -> (Carry, Result<(), RunError>) {
        let (mut old, shared) = match carry.0 {
            Some(open) => (open.endpoints.clone(), Arc::clone(&open.shared)),
            None => (Vec::new(), Arc::new(Shared::new(DoorMetrics::register(cx.metrics(), &[])))),
        };
        let around = Around {
            scope: cx.metrics().clone(),
            families: Arc::clone(&shared.families),
            reports: Reports::new(cx.health().clone()),
            corruptions: shared.metrics.corruptions.clone(),
            look_every: scaling::INTERVAL,
        };
        let wanted: Vec<Plan> = self.plans.iter().map(|(plan, _)| plan.clone()).collect();
        let mut kept: HashMap<PathBuf, Arc<Endpoint>> = HashMap::new();
        old.retain(|endpoint| {
            let stays = wanted.contains(&endpoint.plan);
            if stays {
                kept.insert(endpoint.plan.directory.clone(), Arc::clone(endpoint));
            }
            !stays
        });
        let until = Instant::now() + HANDS_OVER_WITHIN;
        join_all(old.iter().map(|endpoint| endpoint.stop(until))).await;
        for endpoint in old.drain(..) {
            let same = |plan: &Plan| plan.name == endpoint.plan.name && plan.args.url == endpoint.plan.args.url;
            if !wanted.iter().any(same) {
                endpoint.plan.forget_metrics(cx.metrics());
            }
        }
        let endpoints: Vec<Arc<Endpoint>> = self
            .plans
            .into_iter()
            .map(|(plan, connection)| match kept.remove(&plan.directory) {
                Some(endpoint) => endpoint,
                None => Arc::new(Endpoint::start(plan, connection, &around)),
            })
            .collect();
        join_all(endpoints.iter().map(|endpoint| endpoint.ready())).await;
        around.reports.show();
        let open = Arc::new(Open { shared, endpoints });
        self.open.send_replace(Some(Arc::clone(&open)));
        upkeep(&open, &self.args.wal, &cx).await;
        if cx.is_inherited() {
            return (Carry(Some(open)), Ok(()));
        }
        let until = cx.deadline().unwrap_or_else(Instant::now).checked_sub(MARGIN).unwrap_or_else(Instant::now);
        join_all(open.endpoints.iter().map(|endpoint| endpoint.stop(until))).await;
        (Carry::default(), Ok(()))
    }
}

/// Looks after memory and disk until the instance is to stop.
async fn upkeep(open: &Open, wal: &Wal, cx: &RunContext<RemoteWrite>) {
    let every = wal.truncate_frequency.min(LOOK_EVERY);
    let before = |age: Duration| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
    let mut next = Instant::now();
    loop {
        // The first look is at what another life has left.
        remove_strangers(cx.data_dir(), open, wal.max_keepalive_time).await;
        let begun = Instant::now();
        let expired = u64::try_from(before(wal.max_keepalive_time).as_nanos()).unwrap_or(u64::MAX);
        for endpoint in &open.endpoints {
            tokio::select! {
                () = cx.stopping() => return,
                () = endpoint.expire(expired) => {}
            }
        }
        let ended = i64::try_from(before(wal.min_keepalive_time).as_millis()).unwrap_or(i64::MAX);
        let shared = Arc::clone(&open.shared);
        let _ = tokio::task::spawn_blocking(move || shared.forget(ended)).await;
        open.shared.metrics.truncate_duration.observe(begun.elapsed().as_secs_f64());
        next += every;
        tokio::select! {
            () = cx.stopping() => return,
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

/// The endpoints of a component: each with a name, and a part of the disk, of its own.
fn plan(args: &RemoteWriteArguments, component: &str, data_dir: &Path) -> Vec<Plan> {
    let mut keys: HashMap<String, u32> = HashMap::new();
    let plan = |endpoint: &super::arguments::Endpoint| {
        let own = if endpoint.name.is_empty() { &endpoint.url } else { &endpoint.name };
        let times = keys.entry(own.clone()).or_default();
        *times += 1;
        let key = if *times == 1 { own.clone() } else { format!("{own}#{times}") };
        Plan {
            args: endpoint.clone(),
            external: args.external_labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            name: if endpoint.name.is_empty() || *times > 1 {
                format!("{:06x}", crc32c::crc32c(key.as_bytes()) & 0xff_ffff)
            } else {
                endpoint.name.clone()
            },
            component: component.to_owned(),
            directory: data_dir.join(directory_name(&key)),
            max_size: args.wal.max_size.0,
            fsync: args.wal.fsync,
        }
    };
    args.endpoint.iter().map(plan).collect()
}

/// Removes what endpoints left that are not in the file any more, once none of it is young enough to be wanted.
async fn remove_strangers(data_dir: &Path, open: &Open, keep: Duration) {
    let ours: Vec<PathBuf> = open.endpoints.iter().map(|endpoint| endpoint.plan.directory.clone()).collect();
    let data_dir = data_dir.to_owned();
    let work = move || {
        let Ok(found) = std::fs::read_dir(&data_dir) else { return };
        for path in found.filter_map(|entry| Some(entry.ok()?.path())) {
            if !ours.contains(&path) && path.is_dir() && !path.is_symlink() && is_old(&path, keep) {
                match std::fs::remove_dir_all(&path) {
                    Ok(()) => {
                        tracing::warn!(directory = %path.display(), "removed what an endpoint left that is no more");
                    }
                    Err(error) => tracing::warn!(directory = %path.display(), %error, "cannot be removed"),
                }
            }
        }
    };
    let _ = tokio::task::spawn_blocking(work).await;
}

/// Whether it is a log that nobody has written to for so long.
fn is_old(directory: &Path, keep: Duration) -> bool {
    let Ok(files) = std::fs::read_dir(directory) else { return false };
    let mut is_log = false;
    for file in files.flatten() {
        let young = file
            .metadata()
            .and_then(|data| data.modified())
            .map_or(true, |time| time.elapsed().is_ok_and(|age| age < keep));
        let name = file.file_name();
        let name = name.to_string_lossy();
        let known = name == "lock" || name.ends_with(".seg") || name.starts_with("cursor-");
        if young || !known {
            return false;
        }
        is_log = true;
    }
    is_log
}
