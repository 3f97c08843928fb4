//! Server after server: questions of many kinds over HTTP/1.1.

use std::net::SocketAddr;

use crate::count;
use crate::ledger::{compare, demand};
use crate::loader::{ALL, Able, mixed};
use crate::services::{Service, go, gunicorn, java, nginx, node, threads, uvicorn};
use crate::watched::Watched;

/// Asks a server, and demands a right span for each question.
fn every_request(name: &str, ports: &[u16], processes: usize, address: SocketAddr, able: Able) {
    let Some(watched) = Watched::ports(ports, processes) else { return };
    let asked = mixed(address, &name.replace(' ', "-"), count(120), able);
    watched.settle(asked.len());
    let (seen, counts) = watched.finish();
    let mut problems = compare(name, &asked, seen.iter().filter(|span| span.server));
    if counts.told != asked.len() as u64 || counts.incomplete + counts.throttled + counts.lost > 0 {
        problems.push(format!("{counts:?}"));
    }
    demand(&problems);
}

fn of(name: &str, service: Option<Service>, processes: usize, able: Able) {
    if let Some(service) = service {
        every_request(name, &[service.port()], processes, service.address, able);
    }
}

#[test]
fn python_threads() {
    of("python http.server", threads(0, None), 1, ALL);
}

#[test]
fn uvicorn_h11() {
    of("uvicorn with h11", uvicorn("h11"), 1, Able { kept: 1000, ..ALL });
}

#[test]
fn uvicorn_httptools() {
    of("uvicorn with httptools", uvicorn("httptools"), 1, ALL);
}

#[test]
fn gunicorn_threads() {
    of("gunicorn with threads", gunicorn("gthread"), 3, Able { kept: 10, ..ALL });
}

#[test]
fn gunicorn_processes() {
    of("gunicorn with processes", gunicorn("sync"), 3, Able { kept: 1, ..ALL });
}

#[test]
fn nginx_files() {
    let Some(nginx) = nginx(9, 2) else { return };
    let able = Able { bodies: false, varied: false, kept: 100 };
    every_request("nginx with files", &[nginx.service.port()], 3, nginx.service.address, able);
}

#[test]
fn node_http() {
    of("node", node("http", 0, None), 1, ALL);
}

#[test]
fn go_net_http() {
    of("go", go(0), 1, ALL);
}

#[test]
fn java_httpserver() {
    of("java httpserver", java("Http"), 1, ALL);
}

#[test]
fn java_sockets() {
    // It does not know chunks.
    let able = Able { varied: false, ..ALL };
    of("java sockets", java("Raw"), 1, able);
}
