//! One request through several processes: each hop's spans belong to the one before.

use std::net::SocketAddr;

use crate::count;
use crate::http1::Client;
use crate::ledger::{Asked, Seen, compare, demand};
use crate::services::{go, nginx, node, threads};
use crate::watched::Watched;

/// Asks one after the other, at each address in turn.
fn one_by_one(addresses: &[SocketAddr], mark: &str, count: usize) -> Vec<Asked> {
    let mut clients: Vec<Client> = addresses.iter().map(|address| Client::connect(*address)).collect();
    let ask = |n: usize| {
        let place = n % clients.len();
        clients[place].get(&format!("/via/200/{}/{mark}-{place}-{n}", n % 3000))
    };
    (0..count).map(ask).collect()
}

/// The span of this kind with this path. There has to be one.
fn the<'a>(seen: &'a [Seen], server: bool, path: &str, problems: &mut Vec<String>) -> Option<&'a Seen> {
    let found: Vec<&Seen> = seen.iter().filter(|span| span.server == server && span.path == path).collect();
    match found[..] {
        [one] => Some(one),
        _ => {
            problems.push(format!("{} spans (server: {server}) of {path}", found.len()));
            None
        }
    }
}

fn belongs(child: &Seen, parent: &Seen, problems: &mut Vec<String>) {
    if (child.trace, child.parent) != (parent.trace, parent.span) {
        problems.push(format!("not connected: {child:?} with {parent:?}"));
    }
}

/// A service that calls another: its own span, its call, and the other's span.
fn service_and_backend(name: &str, front: Option<crate::services::Service>, back: &crate::services::Service) {
    let Some(front) = front else { return };
    let Some(watched) = Watched::ports(&[front.port(), back.port()], 2) else { return };
    let asked = one_by_one(&[front.address], name, count(60));
    watched.settle(asked.len() * 3);
    let (seen, counts) = watched.finish();
    let servers = seen.iter().filter(|span| span.server && span.path.starts_with("/via"));
    let mut problems = compare(&format!("{name}, which calls another"), &asked, servers);
    for one in &asked {
        let inner = format!("{}-inner", &one.path[4..]);
        let own = the(&seen, true, &one.path, &mut problems);
        let call = the(&seen, false, &inner, &mut problems);
        let other = the(&seen, true, &inner, &mut problems);
        if let (Some(own), Some(call), Some(other)) = (own, call, other) {
            belongs(call, own, &mut problems);
            belongs(other, call, &mut problems);
        }
    }
    println!("{counts:?}");
    demand(&problems);
}

#[test]
fn python_calls() {
    let Some(back) = threads(0, None) else { return };
    service_and_backend("python", threads(back.port(), None), &back);
}

#[test]
fn node_calls() {
    let Some(back) = threads(0, None) else { return };
    service_and_backend("node", node("http", back.port(), None), &back);
}

#[test]
fn go_calls() {
    let Some(back) = threads(0, None) else { return };
    service_and_backend("go", go(back.port()), &back);
}

/// Client, nginx, Python or Node: the proxy's span, its call, and the server's span.
#[test]
fn nginx_in_front() {
    for backend in ["python", "node"] {
        let back = if backend == "node" { node("http", 0, None) } else { threads(0, None) };
        let Some(back) = back else { return };
        let Some(nginx) = nginx(back.port(), 1) else { return };
        let Some(watched) = Watched::ports(&[nginx.proxy.port(), back.port()], 3) else { return };
        let mut client = Client::connect(nginx.proxy);
        let ask = |n: usize| client.get(&format!("/200/{}/proxied-{n}", n % 3000));
        let asked: Vec<Asked> = (0..count(60)).map(ask).collect();
        watched.settle(asked.len() * 3);
        let (seen, counts) = watched.finish();
        let mut problems = Vec::new();
        for one in &asked {
            let call = the(&seen, false, &one.path, &mut problems);
            let servers: Vec<&Seen> = seen.iter().filter(|span| span.server && span.path == one.path).collect();
            let (Some(call), [a, b]) = (call, &servers[..]) else {
                problems.push(format!("{} server spans of {}", servers.len(), one.path));
                continue;
            };
            let (outer, inner) = if a.span == call.parent { (a, b) } else { (b, a) };
            belongs(call, outer, &mut problems);
            belongs(inner, call, &mut problems);
        }
        println!("nginx in front of {backend}: {} requests, {} problems; {counts:?}", asked.len(), problems.len());
        demand(&problems);
    }
}
