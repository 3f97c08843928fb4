//! The targets of one instance: who is scraped, who has gone, who comes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::Health;
use corten_component::metrics::{Metrics as _, Scope};
use corten_signal::labels::Labels;
use corten_signal::targets::Targets;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::arguments::ScrapeArguments;
use crate::failures::FailureLog;
use crate::fetch::Fetcher;
use crate::metrics::{JobMeters, Meters};
use crate::read::Reading;
use crate::report::Reporter;
use crate::session::{Order, Session};
use crate::target::Target;

/// What all targets of an instance share.
pub(crate) struct Shared {
    pub(crate) args: Arc<ScrapeArguments>,
    pub(crate) reading: Arc<Reading>,
    pub(crate) fetcher: Fetcher,
    pub(crate) meters: Meters,
    pub(crate) scope: Scope,
    pub(crate) job: String,
    pub(crate) failures: Option<FailureLog>,
    pub(crate) health: Health,
    pub(crate) counts: Counts,
    /// Why no target is scraped.
    pub(crate) forced: Mutex<Option<String>>,
}

/// How targets are.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    up: AtomicUsize,
    down: AtomicUsize,
}

impl Shared {
    pub(crate) fn forced(&self) -> Option<String> {
        self.forced.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A target is otherwise than it was. Targets that are down are no fault of this component.
    pub(crate) fn tell(&self, was: Option<bool>, is: Option<bool>) {
        let count = |up| if up { &self.counts.up } else { &self.counts.down };
        if let Some(was) = was {
            count(was).fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(is) = is {
            count(is).fetch_add(1, Ordering::Relaxed);
        }
        let (up, down) = (self.counts.up.load(Ordering::Relaxed), self.counts.down.load(Ordering::Relaxed));
        self.health.healthy(format!("{up} of {} scraped targets are up", up + down));
    }
}

/// Sessions by the identity of their targets.
pub(crate) type Sessions = HashMap<Labels, Session>;

struct Running {
    orders: watch::Sender<Order>,
    task: JoinHandle<Session>,
    target: Arc<Target>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The targets that are scraped.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    id: String,
    meters: JobMeters,
    running: HashMap<Labels, Running>,
}

impl Pool {
    pub(crate) fn new(shared: Arc<Shared>, id: String) -> Self {
        let meters = JobMeters::register(&shared.scope, &[("scrape_job", &shared.job)]);
        meters.target_limit.set(shared.args.target_limit as f64);
        shared.meters.pools.inc();
        Self { shared, id, meters, running: HashMap::new() }
    }

    /// Scrapes these targets from now on. Those that were scraped already are left alone, those that have gone are
    /// ended, others begin with what `known` knows of them, or anew.
    pub(crate) async fn sync(&mut self, targets: &Targets, mut known: Sessions) {
        let begun = Instant::now();
        let args = Arc::clone(&self.shared.args);
        let mut wanted: HashMap<Labels, Target> = HashMap::new();
        for discovered in targets {
            match Target::new(discovered, &args, &self.id) {
                Ok(target) => drop(wanted.insert(target.identity(), target)),
                Err(why) => {
                    self.meters.sync_failed.inc();
                    let labels = discovered.to_string();
                    tracing::error!(labels, err = why, "a discovered target cannot be scraped");
                }
            }
        }
        self.meters.syncs.inc();
        self.meters.targets.set(wanted.len() as f64);
        self.shared.meters.targets.set(targets.len() as f64);
        self.limit(wanted.len());

        let changed = |identity: &Labels, running: &Running| wanted.get(identity) != Some(&*running.target);
        let stopped: Vec<Labels> = self
            .running
            .iter()
            .filter(|(identity, running)| changed(identity, running))
            .map(|(i, _)| i.clone())
            .collect();
        let orders = stopped.into_iter().map(|identity| {
            let order = if wanted.contains_key(&identity) { Order::HandOver } else { Order::End };
            (identity, order)
        });
        known.extend(self.stop(orders.collect()).await);
        for (identity, target) in wanted {
            if self.running.contains_key(&identity) {
                continue;
            }
            let target = Arc::new(target);
            let mut session = known.remove(&identity).unwrap_or_else(|| Session::new(Arc::clone(&target)));
            session.target = Arc::clone(&target);
            let (orders, receiver) = watch::channel(Order::Run);
            let task = tokio::spawn(session.run(Arc::clone(&self.shared), receiver));
            self.running.insert(identity, Running { orders, task, target });
        }
        // What an earlier instance scraped and nobody wants any more.
        for session in known.values_mut() {
            let reporter = Reporter::new(&session.target.labels, args.extra_metrics);
            session.end(&self.shared, &reporter).await;
        }
        self.meters.sync_length.observe(begun.elapsed().as_secs_f64());
    }

    fn limit(&self, count: usize) {
        let limit = self.shared.args.target_limit;
        let over = limit > 0 && count as u64 > limit;
        if over {
            self.shared.meters.target_limit_hit.inc();
        }
        let why = over.then(|| format!("target_limit exceeded (number of targets: {count}, limit: {limit})"));
        *self.shared.forced.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Stops targets. The sessions of those that hand over are returned.
    async fn stop(&mut self, orders: Vec<(Labels, Order)>) -> Sessions {
        let mut tasks = Vec::new();
        for (identity, order) in orders {
            if let Some(mut running) = self.running.remove(&identity) {
                running.orders.send_replace(order);
                tasks.push(async move {
                    let session = (&mut running.task).await.ok()?;
                    (order == Order::HandOver).then_some((identity, session))
                });
            }
        }
        join_all(tasks).await.into_iter().flatten().collect()
    }

    /// Stops all targets; with [`Order::HandOver`] their sessions are returned.
    pub(crate) async fn stop_all(&mut self, order: Order) -> Sessions {
        let all = self.running.keys().map(|identity| (identity.clone(), order)).collect();
        self.stop(all).await
    }
}
