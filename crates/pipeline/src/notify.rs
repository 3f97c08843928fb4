//! What systemd is told: ready, reloading, stopping, alive (`sd_notify(3)`, `Type=notify`).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// The socket of the service manager, if there is one. Every call is harmless without.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notifier(Option<Arc<(UnixDatagram, SocketAddr)>>);

impl Notifier {
    /// From `NOTIFY_SOCKET`.
    pub(crate) fn from_environment() -> Self {
        std::env::var_os("NOTIFY_SOCKET").map_or_else(Self::default, |address| Self::to(&address))
    }

    /// To a socket: a path, or `@name` for an abstract one. An address that cannot be used gives a silent notifier.
    pub(crate) fn to(address: &OsStr) -> Self {
        let target = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(address),
            _ => return Self::default(),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // The service manager may be slow; the data path must not wait for it.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match (socket, target) {
            (Ok(socket), Ok(target)) => Self(Some(Arc::new((socket, target)))),
            _ => Self::default(),
        }
    }

    /// The configuration is loaded and runs.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// A reload begins; [`Self::ready`] ends it.
    pub(crate) fn reloading(&self) {
        // `Type=notify-reload` wants the moment, so that it can tell this reload from an earlier one.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n{}", status_line("reloading the configuration")));
    }

    /// The drain begins.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// One sentence for `systemctl status`.
    pub(crate) fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    /// Still alive.
    pub(crate) fn watchdog(&self) {
        self.send("WATCHDOG=1\n");
    }

    fn send(&self, message: &str) {
        if let Some(connection) = &self.0 {
            // Nobody to tell when the teller has gone; the watchdog of the manager notices.
            let _ = connection.0.send_to_addr(message.as_bytes(), &connection.1);
        }
    }
}

fn status_line(status: &str) -> String {
    format!("STATUS={}\n", status.replace(['\n', '\r'], " "))
}

/// How often the manager wants to hear [`Notifier::watchdog`]: half of `WATCHDOG_USEC`, if it is meant for us.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    interval(std::env::var("WATCHDOG_USEC").ok(), std::env::var("WATCHDOG_PID").ok(), std::process::id())
}

fn interval(micros: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let micros: u64 = micros?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name_both_hear() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        Notifier::to(path.as_os_str()).ready("2 components\nrun");
        assert_eq!(receive(&socket), "READY=1\nSTATUS=2 components run\n");

        let name = format!("corten-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Notifier::to(OsStr::new(&format!("@{name}"))).reloading();
        let message = receive(&socket);
        assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    }

    #[test]
    fn nothing_listens_and_nothing_happens() {
        assert!(Notifier::to(OsStr::new("vsock:2:1234")).0.is_none());
        Notifier::to(OsStr::new("/nonexistent/notify")).watchdog();
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(interval(text("30000000"), None, 7), Some(Duration::from_secs(15)));
        assert_eq!(interval(text("30000000"), text("7"), 7), Some(Duration::from_secs(15)));
        assert_eq!(interval(text("30000000"), text("8"), 7), None);
        assert_eq!(interval(text("0"), None, 7), None);
        assert_eq!(interval(None, None, 7), None);
    }
}
