//! A message bus with nothing but a systemd on it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use tokio::net::{UnixListener, UnixStream};
use zbus::message::{Message, Type};
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, Guid, MessageStream, connection};

/// Name, description, load state, active state, sub state, followed unit, path, job, job type, job path.
type Listed = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// A unit of the fake.
#[derive(Clone)]
pub struct SystemdUnit {
    name: String,
    load: &'static str,
    /// The active state.
    pub active: &'static str,
    /// By interface and name.
    properties: HashMap<(String, String), OwnedValue>,
}

impl SystemdUnit {
    /// A loaded unit without properties.
    pub fn new(name: &str, active: &'static str) -> Self {
        Self { name: name.to_owned(), load: "loaded", active, properties: HashMap::new() }
    }

    /// Its file is not there.
    #[must_use]
    pub fn not_found(mut self) -> Self {
        self.load = "not-found";
        self
    }

    /// With a property; the interface without its prefix (`Service`).
    #[must_use]
    pub fn with<'a>(mut self, interface: &str, name: &str, value: impl Into<Value<'a>>) -> Self {
        self.set(interface, name, value);
        self
    }

    /// Changes a property.
    pub fn set<'a>(&mut self, interface: &str, name: &str, value: impl Into<Value<'a>>) {
        let value = value.into().try_into_owned().unwrap();
        self.properties.insert((format!("org.freedesktop.systemd1.{interface}"), name.to_owned()), value);
    }

    /// Its object path.
    pub fn path(&self) -> String {
        format!("/org/freedesktop/systemd1/unit/{}", self.name.replace(['.', '-'], "_"))
    }
}

/// What the fake has and what it was asked.
#[derive(Default)]
pub struct SystemdWorld {
    /// Its units.
    pub units: Vec<SystemdUnit>,
    /// Properties of the manager.
    pub manager: HashMap<String, OwnedValue>,
    /// The calls that have come, other than those about connecting.
    pub calls: Vec<String>,
    /// Members that get no answer.
    pub silent: Vec<&'static str>,
    /// Who is connected.
    pub connections: Vec<Connection>,
}

impl SystemdWorld {
    /// With a property of the manager.
    #[must_use]
    pub fn with<'a>(mut self, name: &str, value: impl Into<Value<'a>>) -> Self {
        self.manager.insert(name.to_owned(), value.into().try_into_owned().unwrap());
        self
    }
}

/// The fake; dropped, it is no longer there.
#[derive(Clone)]
pub struct FakeSystemd(Arc<Mutex<SystemdWorld>>);

impl FakeSystemd {
    /// Listens on a socket at `path`.
    pub fn start(path: &Path, world: SystemdWorld) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let fake = Self(Arc::new(Mutex::new(world)));
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        fake
    }

    /// What it has, to be looked at and changed.
    pub fn world(&self) -> std::sync::MutexGuard<'_, SystemdWorld> {
        self.0.lock().unwrap()
    }

    /// The calls since the last time, sorted.
    pub fn take_calls(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut self.world().calls);
        calls.sort();
        calls
    }

    /// Tells all listeners that a unit has changed.
    pub async fn changed(&self, path: &str) {
        let connections = self.world().connections.clone();
        let body = ("org.freedesktop.systemd1.Unit", HashMap::<&str, Value<'_>>::new(), Vec::<&str>::new());
        for connection in connections {
            let interface = "org.freedesktop.DBus.Properties";
            connection.emit_signal(None::<()>, path, interface, "PropertiesChanged", &body).await.unwrap();
        }
    }

    /// Hangs up on everybody.
    pub async fn hang_up(&self) {
        let connections = std::mem::take(&mut self.world().connections);
        for connection in connections {
            let _ = connection.close().await;
        }
    }

    async fn serve(self, stream: UnixStream) {
        let builder = connection::Builder::unix_stream(stream).server(Guid::generate()).unwrap().p2p();
        let connection = builder.build().await.unwrap();
        self.world().connections.push(connection.clone());
        let mut messages = MessageStream::from(&connection);
        while let Some(Ok(message)) = messages.next().await {
            if message.message_type() == Type::MethodCall {
                self.answer(&connection, &message).await;
            }
        }
    }

    async fn answer(&self, connection: &Connection, message: &Message) {
        let header = message.header();
        let path = header.path().unwrap().to_string();
        let member = header.member().unwrap().to_string();
        if self.world().silent.contains(&member.as_str()) {
            return;
        }
        let result = match member.as_str() {
            "Hello" => {
                let name = format!(":1.{}", self.world().connections.len());
                connection.reply(&header, &name).await
            }
            "GetNameOwner" => connection.reply(&header, &":1.0").await,
            "AddMatch" | "RemoveMatch" => connection.reply(&header, &()).await,
            "Subscribe" => {
                self.world().calls.push(member);
                connection.reply(&header, &()).await
            }
            "ListUnits" => {
                self.world().calls.push(member);
                connection.reply(&header, &self.list()).await
            }
            "ListUnitsByNames" => {
                let names: Vec<String> = message.body().deserialize().unwrap();
                let listed = self.list().into_iter().filter(|unit| names.contains(&unit.0));
                connection.reply(&header, &listed.collect::<Vec<_>>()).await
            }
            "GetAll" => {
                let interface: String = message.body().deserialize().unwrap();
                self.world().calls.push(format!("{interface} of {path}"));
                connection.reply(&header, &self.all(&path, &interface)).await
            }
            "Get" => {
                let (interface, name): (String, String) = message.body().deserialize().unwrap();
                self.world().calls.push(format!("{interface}.{name} of {path}"));
                match self.all(&path, &interface).remove(&name) {
                    Some(value) => connection.reply(&header, &value).await,
                    None => {
                        let error = "org.freedesktop.DBus.Error.UnknownProperty";
                        connection.reply_error(&header, error, &name).await
                    }
                }
            }
            other => panic!("unexpected call of {other}"),
        };
        result.unwrap();
    }

    fn list(&self) -> Vec<Listed> {
        let none = OwnedObjectPath::from(ObjectPath::from_static_str_unchecked("/"));
        let row = |unit: &SystemdUnit| {
            let path = OwnedObjectPath::try_from(unit.path()).unwrap();
            let text = |text: &str| text.to_owned();
            let (load, active) = (text(unit.load), text(unit.active));
            (unit.name.clone(), text("A unit"), load, active, text("sub"), text(""), path, 0, text(""), none.clone())
        };
        self.world().units.iter().map(row).collect()
    }

    fn all(&self, path: &str, interface: &str) -> HashMap<String, OwnedValue> {
        let world = self.world();
        if interface == "org.freedesktop.systemd1.Manager" {
            return world.manager.clone();
        }
        let found = world.units.iter().filter(|unit| unit.path() == path).flat_map(|unit| &unit.properties);
        found.filter(|((of, _), _)| of == interface).map(|((_, name), value)| (name.clone(), value.clone())).collect()
    }
}
