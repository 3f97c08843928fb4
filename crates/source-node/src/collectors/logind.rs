//! `logind`: sessions of users by seat, type and class.

use std::collections::HashMap;

use corten_component::BuildError;
use zbus::zvariant::OwnedObjectPath;

use super::Boxed;
use super::bus::{OnBus, text};
use crate::arguments::UnixArguments;
use crate::bus::Method;
use crate::collector::{Collector, Outcome};
use crate::families::Families;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
/// What else there may be counts as the first.
const TYPES: [&str; 7] = ["other", "unspecified", "tty", "x11", "wayland", "mir", "web"];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];

struct Logind {
    on: OnBus,
}

pub(super) fn build(_: &UnixArguments, on: &OnBus) -> Result<Boxed, BuildError> {
    Ok(Box::new(Logind { on: on.clone() }))
}

impl Collector for Logind {
    fn name(&self) -> &'static str {
        "logind"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        self.on.wait(self.ask(out))
    }
}

impl Logind {
    async fn ask(&self, out: &mut Families) -> Outcome {
        let method =
            |member| Method { destination: LOGIND, path: "/org/freedesktop/login1", interface: MANAGER, member };
        let seats: Vec<(String, OwnedObjectPath)> = self.on.bus.call(method("ListSeats"), &()).await?;
        // Sessions over the network have none.
        let seats: Vec<_> = seats.into_iter().map(|(seat, _)| seat).chain([String::new()]).collect();
        let sessions: Vec<(String, u32, String, String, OwnedObjectPath)> =
            self.on.bus.call(method("ListSessions"), &()).await?;
        let mut counts: HashMap<(String, bool, &str, &str), u32> = HashMap::new();
        for (.., seat, path) in sessions {
            // It may have ended meanwhile.
            let Ok(properties) = self.on.bus.properties(LOGIND, path.as_str(), SESSION).await else { continue };
            let of = |name: &str| properties.get(name).and_then(text).unwrap_or_default();
            let remote = properties.get("Remote").and_then(|value| value.downcast_ref::<bool>().ok()).unwrap_or(false);
            let known = |list: &[&'static str], name: &str| {
                list.iter().find(|known| **known == name).copied().unwrap_or("other")
            };
            *counts.entry((seat, remote, known(&TYPES, of("Type")), known(&CLASSES, of("Class")))).or_default() += 1;
        }
        for seat in &seats {
            for remote in [true, false] {
                for (kind, class) in TYPES.iter().flat_map(|kind| CLASSES.iter().map(move |class| (*kind, *class))) {
                    let count = counts.get(&(seat.clone(), remote, kind, class)).copied().unwrap_or(0);
                    let remote = if remote { "true" } else { "false" };
                    let labels = [("class", class), ("remote", remote), ("seat", &**seat), ("type", kind)];
                    out.gauge("node_logind_sessions", "Sessions of users.", &labels, count);
                }
            }
        }
        Ok(())
    }
}
