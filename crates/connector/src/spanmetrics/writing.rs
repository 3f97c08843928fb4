//! Series as metrics.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::form::Form;
use super::series::{Series, Table};
use super::state::Now;
use crate::attributes::Packed;
use crate::emit::{Head, REQUEST_POINTS, Requests, exemplar, sum};

/// When delta series were last sent, by a hash of resource and key, and a rank to forget the oldest.
pub(super) type Sent = HashMap<u128, (u64, u64), RandomState>;

/// Writes the metrics of one resource.
pub(super) struct Writing<'s> {
    pub(super) form: &'s Form,
    pub(super) namespace: &'s str,
    pub(super) requests: &'s mut Requests,
    pub(super) number: usize,
    pub(super) attributes: &'s Packed,
    pub(super) resource: &'s [u8],
    pub(super) hashes: &'s [RandomState; 2],
    pub(super) before: &'s Sent,
    pub(super) sent: &'s mut Vec<u128>,
    pub(super) now: Now,
    pub(super) last: bool,
}

impl Writing<'_> {
    fn name(&self, name: &str) -> String {
        match self.namespace {
            "" => name.to_owned(),
            namespace => format!("{namespace}.{name}"),
        }
    }

    pub(super) fn counts(&mut self, name: &str, table: &mut Table) {
        let temporality = self.form.temporality();
        let zero_first = !self.form.delta && !self.last;
        let mut all = table.iter_mut();
        loop {
            let some: Vec<_> = all
                .by_ref()
                .take(REQUEST_POINTS)
                .map(|(key, series)| {
                    let value = if zero_first && series.fresh { 0 } else { series.count };
                    series.fresh = false;
                    (self.head(key, series), value)
                })
                .collect();
            if some.is_empty() {
                return;
            }
            let metric = sum(self.name(name), temporality, some.into_iter());
            self.requests.add(self.number, || self.attributes.list(), metric);
        }
    }

    pub(super) fn durations(&mut self, table: &mut Table) {
        let Some(shape) = &self.form.shape else { return };
        let unit = if self.form.unit == 1e9 { "s" } else { "ms" };
        let mut all = table.iter_mut();
        loop {
            let some: Vec<_> = all
                .by_ref()
                .take(REQUEST_POINTS)
                .filter_map(|(key, series)| Some((self.head(key, series), series.durations.as_ref()?)))
                .collect();
            if some.is_empty() {
                return;
            }
            let metric = shape.metric(self.name("duration"), unit, self.form.temporality(), some.into_iter());
            self.requests.add(self.number, || self.attributes.list(), metric);
        }
    }

    fn head(&mut self, key: &[u8], series: &Series) -> Head {
        let mut start = series.start;
        if self.form.delta {
            // The last point ended where this one begins.
            let [one, other] = self.hashes;
            let hash = |state: &RandomState| u128::from(state.hash_one((self.resource, key)));
            let place = hash(one) << 64 | hash(other);
            start = self.before.get(&place).map_or(start, |(sent, _)| *sent);
            self.sent.push(place);
        }
        let time = self.now.wall;
        let examples = series.examples.iter();
        Head {
            attributes: series.attributes.list(),
            start,
            time,
            exemplars: examples.map(|each| exemplar(each.trace, each.span, each.value, time)).collect(),
        }
    }
}
