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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;
    use tokio::net::UnixListener;
    use zbus::message::{Message, Type};
    use zbus::zvariant::{ObjectPath, Value};
    use zbus::{Connection, Guid, MessageStream, connection};

    use super::*;
    use crate::bus::Bus;

    fn object(path: &str) -> OwnedObjectPath {
        ObjectPath::try_from(path).unwrap().into()
    }

    /// One at the screen, one over the network, one of a type that nobody knows and one that has just ended.
    async fn answer(connection: &Connection, message: &Message) {
        let header = message.header();
        let path = header.path().unwrap().to_string();
        let session = |id: &str, seat: &str| {
            (id.to_owned(), 1000_u32, "ada".to_owned(), seat.to_owned(), object(&format!("/session/{id}")))
        };
        let result = match (header.member().unwrap().as_str(), path.as_str()) {
            ("Hello", _) => connection.reply(&header, &":1.1").await,
            ("ListSeats", _) => connection.reply(&header, &vec![("seat0".to_owned(), object("/seat/seat0"))]).await,
            ("ListSessions", _) => {
                let sessions =
                    vec![session("1", "seat0"), session("2", ""), session("3", "seat0"), session("4", "seat0")];
                connection.reply(&header, &sessions).await
            }
            ("GetAll", "/session/4") => {
                connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownObject", &"gone").await
            }
            ("GetAll", of) => {
                let (kind, class, remote) = match of {
                    "/session/1" => ("wayland", "user", false),
                    "/session/2" => ("tty", "user", true),
                    _ => ("hologram", "greeter", false),
                };
                let all: HashMap<&str, Value<'_>> = HashMap::from([
                    ("Type", Value::from(kind)),
                    ("Class", Value::from(class)),
                    ("Remote", Value::from(remote)),
                ]);
                connection.reply(&header, &all).await
            }
            _ => connection.reply(&header, &()).await,
        };
        result.unwrap();
    }

    #[tokio::test]
    async fn sessions_are_counted_by_seat_type_and_class() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let builder = connection::Builder::unix_stream(stream).server(Guid::generate()).unwrap().p2p();
            let connection = builder.build().await.unwrap();
            let mut messages = MessageStream::from(&connection);
            while let Some(Ok(message)) = messages.next().await {
                if message.message_type() == Type::MethodCall {
                    answer(&connection, &message).await;
                }
            }
        });
        let on = OnBus::of(Bus::at(format!("unix:path={}", path.display()), Duration::from_secs(10)));
        let collector = build(&UnixArguments::default(), &on).unwrap();
        let task = tokio::task::spawn_blocking(move || {
            let mut out = Families::new();
            collector.collect(&mut out).unwrap();
            crate::render(&mut [out])
        });
        let text = task.await.unwrap();
        let counted: Vec<_> = text.lines().filter(|line| line.ends_with(" 1")).collect();
        assert_eq!(
            counted,
            [
                r#"node_logind_sessions{class="greeter",remote="false",seat="seat0",type="other"} 1"#,
                r#"node_logind_sessions{class="user",remote="false",seat="seat0",type="wayland"} 1"#,
                r#"node_logind_sessions{class="user",remote="true",seat="",type="tty"} 1"#,
            ]
        );
        // Two seats, remote or not, seven types, five classes.
        assert_eq!(text.lines().filter(|line| line.starts_with("node_logind_sessions{")).count(), 140);
    }
}
