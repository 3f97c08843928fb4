//! Processes and ports: listed by iterators, followed by tracepoints.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use corten_ebpf::process::{Table, Watch};

use crate::seen::Seen;
use crate::{alone, capture};

#[test]
fn we_are_listed_with_the_port_that_we_listen_on() {
    let Some(_alone) = alone() else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let watch = Watch::load().expect("programs");
    let mut table = Table::default();
    table.list(watch.processes().expect("processes"), watch.listeners().expect("listeners"));
    let own = table.get(std::process::id()).expect("ourselves");
    assert!(own.ports.iter().any(|(_, listened)| *listened == port), "{own:?}");
    assert_eq!(own.row.parent, std::os::unix::process::parent_id());
    assert!(own.row.started > 0 && !own.row.comm.is_empty());
}

#[test]
fn a_child_is_seen_from_fork_to_exit() {
    let Some(_alone) = alone() else { return };
    let (capture, records) = capture(1);
    let program = std::env::current_exe().expect("a program");
    let mut child = Command::new(&program).arg("--list").stdout(std::process::Stdio::null()).spawn().expect("a child");
    let pid = child.id();
    assert!(child.wait().expect("an end").success());
    drop(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener"));

    let of = |seen: &Seen, pid: u32, what: &str| {
        seen.others.iter().position(|(head, text)| head.pid == pid && text.starts_with(what))
    };
    let mut seen = Seen::default();
    seen.until(&records, |seen| of(seen, pid, "Exit").is_some() && of(seen, std::process::id(), "Listen").is_some());
    drop(capture);
    let (fork, exec, exit) = (of(&seen, pid, "Fork"), of(&seen, pid, "Exec"), of(&seen, pid, "Exit"));
    assert!(fork.is_some() && fork < exec && exec < exit, "{:#?}", seen.others);
    let exec = &seen.others[exec.expect("an exec")].1;
    let name = program.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(exec.contains("parent: ") && !exec.contains("file: []"), "{name}: {exec}");
}
