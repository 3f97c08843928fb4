//! One running instance.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use corten_component::node::{Control, Gate, Phase, RunState};
use corten_component::{HealthReport, HealthState, Instance, NodeId, RunError};
use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::live::Erased;
use crate::metrics::Panics;

/// What an instance leaves to the next.
pub(crate) type Carry = Box<dyn Any + Send>;

/// An instance's task and the engine's hold on it.
pub(crate) struct Runner {
    control: Control,
    task: Mutex<Option<JoinHandle<Option<Carry>>>>,
    status: Arc<Mutex<HealthReport>>,
}

/// How an instance was stopped.
pub(crate) enum Stopped {
    /// It has returned; the next inherits.
    Ended(Option<Carry>),
    /// It had not returned by the deadline.
    Abandoned,
}

/// The span that all of a component's log lines stand in. Its level is the highest so that no filter takes the
/// component's name away from a line.
pub(crate) fn span(id: &NodeId) -> tracing::Span {
    // A run is no part of the load that began it.
    tracing::error_span!(parent: None, "ComponentRun", component_path = id.path(), component_id = id.local())
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

impl Runner {
    /// Starts an instance as a task of its own. If it ends by itself its gates refuse all calls: what a dead stage
    /// takes would be lost.
    pub(crate) fn start(
        id: &NodeId,
        gates: Vec<Arc<dyn Gate>>,
        instance: Box<dyn Instance>,
        carry: Option<Carry>,
        control: Control,
        state: RunState,
        panics: Panics,
    ) -> Arc<Self> {
        let status = Arc::new(Mutex::new(HealthReport::now(HealthState::Healthy, "started component")));
        let said = Arc::clone(&status);
        let phase = control.phase.subscribe();
        let task = async move {
            // `run` itself may panic before it gives a future.
            let ended = AssertUnwindSafe(async move { instance.run(carry, state).await }).catch_unwind().await;
            let (carry, report) = match ended {
                Ok((carry, result)) => {
                    // Stopping is no news: the report of what runs next would be overwritten by it.
                    if matches!(*phase.borrow(), Phase::Stopping { .. }) && result.is_ok() {
                        return Some(carry);
                    }
                    (Some(carry), exited(result))
                }
                Err(panic) => {
                    let text = panic_text(&*panic);
                    panics.count();
                    tracing::error!(panic = %text, "component panicked");
                    (None, HealthReport::now(HealthState::Exited, format!("component panicked: {text}")))
                }
            };
            gates.iter().for_each(|gate| gate.remove());
            *said.lock().unwrap_or_else(PoisonError::into_inner) = report;
            carry
        };
        let task = tokio::spawn(task.instrument(span(id)));
        Arc::new(Self { control, task: Mutex::new(Some(task)), status })
    }

    /// Whether the instance has ended by itself.
    pub(crate) fn has_exited(&self) -> bool {
        self.health().state == HealthState::Exited
    }

    pub(crate) fn health(&self) -> HealthReport {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hands new arguments to an instance that absorbs them.
    pub(crate) fn update(&self, args: Erased) {
        self.control.arguments.send_replace(args);
    }

    /// Tells the instance to stop and waits for what it leaves; `inherited`: for another instance.
    pub(crate) async fn stop(&self, deadline: Instant, inherited: bool) -> Stopped {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return Stopped::Ended(None) };
        self.control.inherited.store(inherited, Ordering::Release);
        self.control.phase.send_replace(Phase::Stopping { deadline });
        // The instance knows the deadline and may use all of it; what comes a moment late is still taken.
        let patience = deadline + std::time::Duration::from_millis(100);
        match tokio::time::timeout_at(patience, &mut task).await {
            Ok(carry) => Stopped::Ended(carry.unwrap_or_default()),
            Err(_) => {
                task.abort();
                Stopped::Abandoned
            }
        }
    }
}

/// An engine that is dropped without a shutdown takes its tasks along.
impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

fn exited(result: Result<(), RunError>) -> HealthReport {
    match result {
        Ok(()) => {
            tracing::info!("component exited");
            HealthReport::now(HealthState::Exited, "component shut down cleanly")
        }
        Err(error) => {
            tracing::error!(error = %error, "component exited with an error");
            HealthReport::now(HealthState::Exited, format!("component shut down with error: {error}"))
        }
    }
}
