//! What `bpf/process.bpf.c` says; the layout stands in `bpf/process.h`.

const ROW: usize = 40;
const LISTENER: usize = 12;
const EVENT: usize = 312;
const AF_INET6: u16 = 10;

/// A process, as the iterator lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Process number in the initial namespace.
    pub pid: u32,
    /// Process that made it.
    pub parent: u32,
    /// Effective user.
    pub uid: u32,
    /// When it began, nanoseconds since boot.
    pub started: u64,
    /// Short name.
    pub comm: String,
}

/// Address family of a listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, most often IPv4 as well.
    V6,
}

/// A process listens on a TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listener {
    /// Process.
    pub pid: u32,
    /// Port.
    pub port: u16,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Family.
    pub family: Family,
}

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Process; for `Unlisten` maybe a bystander.
    pub pid: u32,
    /// Nanoseconds since boot.
    pub time: u64,
    /// What.
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It runs another program.
    Exec {
        /// Process that made it.
        parent: u32,
        /// When the process began.
        started: u64,
        /// Short name.
        comm: String,
        /// The file as it was named, at most 255 bytes.
        file: String,
    },
    /// It was made.
    Fork {
        /// Process that made it.
        parent: u32,
        /// When it began.
        started: u64,
    },
    /// It has ended.
    Exit {
        /// As `wait` reports it.
        status: u32,
    },
    /// It listens.
    Listen {
        /// Port; 0 while the kernel has not chosen.
        port: u16,
        /// Inode number of the network namespace.
        netns: u32,
        /// Family.
        family: Family,
    },
    /// A socket listens no more.
    Unlisten {
        /// Port.
        port: u16,
        /// Inode number of the network namespace.
        netns: u32,
        /// Family.
        family: Family,
    },
}

/// All whole rows of a listing.
pub(super) fn rows(bytes: &[u8]) -> impl Iterator<Item = Row> {
    bytes.chunks_exact(ROW).map(|row| Row {
        pid: u32_at(row, 0),
        parent: u32_at(row, 4),
        uid: u32_at(row, 8),
        started: u64_at(row, 16),
        comm: text(&row[24..40]),
    })
}

pub(super) fn listeners(bytes: &[u8]) -> impl Iterator<Item = Listener> {
    bytes.chunks_exact(LISTENER).map(|row| Listener {
        pid: u32_at(row, 0),
        netns: u32_at(row, 4),
        port: u16_at(row, 8),
        family: family(u16_at(row, 10)),
    })
}

/// `None` if it is no event.
pub(super) fn event(bytes: &[u8]) -> Option<Event> {
    let bytes = bytes.get(..EVENT)?;
    let (pid, parent, time, started) = (u32_at(bytes, 8), u32_at(bytes, 12), u64_at(bytes, 16), u64_at(bytes, 24));
    let (port, netns, family) = (u16_at(bytes, 4), u32_at(bytes, 32), family(u16_at(bytes, 2)));
    let change = match bytes[0] {
        1 => {
            let length = usize::from(u16_at(bytes, 6)).min(255);
            Change::Exec { parent, started, comm: text(&bytes[40..56]), file: text(&bytes[56..56 + length]) }
        }
        2 => Change::Fork { parent, started },
        3 => Change::Exit { status: u32_at(bytes, 36) },
        4 => Change::Listen { port, netns, family },
        5 => Change::Unlisten { port, netns, family },
        _ => return None,
    };
    Some(Event { pid, time, change })
}

fn family(number: u16) -> Family {
    if number == AF_INET6 { Family::V6 } else { Family::V4 }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|part| part.try_into().ok()).map(u16::from_le_bytes).unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map(u32::from_le_bytes).unwrap_or_default()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map(u64::from_le_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read() {
        let mut bytes = vec![0; EVENT];
        bytes[0] = 1;
        bytes[6] = 7;
        bytes[8] = 42;
        bytes[40..44].copy_from_slice(b"true");
        bytes[56..64].copy_from_slice(b"/bin/tru");
        let event = event(&bytes).expect("an event");
        let Change::Exec { comm, file, .. } = event.change else { panic!("an exec") };
        assert_eq!((event.pid, comm.as_str(), file.as_str()), (42, "true", "/bin/tr"));
        bytes[0] = 77;
        assert_eq!(super::event(&bytes), None);
        assert_eq!(super::event(&bytes[..300]), None);
    }

    #[test]
    fn half_rows_are_left_out() {
        assert_eq!(listeners(&[0; 30]).count(), 2);
        assert_eq!(rows(&[0; 39]).count(), 0);
    }
}
