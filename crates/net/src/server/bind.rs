//! Binding sockets.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::Address;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// A bound socket that does not accept yet.
pub(super) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A socket file, removed when its owner goes.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Binds; the answer holds the address with the port that the system chose for port 0.
pub(super) fn bind(address: &Address) -> io::Result<(Bound, Address, Option<SocketFile>)> {
    match address {
        Address::Tcp(address) => {
            let socket = tcp(*address)?;
            let bound = socket.local_addr()?;
            Ok((Bound::Tcp(socket), Address::Tcp(bound), None))
        }
        Address::Unix(path) => {
            let socket = unix(path)?;
            Ok((Bound::Unix(socket), address.clone(), Some(SocketFile(path.clone()))))
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).or_else(
            |error| match address {
                // A machine without IPv6 still has "all interfaces".
                SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))
                }
                _ => Err(error),
            },
        )?;
    let v4 = socket.domain().is_ok_and(|domain| domain == Domain::IPV4);
    let address = match address {
        SocketAddr::V6(v6) if v4 => SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, v6.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            socket.set_only_v6(false)?;
            address
        }
        _ => address,
    };
    // Connections of the last process in TIME_WAIT must not keep this one from starting.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::net::{UnixListener, UnixStream};
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
            // A file that nobody answers behind is left over from a process that was killed.
            if !is_socket || UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}
