//! gRPC between SDKs: each call is a span of its server and one of its client.

use std::collections::HashMap;
use std::io::Write;
use std::process::Stdio;

use crate::count;
use crate::ledger::{Seen, demand, spread};
use crate::services::{call_client, calls};
use crate::watched::Watched;

/// What a client says of a call.
struct Called {
    method: String,
    trace: u128,
    status: String,
    took: u64,
}

fn read(line: &str) -> Called {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().unwrap();
    Called {
        method: format!("shop.Cart/{}", words[0]),
        trace: u128::from_str_radix(words[1], 16).unwrap(),
        status: words[2].to_owned(),
        took: number(words[4]) - number(words[3]),
    }
}

fn between(server: &str, client: &str) {
    let name = format!("gRPC, {client} asks {server}");
    let Some(service) = calls(server) else { return };
    let Some(mut command) = call_client(client, &service, count(100)) else { return };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let pids: Vec<String> = service.pids().iter().chain([&child.id()]).map(u32::to_string).collect();
    let Some(watched) = Watched::start(&format!("target_pids = [{}]", pids.join(", ")), pids.len()) else {
        let _ = child.kill();
        let _ = child.wait();
        return;
    };
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let called: Vec<Called> = String::from_utf8(output.stdout).unwrap().lines().map(read).collect();
    assert_eq!(called.len(), count(100));
    watched.settle(2 * called.len());
    let (seen, counts) = watched.finish();
    let (mut problems, mut over) = (Vec::new(), Vec::new());
    for server in [true, false] {
        let mut by_trace: HashMap<u128, Vec<&Seen>> = HashMap::new();
        for span in seen.iter().filter(|span| span.server == server) {
            by_trace.entry(span.trace).or_default().push(span);
        }
        for one in &called {
            let found = by_trace.remove(&one.trace).unwrap_or_default();
            let [span] = found[..] else {
                problems.push(format!("{} spans (server: {server}) of {} {:x}", found.len(), one.method, one.trace));
                continue;
            };
            if (span.call.as_str(), span.code.as_str()) != (&one.method, &one.status) {
                problems.push(format!("{} {} is told as {span:?}", one.method, one.status));
            }
            // What the call itself carried; its trace's lower half counts from 0, its span from 1.
            if span.parent != (one.trace as u64) + 1 {
                problems.push(format!("parent of {span:?}"));
            }
            over.push(one.took as i64 - (span.ended - span.began) as i64);
        }
        problems.extend(by_trace.values().flatten().map(|span| format!("nobody asked for {span:?}")));
    }
    println!(
        "{name}: {} calls, {} problems; {counts:?}; the client's time exceeds the span's by {}",
        called.len(),
        problems.len(),
        spread(&mut over)
    );
    demand(&problems);
}

#[test]
fn go_asks_go() {
    between("go", "go");
}

#[test]
fn python_asks_go() {
    between("go", "python");
}

#[test]
fn go_asks_python() {
    between("python", "go");
}

#[test]
fn python_asks_python() {
    between("python", "python");
}
