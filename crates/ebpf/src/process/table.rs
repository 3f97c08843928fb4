//! Who runs and who listens, as it is now.

use std::collections::{BTreeSet, HashMap};

use super::{Change, Event, Listener, Row};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// What the kernel says of it.
    pub row: Row,
    /// The file that its last exec named, if we saw it.
    pub file: Option<String>,
    /// Ports that it listens on, with their network namespaces.
    pub ports: BTreeSet<(u32, u16)>,
}

/// All processes, kept up to date by [`Event`]s.
#[derive(Debug, Clone, Default)]
pub struct Table {
    processes: HashMap<u32, Process>,
}

impl Table {
    /// By listings; what was known otherwise is kept for processes that still run.
    pub fn list(&mut self, rows: impl IntoIterator<Item = Row>, listeners: impl IntoIterator<Item = Listener>) {
        let mut before = std::mem::take(&mut self.processes);
        for row in rows {
            let file = before.remove(&row.pid).filter(|old| old.row.started == row.started).and_then(|old| old.file);
            self.processes.insert(row.pid, Process { row, file, ports: BTreeSet::new() });
        }
        for listener in listeners {
            if let Some(process) = self.processes.get_mut(&listener.pid) {
                process.ports.insert((listener.netns, listener.port));
            }
        }
    }

    /// Takes one change in. Says which process is another one now, if any.
    pub fn apply(&mut self, event: &Event) -> Option<u32> {
        match &event.change {
            Change::Fork { parent, started } => {
                // The child is its parent until it runs something else; sockets are shared.
                let copy = self.processes.get(parent).cloned();
                let mut process = copy.unwrap_or_else(|| unknown(event.pid));
                (process.row.pid, process.row.parent, process.row.started) = (event.pid, *parent, *started);
                self.processes.insert(event.pid, process);
            }
            Change::Exec { parent, started, comm, file } => {
                let process = self.processes.entry(event.pid).or_insert_with(|| unknown(event.pid));
                (process.row.parent, process.row.started) = (*parent, *started);
                process.row.comm.clone_from(comm);
                process.file = Some(file.clone());
            }
            Change::Exit { .. } => {
                self.processes.remove(&event.pid)?;
            }
            Change::Listen { port, netns, .. } => {
                let process = self.processes.entry(event.pid).or_insert_with(|| unknown(event.pid));
                process.ports.insert((*netns, *port));
            }
            // Others may still listen there through a socket of their own; whoever asks lists anew.
            Change::Unlisten { .. } => return None,
        }
        Some(event.pid)
    }

    /// A process by number.
    pub fn get(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

fn unknown(pid: u32) -> Process {
    let row = Row { pid, parent: 0, uid: 0, started: 0, comm: String::new() };
    Process { row, file: None, ports: BTreeSet::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Family;

    fn row(pid: u32, comm: &str) -> Row {
        Row { pid, parent: 1, uid: 0, started: u64::from(pid), comm: comm.into() }
    }

    fn event(pid: u32, change: Change) -> Event {
        Event { pid, time: 0, change }
    }

    #[test]
    fn a_child_is_its_parent_until_it_execs() {
        let mut table = Table::default();
        let listener = Listener { pid: 7, port: 80, netns: 1, family: Family::V4 };
        table.list([row(7, "nginx")], [listener]);
        assert_eq!(table.apply(&event(8, Change::Fork { parent: 7, started: 9 })), Some(8));
        let child = table.get(8).expect("a process");
        assert_eq!((child.row.comm.as_str(), child.row.parent, child.row.started), ("nginx", 7, 9));
        assert!(child.ports.contains(&(1, 80)));
        let exec = Change::Exec { parent: 7, started: 9, comm: "sh".into(), file: "/bin/sh".into() };
        table.apply(&event(8, exec));
        assert_eq!(table.get(8).and_then(|child| child.file.as_deref()), Some("/bin/sh"));
        table.apply(&event(7, Change::Exit { status: 0 }));
        assert_eq!((table.len(), table.get(7)), (1, None));
        assert_eq!(table.apply(&event(7, Change::Exit { status: 0 })), None);
    }

    #[test]
    fn listing_again_keeps_what_the_kernel_does_not_list() {
        let mut table = Table::default();
        table.list([row(7, "a")], []);
        table.apply(&event(7, Change::Exec { parent: 1, started: 7, comm: "a".into(), file: "/a".into() }));
        table.apply(&event(7, Change::Listen { port: 81, netns: 1, family: Family::V6 }));
        table.list([row(7, "a"), row(9, "b")], []);
        let process = table.get(7).expect("a process");
        assert_eq!(process.file.as_deref(), Some("/a"));
        assert!(process.ports.is_empty(), "the listing knows better");
        let mut other = row(7, "c");
        other.started = 99;
        table.list([other], []);
        assert_eq!(table.get(7).expect("a process").file, None, "another process with the same number");
    }
}
