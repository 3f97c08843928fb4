//! Notices that a destination which could not be reached is back.
//!
//! The pauses between attempts grow to half a minute and are for back ends that answer. For one that is not there a
//! connection costs next to nothing, so while a lane is paused because nobody could be reached, a connection is tried
//! about once a second. One that works after others did not ends the pause. Where connections work and requests fail all
//! the same (a balancer with nobody behind it, a wrong certificate), nothing ends the pause but its time; and a back end
//! that answers is never asked before the time that it named or that the file says.

use std::sync::Arc;
use std::time::Duration;

use corten_component::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::lane::Lane;
use crate::{Destination, Payload, Queue};

/// Between two tries; what is left to chance keeps many collectors from coming at the same moment.
const SHORTEST: Duration = Duration::from_millis(700);
const LONGEST: Duration = Duration::from_millis(1300);

/// What is known of a destination that could not be reached.
#[derive(Debug)]
pub(crate) struct Watch {
    due: Instant,
    /// No connection could be made when it was tried last.
    absent: bool,
    under_way: bool,
}

impl Watch {
    /// From now on; `absent`: there was no connection, or there is none any more.
    pub(crate) fn new(now: Instant, absent: bool, chance: f64) -> Self {
        Self { due: now + pause(chance), absent, under_way: false }
    }
}

fn pause(chance: f64) -> Duration {
    SHORTEST + (LONGEST - SHORTEST).mul_f64(chance.clamp(0.0, 1.0))
}

impl<T: Payload> Lane<T> {
    /// Whether a connection is to be tried now, or when.
    fn try_connection(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        let waits = self.probe.is_none() && self.paused.is_some_and(|until| until > now);
        let Some(watch) = self.watch.as_mut().filter(|watch| waits && !watch.under_way) else { return Err(None) };
        if watch.due > now {
            return Err(Some(watch.due));
        }
        watch.under_way = true;
        Ok(())
    }

    /// What came of it.
    fn tried_connection(&mut self, reached: Option<bool>, now: Instant, chance: f64) {
        let (Some(watch), Some(reached)) = (&mut self.watch, reached) else {
            self.watch = None;
            return;
        };
        let is_back = reached && watch.absent;
        *watch = Watch { due: now + pause(chance), absent: !reached, under_way: false };
        if is_back && self.probe.is_none() {
            self.paused = self.paused.map(|until| until.min(now));
        }
    }
}

/// Connections being tried, by data type.
pub(crate) type Tries = FuturesUnordered<BoxFuture<'static, (usize, Option<bool>)>>;

impl<T: Payload> Queue<T> {
    /// Tries the connections that are due. Returns when the next is.
    pub(crate) fn try_connections(&self, destination: &Arc<dyn Destination<T>>, tries: &Tries) -> Option<Instant> {
        let now = Instant::now();
        let mut wake: Option<Instant> = None;
        for (kind, lane) in self.state().lanes.iter_mut().enumerate() {
            match lane.try_connection(now) {
                Err(due) => wake = [wake, due].into_iter().flatten().min(),
                Ok(()) => {
                    let destination = Arc::clone(destination);
                    tries.push(Box::pin(async move { (kind, destination.reach(kind).await) }));
                }
            }
        }
        wake
    }

    /// Takes in how a try ended.
    pub(crate) fn tried_connection(&self, kind: usize, reached: Option<bool>) {
        if let Some(lane) = self.state().lanes.get_mut(kind) {
            lane.tried_connection(reached, Instant::now(), fastrand::f64());
        }
    }
}
