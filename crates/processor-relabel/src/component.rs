//! The ports, and the life of an instance.

use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::{MetricDoc, Metrics as _};
use corten_component::{BuildContext, BuildError, Component, Exports, Handle, Port, RunContext, RunError};
use corten_signal::relabel::{RuleSet, Rules};
use corten_signal::samples::Samples;
use tokio::time::MissedTickBehavior;

use crate::arguments::RelabelArguments;
use crate::metrics::Meters;
use crate::stage::Stage;

/// `prometheus.relabel`.
pub struct Relabel {
    stage: Arc<Stage>,
    expires: Duration,
}

/// What others refer to.
#[derive(Exports)]
pub struct RelabelExports {
    /// Takes samples.
    pub receiver: Port<Samples>,
    /// The rules.
    pub rules: Handle<dyn RuleSet>,
}

impl Component for Relabel {
    const NAME: &'static str = "prometheus.relabel";
    const DOC: &'static str = "Changes, keeps or drops series by rules.\n\n\
        The result is remembered for each series. A series that is dropped or renamed is so for its end, too.";
    const METRICS: &'static [MetricDoc] = Meters::DOCS;
    type Arguments = RelabelArguments;
    type Exports = RelabelExports;
    type Carry = ();

    async fn build(args: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let rules = Arc::new(Rules::new(&args.rules).map_err(|why| BuildError::at("rule", why))?);
        let meters = Meters::register(cx.metrics(), &[]);
        let stage = Stage::new(Arc::clone(&rules), args.forward_to.clone(), args.bound(), meters);
        let stage = Arc::new(stage);
        let receiver = cx.port("receiver", stage.clone());
        let rules = cx.handle::<dyn RuleSet>("rules", Arc::new(rules));
        Ok((Self { stage, expires: args.cache_ttl }, RelabelExports { receiver, rules }))
    }

    async fn run(self, carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        if self.expires.is_zero() {
            cx.stopping().await;
            return (carry, Ok(()));
        }
        let mut ticks = tokio::time::interval(self.expires / 4);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.stage.expire(self.expires.as_secs()),
                () = cx.stopping() => return (carry, Ok(())),
            }
        }
    }
}
