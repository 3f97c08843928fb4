//! Requests at a given rate, and more than are told: spans and what was counted as left out are all requests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::http1::Client;
use crate::ledger::{Asked, compare, demand};
use crate::services::{go, nginx, node, threads};
use crate::watched::{Counts, Watched};

const CONNECTIONS: usize = 8;

/// Asks so often a second for so long, as far as the server keeps up.
fn paced(address: SocketAddr, mark: &str, rate: usize, count: usize) -> Vec<Asked> {
    let began = Instant::now();
    let one = |part: usize| {
        let mut client = Client::connect(address);
        let mut asked = Vec::new();
        for number in (part..count).step_by(CONNECTIONS) {
            let due = Duration::from_secs_f64(number as f64 / rate as f64);
            // The pace is what is tested.
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            asked.push(client.get(&format!("/200/1000/{mark}-{number}")));
        }
        asked
    };
    let asked: Vec<Asked> = std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..CONNECTIONS).map(|part| scope.spawn(move || one(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{mark}: {count} requests, {:.0} a second", count as f64 / began.elapsed().as_secs_f64());
    asked
}

/// The highest rate is for the long form.
fn at_rates(name: &str, address: SocketAddr, processes: usize, rates: &[usize]) {
    let rates = &rates[..if crate::count(0) == 0 { 2 } else { rates.len() }];
    let Some(watched) = Watched::ports(&[address.port()], processes) else { return };
    let seconds = crate::count(2).min(10);
    let asked: Vec<(usize, Vec<Asked>)> =
        rates.iter().map(|rate| (*rate, paced(address, &format!("{name}-{rate}"), *rate, rate * seconds))).collect();
    watched.settle(asked.iter().map(|(_, asked)| asked.len()).sum());
    let (seen, counts) = watched.finish();
    println!("{counts:?}");
    let mut problems = Vec::new();
    for (rate, asked) in asked {
        let mark = format!("/{name}-{rate}-");
        let spans = seen.iter().filter(|span| span.server && span.path.contains(&mark));
        problems.extend(compare(&format!("{name}, {rate} a second"), &asked, spans));
    }
    demand(&problems);
}

#[test]
fn rates_at_nginx() {
    if let Some(nginx) = nginx(9, 2) {
        at_rates("nginx", nginx.service.address, 3, &[1, 100, 5000]);
    }
}

#[test]
fn rates_at_go() {
    if let Some(server) = go(0) {
        at_rates("go", server.address, 1, &[1, 100, 5000]);
    }
}

#[test]
fn rates_at_node() {
    if let Some(server) = node("http", 0, None) {
        at_rates("node", server.address, 1, &[1, 100, 5000]);
    }
}

#[test]
fn rates_at_python() {
    if let Some(server) = threads(0, None) {
        at_rates("python", server.address, 1, &[1, 100]);
    }
}

/// As fast as it goes: one worker answers more than its budget, what is above is counted by the kernel.
#[test]
fn above_the_budget_all_is_counted() {
    let Some(nginx) = nginx(9, 1) else { return };
    let address = nginx.service.address;
    let Some(watched) = Watched::ports(&[address.port()], 2) else { return };
    let many = crate::count(400) * 100;
    let began = Instant::now();
    let mut ab = std::process::Command::new("ab");
    ab.args(["-q", "-k", "-c", "32", "-n", &many.to_string(), &format!("http://{address}/tiny")]);
    let Ok(output) = ab.output() else {
        println!("skipped: ab is not there");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let rate = many as f64 / began.elapsed().as_secs_f64();
    let accounted = |counts: Counts| counts.told + counts.incomplete + counts.throttled;
    corten_testkit::eventually("all to be accounted for", || {
        let counts = Counts::of(&watched.collector.metrics());
        (accounted(counts) + counts.lost >= many as u64).then_some(())
    });
    watched.settle(many);
    let (seen, counts) = watched.finish();
    println!("nginx with {many} tiny answers, {rate:.0} a second: {} spans; {counts:?}", seen.len());
    if counts.lost == 0 {
        assert_eq!(accounted(counts), many as u64, "{counts:?}");
    }
    assert_eq!(seen.len() as u64, counts.told);
}
