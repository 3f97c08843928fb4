//! Editing what passes.

use std::sync::Arc;

use corten_component::metrics::MetricDoc;
use corten_component::{
    BoxFuture, BuildContext, BuildError, Component, Consume, Durable, Kinds, Refusal, RunContext, RunError,
};
use corten_proto::otlp::common::{InstrumentationScope, KeyValue};
use corten_proto::otlp::metrics::{Metric, metric::Data};
use corten_proto::otlp::resource::Resource;
use corten_signal::otlp::{Batch, Message, Meta};

use super::action::{Action, Context};
use super::arguments::AttributesArguments;
use super::matcher::Matcher;
use crate::InputExports;
use crate::stage::{self, Stage};

/// `otelcol.processor.attributes`.
pub struct Attributes;

impl Component for Attributes {
    const NAME: &'static str = "otelcol.processor.attributes";
    const DOC: &'static str = "Edits attributes of spans, log records and data points.\n\n\
        Actions are applied in order to every item that `include` (if written) matches and `exclude` does not. \
        Attributes of resources are never edited. For metrics only `metric_names` count. `hash` is SHA-256 in \
        hexadecimal.";
    const METRICS: &'static [MetricDoc] = &stage::DOCS;
    type Arguments = AttributesArguments;
    type Exports = InputExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let editor = Editor::new(&args).map_err(|invalid| BuildError::new(invalid.message))?;
        for (name, properties) in [("include", &args.include), ("exclude", &args.exclude)] {
            if properties.as_ref().is_some_and(|properties| properties.metric_names.is_empty())
                && !args.output.metrics.is_empty()
            {
                tracing::warn!(
                    component_id = %cx.id(),
                    "{name} has no metric_names, so it says nothing of metrics: all metrics are edited"
                );
            }
        }
        let stage = Stage::new("attributes", cx.id().local(), args.output.clone(), cx.metrics());
        let input = cx.port("input", Arc::new(Processor { stage, editor }));
        Ok((Self, InputExports { input }))
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        cx.stopping().await;
        ((), Ok(()))
    }
}

struct Processor {
    stage: Stage,
    editor: Editor,
}

impl Consume<Batch> for Processor {
    fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        self.stage.output().admit(bytes)
    }

    fn consume(&self, item: Batch) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let meta = item.meta().cloned();
            let edit = move |message: &mut Message| self.editor.edit(message, meta.as_deref());
            self.stage.pass(item, Some(edit)).await
        })
    }

    fn kinds(&self) -> Kinds {
        self.stage.output().kinds().into()
    }

    fn durable(&self) -> Vec<Durable> {
        self.stage.output().durable()
    }
}

/// Actions and what they apply to.
pub(super) struct Editor {
    actions: Vec<Action>,
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

impl Editor {
    pub(super) fn new(args: &AttributesArguments) -> Result<Self, corten_component::Invalid> {
        Ok(Self {
            actions: args.action.iter().map(Action::compile).collect::<Result<_, _>>()?,
            include: args.include.as_ref().map(Matcher::compile).transpose()?,
            exclude: args.exclude.as_ref().map(Matcher::compile).transpose()?,
        })
    }

    /// Edits a request; says whether anything changed.
    pub(super) fn edit(&self, message: &mut Message, context: Option<&Meta>) -> bool {
        let mut changed = false;
        match message {
            Message::Traces(request) => {
                for resource in &mut request.resource_spans {
                    let about = resource.resource.as_ref();
                    for scope in &mut resource.scope_spans {
                        let library = scope.scope.as_ref();
                        for span in &mut scope.spans {
                            if self.applies(|matcher| matcher.span(span, about, library)) {
                                changed |= self.apply(&mut span.attributes, context);
                            }
                        }
                    }
                }
            }
            Message::Logs(request) => {
                for resource in &mut request.resource_logs {
                    let about: Option<&Resource> = resource.resource.as_ref();
                    for scope in &mut resource.scope_logs {
                        let library: Option<&InstrumentationScope> = scope.scope.as_ref();
                        for log in &mut scope.log_records {
                            if self.applies(|matcher| matcher.log(log, about, library)) {
                                changed |= self.apply(&mut log.attributes, context);
                            }
                        }
                    }
                }
            }
            Message::Metrics(request) => {
                let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
                for metric in scopes.flat_map(|scope| &mut scope.metrics) {
                    if self.applies_to_metric(&metric.name) {
                        changed |= self.apply_to_points(metric, context);
                    }
                }
            }
            Message::Profiles(_) => {}
        }
        changed
    }

    fn applies(&self, matches: impl Fn(&Matcher) -> bool) -> bool {
        self.include.as_ref().is_none_or(&matches) && !self.exclude.as_ref().is_some_and(&matches)
    }

    fn applies_to_metric(&self, name: &str) -> bool {
        self.include.as_ref().and_then(|matcher| matcher.metric(name)).unwrap_or(true)
            && !self.exclude.as_ref().and_then(|matcher| matcher.metric(name)).unwrap_or(false)
    }

    fn apply(&self, attributes: &mut Vec<KeyValue>, context: Context<'_>) -> bool {
        self.actions.iter().fold(false, |any, action| any | action.apply(attributes, context))
    }

    fn apply_to_points(&self, metric: &mut Metric, context: Context<'_>) -> bool {
        let all = |lists: &mut dyn Iterator<Item = &mut Vec<KeyValue>>| {
            lists.fold(false, |any, attributes| any | self.apply(attributes, context))
        };
        match &mut metric.data {
            None => false,
            Some(Data::Gauge(data)) => all(&mut data.data_points.iter_mut().map(|point| &mut point.attributes)),
            Some(Data::Sum(data)) => all(&mut data.data_points.iter_mut().map(|point| &mut point.attributes)),
            Some(Data::Histogram(data)) => all(&mut data.data_points.iter_mut().map(|point| &mut point.attributes)),
            Some(Data::ExponentialHistogram(data)) => {
                all(&mut data.data_points.iter_mut().map(|point| &mut point.attributes))
            }
            Some(Data::Summary(data)) => all(&mut data.data_points.iter_mut().map(|point| &mut point.attributes)),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
