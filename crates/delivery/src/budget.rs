//! One limit on bytes for the whole process: bodies in flight, batches and all queues.
//!
//! Whoever holds memory on behalf of telemetry holds a [`Reservation`] for it; bodies do so through the
//! [`Arena`](crate::Arena), so that bytes shared by several destinations count once. When a reservation does not
//! fit, the destination that holds most gives up its oldest until it does.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use corten_component::Refusal;
use corten_component::metrics::{MetricKind, Scope};

/// At least so much is given up at once, so that a full process does not look for a victim at every request.
const SHED_AT_LEAST: usize = 1 << 20;

/// What a sender is told to wait when the budget is spent.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A destination that can give up what it holds.
pub trait Shed: Send + Sync + 'static {
    /// Bytes that wait for it, shared or not. Cheap.
    fn held(&self) -> usize;
    /// Gives up its oldest items, `dropped{reason="memory"}`, of about so many bytes, or fewer once `enough` says so.
    /// Returns whether anything was given up.
    fn shed(&self, bytes: usize, enough: &dyn Fn() -> bool) -> bool;
}

/// The process-wide byte budget. Put it into the services of the host; without it, components share a private one.
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    refused: AtomicU64,
    shed: AtomicU64,
    destinations: Mutex<Vec<Weak<dyn Shed>>>,
}

/// The budget is spent, and nothing was left to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory budget is spent: {wanted} bytes wanted, {used} of {limit} in use")]
pub struct OverBudget {
    /// The bytes asked for.
    pub wanted: usize,
    /// The bytes in use.
    pub used: usize,
    /// The limit.
    pub limit: usize,
}

impl From<OverBudget> for Refusal {
    fn from(over: OverBudget) -> Self {
        Refusal::Retry { after: Some(RETRY_AFTER), why: over.to_string().into() }
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            destinations: Mutex::default(),
        })
    }

    /// Bytes reserved now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes part of the budget, making room if need be.
    ///
    /// Never call it with a lock held that a destination's [`Shed`] takes.
    ///
    /// # Errors
    /// [`OverBudget`] when no destination had anything left to give up. Nothing is reserved then.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation, OverBudget> {
        self.take(bytes)?;
        Ok(Reservation { budget: Arc::clone(self), bytes })
    }

    /// Takes part of the budget only if it is free now.
    ///
    /// # Errors
    /// [`OverBudget`]; nobody gave up anything.
    pub fn try_reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation, OverBudget> {
        if self.try_take(bytes) { Ok(Reservation { budget: Arc::clone(self), bytes }) } else { Err(self.over(bytes)) }
    }

    /// Counts bytes that somebody needs in order to give others back, whether there is room for them or not: what is made
    /// of an item to send it. They count until the answer and all its clones are gone.
    pub fn hold(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let len = bytes.len();
        self.used.fetch_add(len, Ordering::Relaxed);
        let charge = Reservation { budget: Arc::clone(self), bytes: len };
        Bytes::from_owner(Held { bytes, _charge: charge })
    }

    /// Whether a body of so many bytes would probably be taken. Never waits, gives up nothing.
    ///
    /// # Errors
    /// A retryable refusal when the bytes do not fit and no destination holds anything to give up.
    pub fn admit(&self, bytes: usize) -> Result<(), Refusal> {
        if self.used().saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        let sheddable = self.destinations().iter().fold(0usize, |sum, each| sum.saturating_add(each.held()));
        if bytes <= self.limit && sheddable > 0 {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(self.over(bytes).into())
    }

    /// Adds a destination that can make room. It is forgotten when its last `Arc` goes.
    pub fn register(&self, destination: Weak<dyn Shed>) {
        let mut destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        destinations.retain(|known| known.strong_count() > 0);
        destinations.push(destination);
    }

    /// Shows the budget in the process's metrics.
    pub fn register_metrics(self: &Arc<Self>, scope: &Scope) {
        let of = |read: fn(&Budget) -> f64| {
            let budget = Arc::downgrade(self);
            move || budget.upgrade().map_or(0.0, |budget| read(&budget))
        };
        let gauge = MetricKind::Gauge;
        let help = "Bytes of telemetry held in memory, shared bytes counted once.";
        scope.function("corten_memory_budget_used_bytes", help, gauge, &[], of(|b| b.used() as f64));
        let help = "The limit on bytes of telemetry held in memory.";
        scope.function("corten_memory_budget_limit_bytes", help, gauge, &[], of(|b| b.limit as f64));
        let help = "Times that the budget was spent and a destination gave up its oldest items.";
        let read = of(|b| b.shed.load(Ordering::Relaxed) as f64);
        scope.function("corten_memory_budget_shed_total", help, MetricKind::Counter, &[], read);
        let help = "Times that the budget was spent with nothing left to give up.";
        let read = of(|b| b.refused.load(Ordering::Relaxed) as f64);
        scope.function("corten_memory_budget_refused_total", help, MetricKind::Counter, &[], read);
    }

    fn over(&self, wanted: usize) -> OverBudget {
        OverBudget { wanted, used: self.used(), limit: self.limit }
    }

    fn try_take(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    fn take(&self, bytes: usize) -> Result<(), OverBudget> {
        if self.try_take(bytes) {
            return Ok(());
        }
        // What can never fit must not empty every queue first.
        if bytes <= self.limit {
            let goal = self.limit - bytes.max(SHED_AT_LEAST.min(self.limit / 16));
            loop {
                // What two destinations share is free only when both gave it up. So each gives no more than is
                // needed, and then it is the turn of whoever holds most by then.
                let wanted = self.used().saturating_sub(goal);
                let victim = self.destinations().into_iter().max_by_key(|each| each.held());
                let gave = victim.is_some_and(|victim| victim.shed(wanted, &|| self.used() <= goal));
                if gave {
                    self.shed.fetch_add(1, Ordering::Relaxed);
                }
                if self.try_take(bytes) {
                    return Ok(());
                }
                if !gave {
                    break;
                }
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(self.over(bytes))
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn destinations(&self) -> Vec<Arc<dyn Shed>> {
        let destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        destinations.iter().filter_map(Weak::upgrade).collect()
    }
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("used", &self.used()).field("limit", &self.limit).finish_non_exhaustive()
    }
}

struct Held {
    bytes: Bytes,
    _charge: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A part of a [`Budget`], given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Its bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more, making room if need be.
    ///
    /// # Errors
    /// [`OverBudget`]; the reservation stays as it was.
    pub fn grow(&mut self, more: usize) -> Result<(), OverBudget> {
        self.budget.take(more)?;
        self.bytes += more;
        Ok(())
    }

    /// Gives a part back (at most all of it).
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.budget.give_back(less);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds reservations of ten bytes; `shared` of them are held elsewhere too.
    struct Fake {
        own: Mutex<Vec<Reservation>>,
        calls: AtomicUsize,
    }

    impl Fake {
        fn new(budget: &Arc<Budget>, count: usize) -> Arc<Self> {
            let own = (0..count).map(|_| budget.reserve(10).unwrap()).collect();
            let fake = Arc::new(Self { own: Mutex::new(own), calls: AtomicUsize::new(0) });
            let destination: Arc<dyn Shed> = fake.clone();
            budget.register(Arc::downgrade(&destination));
            fake
        }
        fn len(&self) -> usize {
            self.own.lock().unwrap().len()
        }
    }

    impl Shed for Fake {
        fn held(&self) -> usize {
            self.len() * 10
        }
        fn shed(&self, bytes: usize, enough: &dyn Fn() -> bool) -> bool {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let mut own = self.own.lock().unwrap();
            let before = own.len();
            while !enough() && !own.is_empty() && (before - own.len()) * 10 < bytes {
                own.remove(0);
            }
            own.len() < before
        }
    }

    #[test]
    fn reservations_grow_shrink_and_come_back() {
        let budget = Budget::new(100);
        let mut a = budget.reserve(60).unwrap();
        assert_eq!(budget.reserve(41).unwrap_err(), OverBudget { wanted: 41, used: 60, limit: 100 });
        a.grow(40).unwrap();
        assert!(a.grow(1).is_err());
        a.shrink(70);
        assert_eq!((a.bytes(), budget.used()), (30, 30));
        drop(a);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn who_holds_most_gives_up_and_only_as_much_as_needed() {
        let budget = Budget::new(160);
        let small = Fake::new(&budget, 4);
        let large = Fake::new(&budget, 12);
        let mine = budget.reserve(25).unwrap();
        assert_eq!((small.len(), large.len()), (4, 9));
        assert_eq!(budget.used(), 155);
        drop(mine);
    }

    #[test]
    fn nothing_is_given_up_for_what_can_never_fit() {
        let budget = Budget::new(100);
        let fake = Fake::new(&budget, 10);
        assert!(budget.reserve(101).is_err() && budget.admit(101).is_err());
        assert_eq!((fake.len(), fake.calls.load(Ordering::Relaxed)), (10, 0));
        assert!(budget.try_reserve(1).is_err());
        assert_eq!(fake.len(), 10);
        assert!(budget.admit(50).is_ok(), "there is something to give up");
    }

    #[test]
    fn when_nothing_is_left_the_refusal_is_retryable() {
        let budget = Budget::new(100);
        let _held = budget.reserve(100).unwrap();
        let refusal = budget.admit(1).unwrap_err();
        assert!(refusal.is_retryable() && refusal.to_string().contains("budget"));
    }
}
