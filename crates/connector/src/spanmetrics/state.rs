//! The series of all resources: spans in, metrics out.

use std::borrow::Cow;
use std::time::Duration;

use corten_signal::otlp::Batch;
use corten_signal::otlp::views::{ResourceView, ScopeView, SpanHead, SpanView, ValueView};
use foldhash::quality::RandomState;
use indexmap::IndexMap;
use tokio::time::Instant;

use super::arguments::SpanMetricsArguments;
use super::dimensions::{Dimensions, SERVICE_NAME};
use super::form::{Form, Seen, overflow_attributes, resource_key};
use super::series::{Example, Found, SERIES_BYTES, Series, Table};
use super::weight::Weights;
use super::writing::{Sent, Writing};
use crate::STATE_BYTES;
use crate::attributes::{Attributes, Names, Packed};
use crate::distribution::Shape;
use crate::emit::Requests;

const SCOPE: &str = "spanmetricsconnector";

/// This moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Nanoseconds since 1970.
    pub(super) wall: u64,
    pub(super) instant: Instant,
}

#[derive(Debug)]
struct Resource {
    attributes: Packed,
    /// Calls; durations, if they have series of their own; events.
    tables: [Table; 3],
    seen: Instant,
    /// When it was last used, as a rank.
    used: u64,
}

/// What became of the spans of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) unnamed: u64,
    pub(super) overflows: u64,
}

pub(super) struct State {
    form: Form,
    resources: IndexMap<Box<[u8]>, Resource, RandomState>,
    /// For resources that had no room.
    rest: Option<Resource>,
    bytes: usize,
    limit: usize,
    rank: u64,
    sent: Sent,
    hashes: [RandomState; 2],
    key: Vec<u8>,
}

impl Resource {
    fn new(attributes: Packed, now: Now) -> Self {
        Self { attributes, tables: Default::default(), seen: now.instant, used: 0 }
    }

    fn memory(&self, key: usize, durations: [usize; 3]) -> usize {
        let tables: usize = self.tables.iter().zip(durations).map(|(table, each)| table.memory(each)).sum();
        size_of::<Self>() + key + self.attributes.len() + tables
    }
}

impl State {
    pub(super) fn new(args: &SpanMetricsArguments) -> Result<Self, String> {
        Ok(Self {
            form: Form::new(args)?,
            resources: IndexMap::default(),
            rest: None,
            bytes: 0,
            limit: STATE_BYTES,
            rank: 0,
            sent: Sent::default(),
            hashes: Default::default(),
            key: Vec::new(),
        })
    }

    /// The same with another limit of memory.
    #[cfg(test)]
    pub(super) fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// How many series there are, and about how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        let resources = self.resources.values().chain(&self.rest);
        (resources.flat_map(|resource| &resource.tables).map(Table::len).sum(), self.bytes)
    }

    /// Counts the spans of a batch.
    pub(super) fn take(&mut self, args: &SpanMetricsArguments, batch: &Batch, now: Now) -> Taken {
        let mut taken = Taken::default();
        let mut weights = Weights::default();
        for resource in batch.resources() {
            let names = Names::of(resource.attributes());
            let Some(service) = names.get(SERVICE_NAME) else {
                taken.unnamed += resource.scopes().map(|scope| scope.spans().count() as u64).sum::<u64>();
                continue;
            };
            let service = match service {
                ValueView::Str(text) => Cow::Borrowed(text),
                other => Cow::Owned(other.to_string()),
            };
            let mut counting = self.counting(args, &resource, &names, now);
            for scope in resource.scopes() {
                let named = counting.scope_name(&scope);
                for span in scope.spans() {
                    counting.span(&service, &names, named, &span, &mut weights);
                }
            }
            taken.overflows += counting.overflows;
        }
        taken
    }

    /// Makes ready to count spans of a resource.
    fn counting<'s>(
        &'s mut self,
        args: &'s SpanMetricsArguments,
        view: &ResourceView<'_>,
        names: &Names<'_>,
        now: Now,
    ) -> Counting<'s> {
        self.rank += 1;
        resource_key(&mut self.key, names, &args.resource_metrics_key_attributes);
        let known = self.resources.get_index_of(self.key.as_slice());
        let make = || {
            let mut attributes = Attributes::default();
            view.attributes().for_each(|attribute| attributes.put_view(attribute.key(), attribute.value()));
            Resource::new(attributes.pack(), now)
        };
        let place = known.or_else(|| {
            (self.bytes < self.limit).then(|| {
                let resource = make();
                self.bytes += resource.memory(self.key.len(), [0; 3]);
                self.resources.insert_full(self.key.as_slice().into(), resource).0
            })
        });
        let own = place.and_then(|place| self.resources.get_index_mut(place)).map(|(_, resource)| resource);
        let has_room = own.is_some();
        let resource = match own {
            Some(resource) => resource,
            None => self.rest.get_or_insert_with(|| Resource::new(Packed::default(), now)),
        };
        (resource.used, resource.seen) = (self.rank, now.instant);
        Counting {
            form: &self.form,
            args,
            tables: &mut resource.tables,
            bytes: &mut self.bytes,
            limit: if has_room { self.limit } else { 0 },
            key: &mut self.key,
            now,
            overflows: 0,
        }
    }

    /// The metrics as they are now. `last`: there will be no other time.
    pub(super) fn flush(&mut self, args: &SpanMetricsArguments, now: Now, last: bool) -> Vec<Batch> {
        let mut requests = Requests::new(SCOPE);
        let mut sent = Vec::new();
        let rest = self.rest.as_mut().map(|resource| (&[][..], resource));
        let all = self.resources.iter_mut().map(|(key, resource)| (&**key, resource)).chain(rest);
        for (number, (key, resource)) in all.enumerate() {
            let attributes = resource.attributes.clone();
            let mut writing = Writing {
                form: &self.form,
                namespace: &args.namespace,
                requests: &mut requests,
                number,
                attributes: &attributes,
                resource: key,
                hashes: &self.hashes,
                before: &self.sent,
                sent: &mut sent,
                now,
                last,
            };
            let [calls, durations, events] = &mut resource.tables;
            writing.counts("calls", calls);
            writing.durations(if self.form.apart { durations } else { calls });
            writing.counts("events", events);
        }
        if self.form.delta {
            self.remember(sent, args.metric_timestamp_cache_size, now);
            self.resources.clear();
            self.rest = None;
        } else {
            self.forget(args, now);
        }
        self.recount();
        requests.finish()
    }

    /// Keeps when delta series were sent, of the last so many.
    fn remember(&mut self, sent: Vec<u128>, most: usize, now: Now) {
        for key in sent {
            self.rank += 1;
            self.sent.insert(key, (now.wall, self.rank));
        }
        if let Some(excess) = self.sent.len().checked_sub(most).filter(|excess| *excess > 0) {
            let mut ranks: Vec<u64> = self.sent.values().map(|(_, rank)| *rank).collect();
            ranks.sort_unstable();
            let oldest = ranks.get(excess).copied().unwrap_or(u64::MAX);
            self.sent.retain(|_, (_, rank)| *rank >= oldest);
        }
    }

    /// Lets go of what is too old or too many.
    fn forget(&mut self, args: &SpanMetricsArguments, now: Now) {
        let old =
            |seen: Instant, after: Duration| !after.is_zero() && now.instant.saturating_duration_since(seen) >= after;
        for resource in self.resources.values_mut().chain(&mut self.rest) {
            for table in &mut resource.tables {
                table.iter_mut().for_each(|(_, series)| series.examples = Vec::new());
                table.retain(|series| !old(series.seen, args.series_expiration));
            }
        }
        self.resources.retain(|_, resource| !old(resource.seen, args.metrics_expiration));
        self.rest.take_if(|resource| old(resource.seen, args.metrics_expiration));
        if let Some(excess) = self.resources.len().checked_sub(args.resource_metrics_cache_size) {
            let mut ranks: Vec<u64> = self.resources.values().map(|resource| resource.used).collect();
            ranks.sort_unstable();
            let oldest = ranks.get(excess).copied().unwrap_or(u64::MAX);
            self.resources.retain(|_, resource| resource.used >= oldest);
        }
    }

    fn recount(&mut self) {
        let each = self.form.shape.as_ref().map_or(0, Shape::memory);
        let durations = if self.form.apart { [0, each, 0] } else { [each, 0, 0] };
        let own: usize = self.resources.iter().map(|(key, resource)| resource.memory(key.len(), durations)).sum();
        self.bytes = own + self.rest.as_ref().map_or(0, |resource| resource.memory(0, durations));
    }
}

/// Counts spans of one resource.
struct Counting<'s> {
    form: &'s Form,
    args: &'s SpanMetricsArguments,
    tables: &'s mut [Table; 3],
    bytes: &'s mut usize,
    limit: usize,
    key: &'s mut Vec<u8>,
    now: Now,
    overflows: u64,
}

impl Counting<'_> {
    /// Name and version of a scope, if series show it.
    fn scope_name<'a>(&self, scope: &ScopeView<'a>) -> Option<(&'a str, &'a str)> {
        let shown = &self.args.include_instrumentation_scope;
        let name = if shown.is_empty() { "" } else { scope.name() };
        (!name.is_empty() && shown.iter().any(|wanted| wanted == name)).then(|| (name, scope.version()))
    }

    fn span<'a>(
        &mut self,
        service: &str,
        around: &Names<'a>,
        scope: Option<(&str, &str)>,
        span: &SpanView<'a>,
        weights: &mut Weights,
    ) {
        let form = self.form;
        let head = span.head();
        let duration = head.nanoseconds() as f64 / form.unit;
        let own = if form.reads_attributes { Names::of(span.attributes()) } else { Names::default() };
        let seen = Seen { service, head, scope, own: &own, around };
        let weight = weights.of(head.trace_state);
        let example = self.example(&head, duration);
        let durations = form.shape.as_ref().filter(|_| !form.apart).map(|shape| (shape, duration));
        self.count(0, &seen, &form.calls, weight, durations, example);
        if let Some(shape) = form.shape.as_ref().filter(|_| form.apart) {
            self.count(1, &seen, &form.durations, weight, Some((shape, duration)), example);
        }
        let Some(dimensions) = &form.events else { return };
        for event in span.events() {
            let around = around.under(&Names::of(event.attributes()));
            let seen = Seen { service, head, scope, own: &own, around: &around };
            self.count(2, &seen, dimensions, weight, None, example);
        }
    }

    fn example(&self, head: &SpanHead<'_>, value: f64) -> Option<Example> {
        if !self.args.exemplars.enabled || head.trace_id().is_empty() {
            return None;
        }
        let trace = head.trace_id().bytes().try_into().ok()?;
        Some(Example { trace, span: head.span_id().bytes().try_into().unwrap_or_default(), value })
    }

    fn count(
        &mut self,
        table: usize,
        seen: &Seen<'_, '_>,
        more: &Dimensions,
        weight: u64,
        duration: Option<(&Shape, f64)>,
        example: Option<Example>,
    ) {
        let (form, now) = (self.form, self.now);
        form.key(self.key, seen, more);
        let Some(table) = self.tables.get_mut(table) else { return };
        let limit = self.args.aggregation_cardinality_limit;
        let may_grow = *self.bytes < self.limit && (limit == 0 || table.len() < limit);
        let make = |overflow: bool| {
            let attributes = if overflow { overflow_attributes() } else { form.attributes(seen, more) };
            let durations = duration.map(|(shape, _)| shape.empty());
            let (start, seen) = (now.wall, now.instant);
            Series { attributes, count: 0, fresh: true, durations, examples: Vec::new(), start, seen }
        };
        let Some((series, found)) = table.find(self.key, may_grow, make) else { return };
        match found {
            Found::Known => {}
            Found::New => {
                *self.bytes += SERIES_BYTES
                    + self.key.len()
                    + series.attributes.len()
                    + duration.map_or(0, |(shape, _)| shape.memory());
            }
            Found::Overflow => self.overflows += 1,
        }
        series.count += weight;
        series.seen = now.instant;
        if let (Some(durations), Some((shape, value))) = (&mut series.durations, duration) {
            durations.observe(shape, value, weight);
        }
        let Some(example) = example.filter(|_| found != Found::Overflow && *self.bytes < self.limit) else { return };
        if series.examples.len() < self.args.exemplars.max_per_data_point {
            series.examples.push(example);
            *self.bytes += size_of::<Example>();
        }
    }
}
