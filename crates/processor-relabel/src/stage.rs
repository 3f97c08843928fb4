//! What happens to a batch.

use std::sync::{Arc, Mutex, PoisonError};

use corten_component::{BoxFuture, Consume, Fanout, Outcome, Refusal};
use corten_signal::labels::Labels;
use corten_signal::relabel::Rules;
use corten_signal::samples::{RowExemplar, Sample, Samples};
use tokio::time::Instant;

use crate::cache::Cache;
use crate::metrics::Meters;

/// Rows after which others may have their turn, if rules had to be applied.
const SLICE: usize = 256;

/// Stands behind the component's port.
pub(crate) struct Stage {
    rules: Arc<Rules>,
    forward_to: Fanout<Samples>,
    cache: Mutex<Cache>,
    meters: Meters,
    begun: Instant,
}

/// A batch on its way through the rules.
struct Work {
    rows: Vec<Sample>,
    /// Where each row goes; `None` if it is dropped.
    kept: Vec<Option<u32>>,
    out: usize,
}

impl Stage {
    pub(crate) fn new(rules: Arc<Rules>, forward_to: Fanout<Samples>, bound: Option<usize>, meters: Meters) -> Self {
        meters.size.set(0.0);
        let cache = Mutex::new(Cache::new(bound.unwrap_or(usize::MAX)));
        Self { rules, forward_to, cache, meters, begun: Instant::now() }
    }

    /// Seconds since the instance began.
    fn now(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Forgets what was not used for this many seconds.
    pub(crate) fn expire(&self, seconds: u64) {
        let Some(since) = self.now().checked_sub(u32::try_from(seconds).unwrap_or(u32::MAX)) else { return };
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.meters.expired.add(cache.expire(since) as u64);
        self.meters.size.set(cache.len() as f64);
    }

    /// Relabels rows from one on; answers where it stopped, to let others have their turn.
    fn relabel(&self, work: &mut Work, from: usize) -> usize {
        let now = self.now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut hits, mut misses, mut deletes) = (0, 0, 0);
        let mut at = from;
        while at < work.rows.len() && misses < SLICE {
            let row = &mut work.rows[at];
            let is_stale = row.value.is_stale();
            let series = row.labels.clone();
            let result = match cache.get(&series, now) {
                Some(known) => {
                    hits += 1;
                    known.cloned()
                }
                None => {
                    misses += 1;
                    let result = apply(&self.rules, &series);
                    // One that ends is not asked for again.
                    if !is_stale {
                        cache.put(series.clone(), result.clone(), now);
                    }
                    result
                }
            };
            if is_stale {
                deletes += 1;
                cache.remove(&series);
            }
            match result {
                Some(labels) => {
                    row.labels = labels;
                    work.kept.push(u32::try_from(work.out).ok());
                    work.rows.swap(work.out, at);
                    work.out += 1;
                }
                None => work.kept.push(None),
            }
            at += 1;
        }
        self.meters.hits.add(hits);
        self.meters.misses.add(misses as u64);
        self.meters.deletes.add(deletes);
        self.meters.size.set(cache.len() as f64);
        at
    }

    async fn pass(&self, batch: Samples) -> Result<(), Refusal> {
        let honored = batch.honors_metadata();
        let (rows, mut exemplars, receipt) = batch.into_parts();
        let count = rows.len();
        self.meters.processed.add((count + exemplars.len()) as u64);
        self.meters.hits.add(exemplars.len() as u64);
        let mut work = Work { kept: Vec::with_capacity(count), rows, out: 0 };
        let mut at = 0;
        while at < count {
            at = self.relabel(&mut work, at);
            if at < count {
                tokio::task::yield_now().await;
            }
        }
        work.rows.truncate(work.out);
        exemplars.retain_mut(|exemplar: &mut RowExemplar| match work.kept.get(exemplar.row as usize) {
            Some(Some(row)) => {
                exemplar.row = *row;
                true
            }
            _ => false,
        });
        self.meters.written.add(work.rows.len() as u64);
        if work.rows.is_empty() {
            receipt.settle(Outcome::Dropped);
            return Ok(());
        }
        let written = work.rows.len() as u64;
        let begun = Instant::now();
        let batch = Samples::with_exemplars(work.rows, exemplars).with_receipt(receipt);
        let batch = batch.with_honored_metadata(honored);
        let answer = self.forward_to.consume(batch).await;
        self.meters.latency.observe(begun.elapsed().as_secs_f64());
        if answer.is_ok() {
            self.meters.forwarded.add(written);
        }
        answer
    }
}

/// The labels as the rules leave them, sharing memory with the old ones if nothing has changed.
fn apply(rules: &Rules, series: &Labels) -> Option<Labels> {
    let result = rules.apply(series).filter(|labels| !labels.is_empty())?;
    Some(if result == *series { series.clone() } else { result })
}

impl Consume<Samples> for Stage {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        self.forward_to.admit(bytes)
    }

    fn consume(&self, batch: Samples) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.pass(batch))
    }
}

#[cfg(test)]
mod tests {
    use corten_component::metrics::{Metrics as _, Registry};
    use corten_component::{NodeId, Port};
    use corten_signal::relabel::{Action, RuleArguments};
    use corten_signal::samples::{Exemplar, STALE, SampleValue};

    use super::*;

    fn stage(rules: &[RuleArguments]) -> Stage {
        let registry = Registry::new();
        let scope = registry.node(&NodeId::root("prometheus.relabel.x"));
        let rules = Arc::new(Rules::new(rules).unwrap());
        Stage::new(rules, Fanout::new(Vec::<Port<Samples>>::new()), Some(100), Meters::register(&scope, &[]))
    }

    fn drop_b() -> RuleArguments {
        RuleArguments {
            action: Action::Drop,
            source_labels: vec!["__name__".into()],
            regex: "b".into(),
            ..RuleArguments::default()
        }
    }

    fn row(name: &str, value: f64) -> Sample {
        let labels = Labels::from_pairs([("__name__", name)]);
        Sample { labels, timestamp: 1, start: 0, value: SampleValue::Float(value), metadata: None }
    }

    fn relabelled(stage: &Stage, rows: Vec<Sample>) -> Vec<String> {
        let count = rows.len();
        let mut work = Work { kept: Vec::new(), rows, out: 0 };
        let mut at = 0;
        while at < count {
            at = stage.relabel(&mut work, at);
        }
        work.rows[..work.out].iter().map(|row| row.labels.name().to_owned()).collect()
    }

    #[test]
    fn rows_keep_their_order_and_results_are_remembered() {
        let stage = stage(&[drop_b()]);
        let rows = || ["a", "b", "c", "b", "d"].map(|name| row(name, 1.0)).to_vec();
        assert_eq!(relabelled(&stage, rows()), ["a", "c", "d"]);
        assert_eq!((stage.meters.misses.get(), stage.meters.hits.get()), (4, 1));
        assert_eq!(relabelled(&stage, rows()), ["a", "c", "d"]);
        assert_eq!((stage.meters.misses.get(), stage.meters.hits.get()), (4, 6));
    }

    #[test]
    fn the_end_of_a_series_is_passed_on_and_forgotten_unless_the_series_is_dropped() {
        let stage = stage(&[drop_b()]);
        relabelled(&stage, vec![row("a", 1.0), row("b", 1.0)]);
        assert_eq!(relabelled(&stage, vec![row("a", STALE), row("b", STALE)]), ["a"]);
        assert!(stage.cache.lock().unwrap().is_empty());
        assert_eq!(stage.meters.deletes.get(), 2);
    }

    #[tokio::test]
    async fn exemplars_go_where_their_rows_go() {
        use std::sync::mpsc::{Sender, channel};
        struct Keep(Mutex<Sender<Samples>>);
        impl Consume<Samples> for Keep {
            fn consume(&self, batch: Samples) -> BoxFuture<'_, Result<(), Refusal>> {
                self.0.lock().unwrap().send(batch).unwrap();
                Box::pin(async { Ok(()) })
            }
        }
        let (sender, receiver) = channel();
        let mut stage = stage(&[drop_b()]);
        stage.forward_to = Fanout::new([Port::to(Arc::new(Keep(Mutex::new(sender))))]);
        let exemplar = |row| {
            let exemplar = Exemplar { labels: Labels::empty(), value: f64::from(row), timestamp: 1 };
            RowExemplar { row, exemplar }
        };
        let batch = Samples::with_exemplars(
            vec![row("a", 1.0), row("b", 1.0), row("c", 1.0)],
            vec![exemplar(0), exemplar(1), exemplar(2)],
        )
        .with_honored_metadata(false);
        stage.consume(batch).await.unwrap();
        let found = receiver.recv().unwrap();
        let rows: Vec<_> = found.exemplars().iter().map(|exemplar| (exemplar.row, exemplar.exemplar.value)).collect();
        assert_eq!(rows, [(0, 0.0), (1, 2.0)]);
        assert_eq!(found.rows().len(), 2);
        assert!(!found.honors_metadata());
    }
}
