//! Facts that hold until systemd says that the unit has changed.
//!
//! A subscription tells of changes; what was asked while one arrived is not kept. Without a subscription nothing is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::message::{Message, Type};
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, MatchRule, MessageStream};

use super::facts::Facts;
use crate::bus::{Bus, BusError, Method};

pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNITS: &str = "/org/freedesktop/systemd1/unit/";

/// Signals come in bursts when many units start.
const QUEUED: usize = 1024;
/// Facts are asked for again after this time, should a change have gone by unseen.
const AT_MOST: Duration = Duration::from_secs(600);

#[derive(Default)]
struct Known {
    /// By object path.
    facts: HashMap<String, (Instant, Arc<Facts>)>,
    /// Counts changes, of whatever unit.
    changes: u64,
    /// Whether changes are heard of.
    is_live: bool,
}

impl Known {
    fn reset(&mut self) {
        self.facts.clear();
        self.changes += 1;
        self.is_live = false;
    }
}

type Shared = Arc<Mutex<Known>>;

fn lock(known: &Shared) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of units.
#[derive(Default)]
pub(super) struct Cache {
    known: Shared,
    watch: tokio::sync::Mutex<Option<Watch>>,
}

/// Listens to one connection; dropped, it stops.
struct Watch {
    connection: String,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cache {
    /// Makes sure that changes are heard of on the bus's present connection. One that the bus has left since the last
    /// time, for instance because it was started again, is made anew.
    pub(super) async fn follow(&self, bus: &Bus) -> Result<(), BusError> {
        match self.try_follow(bus).await {
            Err(BusError::Absent(_)) => {
                bus.forget().await;
                self.try_follow(bus).await
            }
            other => other,
        }
    }

    async fn try_follow(&self, bus: &Bus) -> Result<(), BusError> {
        let connection = bus.connection().await?;
        let name = connection.unique_name().map(ToString::to_string).unwrap_or_default();
        let mut watch = self.watch.lock().await;
        if watch.as_ref().is_some_and(|watch| watch.connection == name && !watch.task.is_finished()) {
            return Ok(());
        }
        *watch = None;
        lock(&self.known).reset();
        let stream = timeout(bus.deadline(), signals(&connection)).await;
        let stream = stream.map_err(|_| BusError::Late(bus.deadline()))??;
        let subscribe = Method { destination: SYSTEMD, path: MANAGER_PATH, interface: MANAGER, member: "Subscribe" };
        match bus.call::<_, ()>(subscribe, &()).await {
            Ok(()) => {
                lock(&self.known).is_live = true;
                let task = tokio::spawn(listen(stream, Arc::clone(&self.known)));
                *watch = Some(Watch { connection: name, task });
                Ok(())
            }
            Err(BusError::Failed(why)) => {
                tracing::debug!("systemd does not tell of changes, so every scrape asks for everything: {why}");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What is known of a unit.
    pub(super) fn get(&self, path: &str) -> Option<Arc<Facts>> {
        let known = lock(&self.known);
        let (since, facts) = known.facts.get(path)?;
        (known.is_live && since.elapsed() < AT_MOST).then(|| Arc::clone(facts))
    }

    /// A mark to be given to [`Self::put`] with what is asked from now on.
    pub(super) fn mark(&self) -> u64 {
        lock(&self.known).changes
    }

    /// Keeps facts, unless something has changed since the mark.
    pub(super) fn put(&self, mark: u64, path: &str, facts: &Arc<Facts>) {
        let mut known = lock(&self.known);
        if known.is_live && known.changes == mark {
            known.facts.insert(path.to_owned(), (Instant::now(), Arc::clone(facts)));
        }
    }

    /// Forgets units that are no longer there.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.known).facts.retain(|path, _| is_there(path));
    }
}

async fn signals(connection: &Connection) -> Result<MessageStream, BusError> {
    // Not by sender: a name cannot be compared with the unique names that messages carry. A stranger's signal on these
    // paths costs a question too many.
    let rule = MatchRule::builder().msg_type(Type::Signal).path_namespace(MANAGER_PATH)?.build();
    Ok(MessageStream::for_match_rule(rule, connection, Some(QUEUED)).await?)
}

async fn listen(mut stream: MessageStream, known: Shared) {
    while let Some(Ok(message)) = stream.next().await {
        let change = change(&message);
        let mut known = lock(&known);
        match change {
            Change::Nothing => {}
            Change::Unit(path) => {
                known.changes += 1;
                known.facts.remove(&path);
            }
            Change::Everything => {
                known.changes += 1;
                known.facts.clear();
            }
        }
    }
    lock(&known).reset();
}

enum Change {
    Nothing,
    /// At this object path.
    Unit(String),
    Everything,
}

fn change(message: &Message) -> Change {
    let header = message.header();
    let path = header.path().map(|path| path.as_str()).unwrap_or_default();
    match header.member().map(|member| member.as_str()) {
        Some("PropertiesChanged") if path.starts_with(UNITS) => Change::Unit(path.to_owned()),
        Some("Reloading") => Change::Everything,
        // A unit may come anew under an old path.
        Some("UnitNew" | "UnitRemoved") => match message.body().deserialize::<(String, OwnedObjectPath)>() {
            Ok((_, path)) => Change::Unit(path.as_str().to_owned()),
            Err(_) => Change::Everything,
        },
        _ => Change::Nothing,
    }
}
