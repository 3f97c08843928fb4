//! A connection to a message bus (D-Bus) that is made when it is first needed and made anew after a failure.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use zbus::Connection;
use zbus::export::serde::Serialize;
use zbus::export::serde::de::DeserializeOwned;
use zbus::zvariant::{DynamicType, OwnedValue, Type};

use crate::collector::Failure;

/// Why a call had no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusError {
    /// There is no bus, or nobody of that name on it.
    Absent(String),
    /// The bus answered with an error, or not as expected.
    Failed(String),
    /// No answer in time.
    Late(Duration),
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(why) | Self::Failed(why) => f.write_str(why),
            Self::Late(deadline) => write!(f, "the bus has not answered within {deadline:?}"),
        }
    }
}

impl std::error::Error for BusError {}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Absent(why) => Self::NoData(why),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<zbus::Error> for BusError {
    fn from(error: zbus::Error) -> Self {
        let absent = match &error {
            zbus::Error::InputOutput(_) | zbus::Error::Address(_) => true,
            zbus::Error::MethodError(name, ..) => matches!(
                name.as_str(),
                "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner"
            ),
            _ => false,
        };
        if absent { Self::Absent(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

/// A method of an object.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    /// Whose: `org.freedesktop.systemd1`.
    pub destination: &'a str,
    /// The object.
    pub path: &'a str,
    /// The interface.
    pub interface: &'a str,
    /// The method.
    pub member: &'a str,
}

/// A bus.
#[derive(Debug)]
pub struct Bus {
    /// `None` is the system bus.
    address: Option<String>,
    deadline: Duration,
    connection: Mutex<Option<Connection>>,
}

impl Bus {
    /// The system bus. Each call is given up after `deadline`.
    pub fn system(deadline: Duration) -> Self {
        Self { address: None, deadline, connection: Mutex::new(None) }
    }

    /// The bus at an address (`unix:path=/run/dbus/system_bus_socket`).
    pub fn at(address: impl Into<String>, deadline: Duration) -> Self {
        Self { address: Some(address.into()), deadline, connection: Mutex::new(None) }
    }

    /// How long a call may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The connection, for what the other calls cannot do; made if there is none.
    pub async fn connection(&self) -> Result<Connection, BusError> {
        let mut held =
            timeout(self.deadline, self.connection.lock()).await.map_err(|_| BusError::Late(self.deadline))?;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        let connect = async {
            match &self.address {
                None => zbus::connection::Builder::system()?.build().await,
                Some(address) => zbus::connection::Builder::address(address.as_str())?.build().await,
            }
        };
        match timeout(self.deadline, connect).await {
            Ok(Ok(connection)) => Ok(held.insert(connection).clone()),
            Ok(Err(error)) => Err(BusError::Absent(not_connected(&error))),
            Err(_) => Err(BusError::Late(self.deadline)),
        }
    }

    /// Forgets the connection: the next call makes another.
    pub async fn forget(&self) {
        *self.connection.lock().await = None;
    }

    /// Calls a method. A connection that has failed is made anew, once.
    pub async fn call<B, R>(&self, method: Method<'_>, body: &B) -> Result<R, BusError>
    where
        B: Serialize + DynamicType + Sync,
        R: DeserializeOwned + Type,
    {
        match self.try_call(method, body).await {
            Err((_, true)) => self.try_call(method, body).await.map_err(|(error, _)| error),
            other => other.map_err(|(error, _)| error),
        }
    }

    /// All properties of an object's interface.
    pub async fn properties(
        &self,
        destination: &str,
        path: &str,
        interface: &str,
    ) -> Result<HashMap<String, OwnedValue>, BusError> {
        let method = Method { destination, path, interface: "org.freedesktop.DBus.Properties", member: "GetAll" };
        self.call(method, &(interface,)).await
    }

    /// One property of an object.
    pub async fn property(
        &self,
        destination: &str,
        path: &str,
        interface: &str,
        name: &str,
    ) -> Result<OwnedValue, BusError> {
        let method = Method { destination, path, interface: "org.freedesktop.DBus.Properties", member: "Get" };
        self.call(method, &(interface, name)).await
    }

    /// With an error goes whether another try is worth it.
    async fn try_call<B, R>(&self, method: Method<'_>, body: &B) -> Result<R, (BusError, bool)>
    where
        B: Serialize + DynamicType + Sync,
        R: DeserializeOwned + Type,
    {
        let connection = self.connection().await.map_err(|error| (error, false))?;
        let call =
            connection.call_method(Some(method.destination), method.path, Some(method.interface), method.member, body);
        match timeout(self.deadline, call).await {
            Ok(Ok(message)) => message.body().deserialize().map_err(|error| (error.into(), false)),
            Ok(Err(error)) => {
                let lost = matches!(error, zbus::Error::InputOutput(_));
                if lost {
                    self.forget().await;
                }
                Err((error.into(), lost))
            }
            Err(_) => {
                // It may be dead: a fresh one costs little.
                self.forget().await;
                Err((BusError::Late(self.deadline), false))
            }
        }
    }
}

/// Why there is no connection; what a bus does not say when it hangs up is said here.
fn not_connected(error: &zbus::Error) -> String {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    match error {
        zbus::Error::InputOutput(io) if !matches!(io.kind(), ConnectionRefused | NotFound | PermissionDenied) => {
            format!(
                "{error}; dbus-daemon hangs up on users that it cannot look up, such as that of a service with \
             DynamicUser=yes: give the service a user of its own"
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_bus_a_call_fails_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::at(format!("unix:path={}/none", dir.path().display()), Duration::from_secs(60));
        let error = bus.property("a.b", "/", "a.b", "C").await.unwrap_err();
        assert!(matches!(error, BusError::Absent(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_bus_that_hangs_up_at_once_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream);
            }
        });
        let bus = Bus::at(format!("unix:path={}", path.display()), Duration::from_secs(60));
        let error = bus.property("a.b", "/", "a.b", "C").await.unwrap_err().to_string();
        assert!(error.contains("DynamicUser"), "{error}");
    }

    #[tokio::test]
    async fn a_bus_that_says_nothing_costs_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let bus = Bus::at(format!("unix:path={}", path.display()), Duration::from_millis(20));
        assert_eq!(bus.property("a.b", "/", "a.b", "C").await.unwrap_err(), BusError::Late(Duration::from_millis(20)));
    }
}
