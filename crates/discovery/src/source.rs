//! How what was found is published.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use corten_component::node::Phase;
use corten_component::{Component, Exports, RunContext};
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

/// Something that is looked at again and again.
pub(crate) trait Source: Send {
    /// What the user writes.
    type Arguments;

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
    Arguments(Arc<A>),
    Stop,
}

/// Looks and publishes until the end.
pub(crate) async fn run<C, S>(mut cx: RunContext<C>, mut source: S)
where
    C: Component<Exports = TargetsExports, Arguments = S::Arguments>,
    S: Source,
{
    let mut phase = cx.phase();
    let mut waiting = Pending::default();
    loop {
        let mut next = {
            let mut look = pin!(source.look());
            loop {
                tokio::select! {
                    biased;
                    _ = phase.wait_for(|phase| matches!(phase, Phase::Stopping { .. })) => break Next::Stop,
                    found = &mut look => break Next::Found(found),
                    () = waiting.due() => cx.publish(&waiting.take()),
                    args = cx.changed() => break Next::Arguments(args),
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
                        _ = phase.wait_for(|phase| matches!(phase, Phase::Stopping { .. })) => break Next::Stop,
                        () = waiting.due() => cx.publish(&waiting.take()),
                        args = cx.changed() => break Next::Arguments(args),
                        () = sleep_until(again) => break Next::Look,
                        () = &mut changed => break Next::Look,
                    }
                }
            };
        }
        match next {
            Next::Stop => return,
            Next::Arguments(args) => source.update(args),
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
