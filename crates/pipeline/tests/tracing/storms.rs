//! Many processes, many connections, and a back end that hangs: memory stays bounded, and requests are told afterwards.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use corten_testkit::Answer;

use crate::ledger::{Asked, compare, demand};
use crate::services::{nginx, open, threads};
use crate::watched::Watched;

const MB: u64 = 1_000_000;

/// Processes that are observed, begin, make a request, and end: `CORTEN_COUNT` of them, a thousand a minute.
#[test]
fn processes_that_come_and_go() {
    let Some(server) = threads(0, None) else { return };
    let Some(watched) =
        Watched::start(&format!("open_ports = \"{}\"\n}}\ninstrument {{\n exe_path = \"*/curl\"", server.port()), 1)
    else {
        return;
    };
    let before = watched.collector.resident();
    let (many, began) = (crate::count(60), Instant::now());
    for number in 0..many {
        let due = Duration::from_millis(60 * number as u64);
        // The pace is what is tested.
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--output", "/dev/null"])
            .arg(format!("http://{}/200/10/storm-{number}", server.address));
        assert!(curl.stdout(Stdio::null()).status().is_ok_and(|status| status.success()));
    }
    watched.settle(many);
    let after = watched.collector.resident();
    let metrics = watched.collector.metrics();
    let processes = metrics.sum("corten_beyla_observed_processes", &[]);
    let (seen, counts) = watched.finish();
    let of_server: Vec<_> = seen.iter().filter(|span| span.server && span.path.contains("/storm-")).collect();
    println!(
        "{many} processes in {:.0} s: {} spans of the server, {} of the clients; {:.1} MB resident before and {:.1} after; \
         {processes} observed at the end; {counts:?}",
        began.elapsed().as_secs_f64(),
        of_server.len(),
        seen.len() - of_server.len(),
        before as f64 / MB as f64,
        after as f64 / MB as f64
    );
    assert_eq!(of_server.len(), many);
    assert!(processes < 10.0, "{processes}");
    assert!(after < before + 20 * MB);
}

/// Connections that stay open, of several processes since each may have only so many.
#[test]
fn many_connections() {
    const EACH: usize = 12_500;
    let many = if crate::count(0) >= 1000 { 100_000 } else { 2000 };
    let workers = many / EACH + 1;
    let Some(nginx) = nginx(9, workers) else { return };
    let port = nginx.service.port();
    let Some(watched) = Watched::ports(&[port], workers + 1) else { return };
    let before = watched.collector.resident();
    let mut clients: Vec<_> = (0..many).step_by(EACH).map(|first| open(port, first, EACH.min(many - first))).collect();
    for client in &mut clients {
        let mut line = String::new();
        BufReader::new(client.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "open\n", "the connections of a client");
    }
    watched.settle(many);
    let streams = watched.collector.metrics().sum("corten_beyla_streams", &[]);
    let full = watched.collector.resident();
    for mut client in clients {
        drop(client.stdin.take());
        let _ = client.wait();
    }
    let (seen, counts) = watched.finish();
    println!(
        "{many} connections: {streams} followed; {:.1} MB resident before, {:.1} with all of them; {counts:?}",
        before as f64 / MB as f64,
        full as f64 / MB as f64
    );
    let asked = |number| {
        let path = format!("/200/17/kept-{number}");
        Asked { path, method: "GET", status: 200, got: 17, ..Asked::default() }
    };
    let asked: Vec<Asked> = (0..many).map(asked).collect();
    demand(&compare("many connections", &asked, seen.iter().filter(|span| span.server)));
}

/// A back end that says nothing for a while: what was seen meanwhile is there afterwards, or was counted.
#[test]
fn a_back_end_that_hangs() {
    let Some(server) = threads(0, None) else { return };
    let Some(watched) = Watched::ports(&[server.port()], 1) else { return };
    watched.sink.script(vec![Answer::Hang; 3]);
    let asked = crate::loader::mixed(server.address, "hang", crate::count(200), crate::loader::ALL);
    // Half of them while nobody takes spans.
    watched.settle(asked.len());
    let metrics = watched.collector.metrics();
    let dropped = metrics.sum("corten_beyla_dropped_spans_total", &[]);
    let (resident, told) =
        (watched.collector.resident(), metrics.sum("corten_beyla_exchanges_total", &[("outcome", "told")]));
    println!(
        "a back end that hangs: {told} told, {dropped} dropped and counted, {:.1} MB resident",
        resident as f64 / MB as f64
    );
    assert!((told - asked.len() as f64).abs() < f64::EPSILON, "{told}");
    // A server that is observed runs on untouched.
    assert!(TcpStream::connect(server.address).is_ok());
}
