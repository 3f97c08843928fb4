//! What an event costs the observed process, in instructions.
//!
//! Under `cargo xtask vm-test --count` the guest's clock moves by one nanosecond with each instruction, so that a
//! difference of times is a number of instructions, the same on every machine. Elsewhere this means nothing: it is
//! ignored unless asked for.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use corten_ebpf_beyla::capture::{Policy, Settings};

use crate::{alone, capture_with};

/// A captured event of 256 bytes may cost so many instructions, one that is filtered away so many.
const CAPTURED: f64 = 1500.0;
const FILTERED: f64 = 300.0;
/// Events of an exchange: two sends and two receives.
const EVENTS: f64 = 4.0;

/// Instructions of one exchange, both ends in this process.
fn exchange(client: &mut TcpStream, server: &mut TcpStream, rounds: u32) -> f64 {
    let mut bytes = [b'x'; 256];
    let started = Instant::now();
    for _ in 0..rounds {
        client.write_all(&bytes).expect("sent");
        server.read_exact(&mut bytes).expect("received");
        server.write_all(&bytes).expect("sent");
        client.read_exact(&mut bytes).expect("received");
    }
    started.elapsed().as_nanos() as f64 / f64::from(rounds)
}

/// The least of several rounds: what the machine does meanwhile only adds. They are so short that the pump does not
/// look at the ring in each of them.
fn least(client: &mut TcpStream, server: &mut TcpStream) -> f64 {
    (0..20).map(|_| exchange(client, server, 50)).fold(f64::INFINITY, f64::min)
}

/// Two ends of a connection.
fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let server = listener.accept().expect("a connection").0;
    for end in [&client, &server] {
        end.set_nodelay(true).expect("set");
    }
    (client, server)
}

/// What an exchange costs in a process that nobody has ever said anything about.
fn in_another_process() -> f64 {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--ignored", "--exact", "--nocapture", "cost::of_a_bystander"]).env("CORTEN_BYSTANDER", "1");
    let output = command.output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = text.lines().find_map(|line| line.split("exchange: ").nth(1));
    figure.and_then(|figure| figure.trim().parse().ok()).unwrap_or_else(|| panic!("no figure: {text}"))
}

#[test]
#[ignore = "the other process of the test below"]
fn of_a_bystander() {
    if std::env::var_os("CORTEN_BYSTANDER").is_none() {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let (mut client, mut server) = pair(&listener);
    exchange(&mut client, &mut server, 500);
    println!("exchange: {}", least(&mut client, &mut server));
}

#[test]
#[ignore = "counts instructions: cargo xtask vm-test --count"]
fn an_event_costs_so_many_instructions() {
    let Some(_alone) = alone() else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let (mut client, mut server) = pair(&listener);
    exchange(&mut client, &mut server, 500);
    let without = least(&mut client, &mut server);
    let alone = in_another_process();

    // Whoever reads the ring is not part of the cost.
    let settings = Settings { ring: 16 << 20, wake_at: 16 << 20, ..Settings::default() };
    let (capture, records) = capture_with(listener.local_addr().expect("an address").port(), settings);
    let reader = std::thread::spawn(move || while records.chunks().recv().is_ok() {});
    let (mut client, mut server) = pair(&listener);
    exchange(&mut client, &mut server, 100);
    let captured = least(&mut client, &mut server);
    capture.set(std::process::id(), Policy::Ignore).expect("a process");
    let ignored = least(&mut client, &mut server);
    // The other process inherits nothing of ours.
    capture.clear(std::process::id());
    let filtered = in_another_process();
    let hooks = capture.hooks();
    drop(capture);
    reader.join().expect("the reader");

    let event = |with: f64, without: f64| (with - without) / EVENTS;
    let (captured, ignored) = (event(captured, without), event(ignored, without));
    let filtered = event(filtered, alone);
    println!("{hooks}: an exchange has {without:.0}, {alone:.0} in another process");
    println!("each event adds: captured {captured:.0}, filtered {filtered:.0}, ignored {ignored:.0}");
    // What is held to (xtask/src/vm/baseline.rs).
    for (what, instructions) in [("captured", captured), ("filtered", filtered)] {
        println!("@@count {what} {instructions:.0}");
    }
    assert!(captured <= CAPTURED && captured > 100.0, "{captured:.0} a captured event");
    assert!(filtered <= FILTERED && filtered > 10.0, "{filtered:.0} a filtered event");
}
