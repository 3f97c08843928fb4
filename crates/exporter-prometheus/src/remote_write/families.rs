//! What is known of metric families, for 1.0, which sends it apart from samples.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corten_signal::samples::Metadata;
use tokio::time::{Instant, MissedTickBehavior};

use super::arguments::Protocol;
use super::batch::kind;
use super::sender::Sender;
use super::wire::{put_bytes, put_message, put_uint};

/// More families than this are not remembered.
const MOST: usize = 50_000;

/// A family is sent for as long after its last sample, at least.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// Families by name, and when their last sample came.
#[derive(Default)]
pub(super) struct Families(Mutex<HashMap<Arc<str>, (Arc<Metadata>, Instant)>>);

impl Families {
    /// Samples of these have come. Returns how many are new, or have changed.
    pub(super) fn note(&self, families: &[Arc<Metadata>]) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, mut changed) = (Instant::now(), 0);
        for family in families {
            let room = known.len() < MOST;
            match known.get_mut(&family.family) {
                Some((metadata, seen)) => {
                    if !Arc::ptr_eq(metadata, family) {
                        changed += u64::from(**metadata != **family);
                        *metadata = Arc::clone(family);
                    }
                    *seen = now;
                }
                None if room => {
                    known.insert(Arc::clone(&family.family), (Arc::clone(family), now));
                    changed += 1;
                }
                None => {}
            }
        }
        changed
    }

    /// Those whose samples have come within a time, by name. Others are forgotten.
    fn recent(&self, within: Duration) -> Vec<Arc<Metadata>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, seen)| seen.elapsed() <= within.max(REMEMBERED));
        let mut families: Vec<Arc<Metadata>> = known.values().map(|(metadata, _)| Arc::clone(metadata)).collect();
        families.sort_by(|a, b| a.family.cmp(&b.family));
        families
    }
}

/// Sends what is known to a server of 1.0, now and then.
pub(super) async fn send(families: Arc<Families>, sender: Arc<Sender>) {
    let config = sender.args.metadata_config.clone();
    let most = usize::try_from(config.max_samples_per_send).unwrap_or(usize::MAX).max(1);
    let mut tick = tokio::time::interval_at(Instant::now() + config.send_interval, config.send_interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if sender.protocol() == Protocol::V2 {
            continue;
        }
        for part in families.recent(config.send_interval * 2).chunks(most) {
            sender.deliver_metadata(encode(part), part.len() as u64).await;
        }
    }
}

fn encode(families: &[Arc<Metadata>]) -> Vec<u8> {
    let mut out = Vec::new();
    for family in families {
        put_message(&mut out, 3, |out| {
            put_uint(out, 1, kind(family.kind) as u64);
            for (field, text) in [(2, &family.family), (4, &family.help), (5, &family.unit)] {
                put_bytes(out, field, text.as_bytes());
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use corten_proto::prometheus::v1;
    use corten_signal::samples::MetricKind;
    use prost::Message;

    use super::*;

    fn family(name: &str, help: &str) -> Arc<Metadata> {
        Arc::new(Metadata { family: name.into(), kind: MetricKind::Gauge, help: help.into(), unit: "".into() })
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_sent_while_samples_come() {
        let families = Families::default();
        assert_eq!(families.note(&[family("b", "x"), family("a", "x")]), 2);
        assert_eq!(families.note(&[family("a", "x")]), 0);
        assert_eq!(families.note(&[family("a", "y")]), 1);
        let request = v1::WriteRequest::decode(&*encode(&families.recent(Duration::ZERO))).unwrap();
        let names: Vec<_> = request.metadata.iter().map(|m| (&*m.metric_family_name, &*m.help)).collect();
        assert_eq!(names, [("a", "y"), ("b", "x")]);
        assert_eq!(request.metadata[0].r#type(), v1::MetricType::Gauge);
        tokio::time::advance(REMEMBERED + Duration::from_secs(1)).await;
        families.note(&[family("b", "x")]);
        assert_eq!(families.recent(Duration::ZERO).len(), 1);
    }
}
