//! How what was found is published.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use corten_component::metrics::{MetricDoc, Scope};
use corten_component::{Arguments, BuildContext, BuildError, Component, Exports, Health, RunContext, RunError};
use corten_signal::labels::Labels;
use corten_signal::targets::Targets;
use tokio::time::{Instant, sleep_until};

/// Those who depend on targets are planned anew at most this often.
const LEAST: Duration = Duration::from_secs(5);

/// What others refer to.
#[derive(Exports)]
pub struct TargetsExports {
    /// What was found.
    pub targets: Targets,
}

/// Where targets come from, looked at again and again. [`Discovery`] makes a component of it.
pub trait Source: Sized + Send + 'static {
    /// The component's name in the file.
    const NAME: &'static str;
    /// What it does, for the reference page.
    const DOC: &'static str;
    /// Its self-metrics.
    const METRICS: &'static [MetricDoc] = &[];
    /// What the user writes.
    type Arguments: Arguments;

    /// Made while the component is built; acquires nothing.
    ///
    /// # Errors
    /// The arguments cannot be used.
    fn new(args: Arc<Self::Arguments>, metrics: &Scope, health: &Health) -> Result<Self, BuildError>;

    /// Acquires what looking needs.
    fn begin(&mut self) {}

    /// Looks; `None` keeps what was found last.
    fn look(&mut self) -> impl Future<Output = Option<Vec<Labels>>> + Send;

    /// Takes up other arguments.
    fn update(&mut self, args: Arc<Self::Arguments>);

    /// How often to look.
    fn interval(&self) -> Duration;

    /// Resolves when something may have changed before it is time.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// The component of a source.
pub struct Discovery<S>(S);

impl<S: Source> Component for Discovery<S> {
    const NAME: &'static str = S::NAME;
    const DOC: &'static str = S::DOC;
    const METRICS: &'static [MetricDoc] = S::METRICS;
    type Arguments = S::Arguments;
    type Exports = TargetsExports;
    type Carry = ();

    async fn build(args: Arc<S::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, TargetsExports), BuildError> {
        let source = S::new(args, cx.metrics(), cx.health())?;
        Ok((Self(source), TargetsExports { targets: Targets::default() }))
    }

    async fn run(self, (): (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        let mut source = self.0;
        source.begin();
        look_and_publish(cx, source).await;
        ((), Ok(()))
    }

    /// A new instance would offer no targets at first.
    fn absorbs(_: &S::Arguments, _: &S::Arguments) -> bool {
        true
    }
}

/// What waits to be published.
#[derive(Default)]
struct Pending {
    published: Targets,
    found: Option<Targets>,
    last: Option<Instant>,
}

impl Pending {
    fn offer(&mut self, found: Vec<Labels>) {
        let found = Targets::new(found);
        self.found = (found != self.published).then_some(found);
    }

    /// Resolves when something may be published.
    async fn due(&self) {
        match (&self.found, self.last) {
            (None, _) => pending().await,
            (Some(_), None) => {}
            (Some(_), Some(last)) => sleep_until(last + LEAST).await,
        }
    }

    fn take(&mut self) -> TargetsExports {
        if let Some(found) = self.found.take() {
            self.published = found;
            self.last = Some(Instant::now());
        }
        TargetsExports { targets: self.published.clone() }
    }
}

enum Next<A> {
    Found(Option<Vec<Labels>>),
    Look,
    /// Other arguments, or the end.
    Told(Option<Arc<A>>),
}

/// Looks and publishes until the end.
async fn look_and_publish<S: Source>(mut cx: RunContext<Discovery<S>>, mut source: S) {
    let mut waiting = Pending::default();
    loop {
        let mut next = {
            let mut look = pin!(source.look());
            loop {
                tokio::select! {
                    biased;
                    told = cx.told() => break Next::Told(told),
                    found = &mut look => break Next::Found(found),
                    () = waiting.due() => cx.publish(&waiting.take()),
                }
            }
        };
        if let Next::Found(found) = next {
            if let Some(found) = found {
                waiting.offer(found);
            }
            let again = Instant::now() + source.interval();
            next = {
                let mut changed = pin!(source.changed());
                loop {
                    tokio::select! {
                        biased;
                        told = cx.told() => break Next::Told(told),
                        () = waiting.due() => cx.publish(&waiting.take()),
                        () = sleep_until(again) => break Next::Look,
                        () = &mut changed => break Next::Look,
                    }
                }
            };
        }
        match next {
            Next::Told(Some(args)) => source.update(args),
            Next::Told(None) => return,
            Next::Look | Next::Found(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_are_published_at_most_every_five_seconds() {
        let target = |name: &str| vec![Labels::from_pairs([("__address__", name)])];
        let mut waiting = Pending::default();
        waiting.offer(Vec::new());
        assert!(waiting.found.is_none(), "nothing has changed");
        waiting.offer(target("a"));
        waiting.due().await;
        assert_eq!(waiting.take().targets.len(), 1);
        waiting.offer(target("a"));
        assert!(waiting.found.is_none(), "the same again");
        let before = Instant::now();
        waiting.offer(target("b"));
        waiting.due().await;
        assert_eq!(Instant::now() - before, LEAST);
        // What is found anew while waiting replaces what was found.
        waiting.offer(target("a"));
        assert!(waiting.found.is_none());
    }
}
