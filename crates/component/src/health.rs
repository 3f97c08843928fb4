//! How a component is, in a word and a sentence.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The states of Alloy, from best to worst in the order that merging uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// It works.
    Healthy,
    /// Nothing is known yet.
    Unknown,
    /// It does not do what it should.
    Unhealthy,
    /// It has ended.
    Exited,
}

impl HealthState {
    /// As the API and the metrics print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Unhealthy => "unhealthy",
            Self::Exited => "exited",
        }
    }
}

/// A state, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport {
    /// The state.
    pub state: HealthState,
    /// Why, for a person.
    pub message: String,
    /// When it was reported.
    pub updated: SystemTime,
}

impl HealthReport {
    /// A report of this moment.
    pub fn now(state: HealthState, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), updated: SystemTime::now() }
    }

    /// The worse of two; of equals the newer.
    pub fn worst(self, other: Self) -> Self {
        if (other.state, other.updated) > (self.state, self.updated) { other } else { self }
    }
}

/// What a component says of itself. Cloning gives the same report.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Option<HealthReport>>>);

impl Health {
    /// It works; `message` says what it does now.
    pub fn healthy(&self, message: impl Into<String>) {
        self.set(HealthState::Healthy, message.into());
    }

    /// It does not; `message` says why and what would help.
    pub fn unhealthy(&self, message: impl Into<String>) {
        self.set(HealthState::Unhealthy, message.into());
    }

    /// The last report, if there was one.
    pub fn report(&self) -> Option<HealthReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what the last instance said.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn set(&self, state: HealthState, message: String) {
        let mut report = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A component may report at every tick; the time is that of the change.
        if report.as_ref().is_none_or(|old| old.state != state || old.message != message) {
            *report = Some(HealthReport::now(state, message));
        }
    }
}
