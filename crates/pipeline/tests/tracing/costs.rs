//! What observing costs the observed, and the observer: rounds with and without, in turn. Figures, not verdicts: a debug
//! build, or a busy machine, says little (`CORTEN_BINARY` names another build).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::services::{Service, certificate, go, nginx, node, threads};
use crate::watched::{Counts, Watched};

/// Nanoseconds of CPU that processes have used, all their threads.
fn cpu(pids: &[u32]) -> u64 {
    let threads = pids.iter().filter_map(|pid| std::fs::read_dir(format!("/proc/{pid}/task")).ok()).flatten().flatten();
    let used = |path: &Path| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    threads.filter_map(|thread| used(&thread.path())).sum()
}

/// So many requests by ab; requests a second.
fn load(url: &str, many: usize) -> Option<f64> {
    let output = Command::new("ab").args(["-q", "-k", "-c", "16", "-n", &many.to_string(), url]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("Requests per second"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[derive(Debug, Default, Clone, Copy)]
struct Round {
    rate: f64,
    /// Microseconds a request, of the service and of the collector.
    service: f64,
    agent: f64,
    resident: u64,
    counts: Option<(u64, u64)>,
}

fn round(service: &Service, port: u16, url: &str, many: usize, observed: bool) -> Option<Round> {
    let watched = if observed { Some(Watched::ports(&[port], 1)?) } else { None };
    let pids = service.pids();
    let agent = watched.as_ref().map(|watched| watched.collector.pid());
    load(url, many / 10)?;
    let (before, agent_before) = (cpu(&pids), agent.map_or(0, |pid| cpu(&[pid])));
    let rate = load(url, many)?;
    let used = |after: u64, before: u64| after.saturating_sub(before) as f64 / many as f64 / 1000.0;
    let service = used(cpu(&pids), before);
    if let Some(watched) = &watched {
        watched.settle(many + many / 10);
    }
    let agent = used(agent.map_or(0, |pid| cpu(&[pid])), agent_before);
    let resident = watched.as_ref().map_or(0, |watched| watched.collector.peak());
    let counts = watched.map(|watched| {
        let counts = Counts::of(&watched.collector.metrics());
        (counts.told, counts.throttled)
    });
    Some(Round { rate, service, agent, resident, counts })
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// Rounds in turn, and what they say.
fn compare(name: &str, service: &Service, address: SocketAddr, url: &str) {
    let (rounds, many) = match std::env::var("CORTEN_COUNT") {
        Ok(_) => (5, crate::count(0) * 10),
        Err(_) => (1, 500),
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (Some(a), Some(b)) =
            (round(service, address.port(), url, many, false), round(service, address.port(), url, many, true))
        else {
            println!("skipped: ab, or what it needs, is not there");
            return;
        };
        without.push(a);
        with.push(b);
    }
    let (plain, observed) = (median(&without, |round| round.service), median(&with, |round| round.service));
    println!(
        "{name}: {plain:.1} us of CPU a request without and {observed:.1} with ({:+.1} %); {:.0} and {:.0} requests a second \
         ({:+.1} %); the collector {:.1} us a request, {:.1} MB at most; told and left out {:?}",
        (observed / plain - 1.0) * 100.0,
        median(&without, |round| round.rate),
        median(&with, |round| round.rate),
        (median(&with, |round| round.rate) / median(&without, |round| round.rate) - 1.0) * 100.0,
        median(&with, |round| round.agent),
        with.iter().map(|round| round.resident).max().unwrap_or(0) as f64 / 1e6,
        with.last().and_then(|round| round.counts)
    );
    let told: u64 = with.iter().filter_map(|round| round.counts).map(|(told, left_out)| told + left_out).sum();
    assert!(told > 0, "{with:?}");
}

#[test]
fn costs_of_plain_http() {
    if let Some(server) = go(0) {
        compare("go", &server, server.address, &format!("http://{}/200/100/cost", server.address));
    }
    if let Some(server) = node("http", 0, None) {
        compare("node", &server, server.address, &format!("http://{}/200/100/cost", server.address));
    }
    if let Some(server) = threads(0, None) {
        compare("python", &server, server.address, &format!("http://{}/200/100/cost", server.address));
    }
}

#[test]
fn costs_of_tiny_answers() {
    if let Some(nginx) = nginx(9, 1) {
        let address = nginx.service.address;
        compare("nginx with tiny answers", &nginx.service, address, &format!("http://{address}/tiny"));
    }
}

#[test]
fn costs_of_tls() {
    if let Some(nginx) = nginx(9, 1) {
        compare("nginx by TLS", &nginx.service, nginx.tls, &format!("https://{}/200/1000/cost", nginx.tls));
    }
    let (_folder, pem) = certificate();
    if let Some(server) = node("https", 0, Some(&pem)) {
        compare("node by TLS", &server, server.address, &format!("https://{}/200/100/cost", server.address));
    }
}
