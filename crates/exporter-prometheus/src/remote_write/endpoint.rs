//! One endpoint: its part of the disk, and the tasks that send what is there. It goes on while the component's
//! instances change, as long as its own arguments stay.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use corten_component::metrics::{Metrics, Scope};
use corten_delivery::log::{AppendError, Appended, Log, OpenError, Options, Record, WhenFull, open_shared};
use corten_signal::relabel::Rules;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::arguments;
use super::dispatch::{Dispatch, Stop};
use super::door::Settlement;
use super::families::{self, Families};
use super::faults::Reports;
use super::ledger::{Ledger, Reason};
use super::metrics::{self, DroppedMetrics, EndpointMetrics};
use super::sender::{Connection, KIND, Parts, Sender};
use super::series::{Cache, Rewrite};

/// So much may be on its way to a slow disk.
const MOST_UNWRITTEN: usize = 16 << 20;

/// How long a part of the disk that cannot be opened is left alone.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// So much is read at once while looking for what is too old.
const CHUNK: usize = 512 << 10;

/// Everything that an endpoint is made of. Equal ones are the same endpoint.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) args: arguments::Endpoint,
    pub(super) external: Vec<(String, String)>,
    /// The label `remote_name`.
    pub(super) name: String,
    /// The label `exporter`.
    pub(super) component: String,
    pub(super) directory: PathBuf,
    pub(super) max_size: u64,
    pub(super) fsync: bool,
}

impl Plan {
    fn labels(&self) -> [(&str, &str); 2] {
        [("remote_name", &self.name), ("url", &self.args.url)]
    }

    fn law(&self) -> [(&str, &str); 4] {
        [("exporter", &self.component), ("data_type", "samples"), ("remote_name", &self.name), ("url", &self.args.url)]
    }

    fn options(&self) -> Options {
        let (max_bytes, when_full) = (Some(self.max_size), WhenFull::DropOldest);
        Options { fsync: self.fsync, max_bytes, when_full, ..Options::default() }
    }

    /// Removes its series, once it is no more.
    pub(super) fn forget_metrics(&self, scope: &Scope) {
        metrics::remove(scope, &self.labels(), &self.law(), &Reason::ALL.map(Reason::as_str));
    }
}

/// What endpoints of a component share.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) scope: Scope,
    pub(super) families: Arc<Families>,
    pub(super) reports: Reports,
    pub(super) corruptions: corten_component::metrics::Counter,
    /// How often each looks whether it has as many shards as it needs.
    pub(super) look_every: Duration,
}

/// A running endpoint. Dropped, it stops; what it has not sent stays on disk.
pub(super) struct Endpoint {
    pub(super) plan: Plan,
    sender: Arc<Sender>,
    appended: Arc<Notify>,
    unwritten: Arc<AtomicUsize>,
    disk_failed: Arc<AtomicBool>,
    stop: watch::Sender<Option<Instant>>,
    tried: watch::Receiver<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Endpoint {
    /// Opens what is on disk, and begins to send.
    pub(super) fn start(plan: Plan, connection: Connection, around: &Around) -> Self {
        let dropped = Reason::READ_BACK.map(|reason| {
            DroppedMetrics::register(&around.scope, &[&plan.labels()[..], &[("reason", reason.as_str())]].concat())
        });
        let parts = Parts {
            metrics: EndpointMetrics::register(&around.scope, &plan.labels()),
            ledger: Ledger::new(&around.scope, &plan.law()),
            dropped,
            faults: around.reports.of(&plan.name),
            look_every: around.look_every,
        };
        let sender = Arc::new(Sender::new(plan.args.clone(), connection, parts));
        let (stop, stopped) = watch::channel(None);
        let (tell, tried) = watch::channel(false);
        let appended = Arc::new(Notify::new());
        let task = tokio::spawn(serve(
            Arc::clone(&sender),
            plan.clone(),
            around.clone(),
            Arc::clone(&appended),
            stopped,
            tell,
        ));
        Self {
            plan,
            sender,
            appended,
            unwritten: Arc::default(),
            disk_failed: Arc::default(),
            stop,
            tried,
            task: Mutex::new(Some(task)),
        }
    }

    /// Resolves when it is known whether the disk can be used.
    pub(super) async fn ready(&self) {
        let _ = self.tried.clone().wait_for(|tried| *tried).await;
    }

    /// Takes a record of so many samples, the latest of this time in milliseconds since 1970.
    pub(super) fn append(
        &self,
        (samples, highest): (u32, i64),
        payload: &Bytes,
        time: u64,
        settlement: &Arc<Settlement>,
    ) {
        let ledger = &self.sender.ledger;
        ledger.accept(u64::from(samples));
        // Here and not where it is read back: a server that is too slow holds up the reading, too.
        self.sender.scaling.came(u64::from(samples), highest as f64 / 1000.0);
        let bytes = payload.len();
        let Some(log) = self.sender.log.get() else { return ledger.unwritten(u64::from(samples), Reason::DiskFull) };
        if self.unwritten.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_UNWRITTEN {
            self.unwritten.fetch_sub(bytes, Ordering::Relaxed);
            return ledger.unwritten(u64::from(samples), Reason::DiskSlow);
        }
        let record = Record { kind: KIND, items: samples, time, meta: Bytes::new(), payload: vec![payload.clone()] };
        let (sender, unwritten) = (Arc::clone(&self.sender), Arc::clone(&self.unwritten));
        let (appended, settlement) = (Arc::clone(&self.appended), Arc::clone(settlement));
        let disk_failed = Arc::clone(&self.disk_failed);
        log.append_then(record, move |Appended { result, evicted }| {
            unwritten.fetch_sub(bytes, Ordering::Relaxed);
            for gone in evicted {
                sender.ledger.give_up(gone.seq, u64::from(gone.items), Reason::Overflow);
            }
            match result {
                Ok(seq) => {
                    sender.ledger.written(u64::from(samples), seq);
                    settlement.stored();
                    if disk_failed.swap(false, Ordering::Relaxed) {
                        sender.faults().set_disk(None);
                    }
                }
                Err(error) => {
                    let reason = match error {
                        AppendError::Full | AppendError::TooLarge => Reason::Overflow,
                        AppendError::Disk { .. } | AppendError::Closed => Reason::DiskFull,
                    };
                    sender.ledger.unwritten(u64::from(samples), reason);
                    if !disk_failed.swap(true, Ordering::Relaxed) {
                        sender.faults().set_disk(Some(error.to_string()));
                    }
                }
            }
            appended.notify_one();
        });
    }

    /// Gives up what has waited since before a time, in nanoseconds since 1970.
    pub(super) async fn expire(&self, before: u64) {
        let Some(log) = self.sender.log.get() else { return };
        let (mut from, mut given_up) = (0, 0u64);
        'reading: loop {
            let chunk = log.read(0, KIND, from, CHUNK).await;
            for (seq, record) in &chunk.records {
                if record.time >= before {
                    break 'reading;
                }
                if self.sender.ledger.give_up(*seq, u64::from(record.items), Reason::Expired) {
                    log.settle(0, KIND, *seq..*seq + 1);
                    given_up += u64::from(record.items);
                }
            }
            if chunk.at_end || chunk.failed {
                break;
            }
            from = chunk.next;
        }
        if given_up > 0 {
            tracing::warn!(
                endpoint = self.plan.name,
                samples = given_up,
                "samples were dropped: they waited longer than max_keepalive_time"
            );
        }
    }

    /// Sends what is in memory, if the server takes it, and ends; the rest stays on disk.
    pub(super) async fn stop(&self, until: Instant) {
        self.stop.send_replace(Some(until));
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task
            && tokio::time::timeout_at(until + Duration::from_secs(1), &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.send_replace(Some(Instant::now()));
    }
}

async fn serve(
    sender: Arc<Sender>,
    plan: Plan,
    around: Around,
    appended: Arc<Notify>,
    mut stop: Stop,
    tried: watch::Sender<bool>,
) {
    let log = loop {
        match open(&plan, &around).await {
            Ok((log, samples)) => {
                sender.ledger.open(samples);
                break log;
            }
            Err(error) => {
                sender.faults().set_disk(Some(error.to_string()));
                tried.send_replace(true);
                tokio::select! {
                    _ = stop.wait_for(Option::is_some) => return,
                    () = tokio::time::sleep(OPEN_AGAIN) => {}
                }
            }
        }
    };
    let _ = sender.log.set(Arc::clone(&log));
    sender.faults().set_disk(None);
    tried.send_replace(true);
    let rewrite = Rewrite {
        external: plan.external.clone(),
        // They were compiled once when the file was read.
        rules: Rules::new(&plan.args.write_relabel_config).unwrap_or_default(),
        protocol: plan.args.protobuf_message,
    };
    let metadata = plan.args.metadata_config.send.then(|| {
        let mut task = tokio::task::JoinSet::new();
        task.spawn(families::send(Arc::clone(&around.families), Arc::clone(&sender)));
        task
    });
    Dispatch::new(&sender, Cache::new(rewrite), &appended, stop).run(Arc::clone(&log)).await;
    drop(metadata);
    log.flush().await;
}

/// The log, and how many samples wait in it.
async fn open(plan: &Plan, around: &Around) -> Result<(Arc<Log>, u64), OpenError> {
    let log = open_shared(&plan.directory, plan.options()).await?;
    // Asked now: another instance may have opened it long ago, and let go of it only just before.
    let backlogs =
        log.backlogs().await.map_err(|error| OpenError::Io { path: plan.directory.clone(), why: error.to_string() })?;
    let samples = backlogs.first().and_then(|kinds| kinds.get(usize::from(KIND))).map_or(0, |backlog| backlog.items);
    if Arc::strong_count(&log) > 1 {
        return Ok((log, samples));
    }
    let found = log.found();
    if !found.report.is_whole() {
        around.corruptions.add((found.report.damage.len() as u64).max(1));
    }
    if samples > 0 {
        tracing::info!(endpoint = plan.name, samples, "samples from before are sent first");
    }
    Ok((log, samples))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use corten_component::metrics::Registry;
    use corten_component::{Consume, Health, NodeId};
    use corten_signal::labels::Labels;
    use corten_signal::samples::{Sample, SampleValue, Samples};
    use corten_testkit::{Answer, Sink, eventually};

    use super::super::door::{Door, Open, Shared};
    use super::super::metrics::DoorMetrics;
    use super::*;

    const SERIES: usize = 20;

    /// Of all series one sample each, of this time.
    fn round(time: i64) -> Samples {
        let row = |number: usize| {
            let labels = Labels::from_pairs([("__name__", "m"), ("n", &number.to_string())]);
            Sample { labels, timestamp: time, start: 0, value: SampleValue::Float(time as f64), metadata: None }
        };
        Samples::new((0..SERIES).map(row).collect())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn shards_come_and_go_under_load_and_every_series_stays_in_order() {
        let (sink, directory) = (Sink::start(), tempfile::tempdir().unwrap());
        let mut args = arguments::Endpoint { url: format!("{}/api/v1/write", sink.url()), ..Default::default() };
        let queue = &mut args.queue_config;
        (queue.max_shards, queue.max_samples_per_send, queue.capacity) = (8, 10, 20);
        queue.batch_send_deadline = Duration::from_millis(5);
        let registry = Registry::new();
        let scope = registry.node(&NodeId::root("prometheus.remote_write.x"));
        let shared = Arc::new(Shared::new(DoorMetrics::register(&scope, &[])));
        let around = Around {
            scope,
            families: Arc::clone(&shared.families),
            reports: Reports::new(Health::default()),
            corruptions: shared.metrics.corruptions.clone(),
            look_every: Duration::from_millis(50),
        };
        let plan = Plan {
            args,
            external: Vec::new(),
            name: "x".to_owned(),
            component: "prometheus.remote_write.x".to_owned(),
            directory: directory.path().to_owned(),
            max_size: 64 << 20,
            fsync: false,
        };
        let connection = Connection::new(&plan.args).unwrap();
        let endpoint = Arc::new(Endpoint::start(plan, connection, &around));
        endpoint.ready().await;
        let open = Arc::new(Open { shared, endpoints: vec![Arc::clone(&endpoint)] });
        let (_keep, opened) = watch::channel(Some(open));
        let door = Door { open: opened };
        let read = |name: &str| corten_testkit::Samples::parse(&registry.render()).sum(name, &[]);
        let shards = || read("prometheus_remote_storage_shards") as usize;
        // A load that stays the same: 2000 samples a second.
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        let (mut time, mut most) = (1, 1);
        // There and back, twice: a slow server needs more of them, a quick one fewer.
        for slow in [true, false, true, false] {
            sink.answer(if slow { Answer::Late(Duration::from_millis(40)) } else { Answer::Ok });
            let deadline = Instant::now() + Duration::from_secs(60);
            while (slow && shards() < 3) || (!slow && shards() > 1) {
                assert!(Instant::now() < deadline, "{} shards, slow: {slow}", shards());
                pace.tick().await;
                door.consume(round(time)).await.unwrap();
                time += 1;
                most = most.max(shards());
            }
        }
        assert!((3..=8).contains(&most), "{most}");
        let sent = (time as u64 - 1) * SERIES as u64;
        eventually("everything", || (read("corten_delivery_delivered_items_total") >= sent as f64).then_some(()));
        endpoint.stop(Instant::now() + Duration::from_secs(5)).await;
        let mut last: HashMap<String, i64> = HashMap::new();
        let mut count = 0;
        for series in sink.received().iter().flat_map(|request| request.write().series) {
            for (at, _, _) in &series.samples {
                let before = last.insert(series.labels["n"].clone(), *at).unwrap_or_default();
                assert_eq!(before + 1, *at, "{:?}", series.labels);
                count += 1;
            }
        }
        assert_eq!((count, last.len()), (sent, SERIES));
    }
}
