//! curl as the client: TLS by OpenSSL at both ends, HTTP/2 in TLS, and curl's own spans.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::count;
use crate::ledger::{Asked, compare, demand};
use crate::loader::SIZES;
use crate::services::{certificate, nginx, node, threads};
use crate::watched::Watched;

/// A curl that waits for what it shall ask.
fn curl(flags: &[&str]) -> Child {
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--config", "-"]).args(flags);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Lets it ask, one after the other on one connection, and reads what it says of each.
fn ask(mut curl: Child, scheme: &str, address: SocketAddr, mark: &str, count: usize) -> Vec<Asked> {
    let mut config = String::from("write-out = \"%{url} %{http_code} %{size_download} %{time_total}\\n\"\n");
    for number in 0..count {
        let size = SIZES[if number % 50 == 49 { 5 } else { number % 5 }];
        config += &format!("url = \"{scheme}://{address}/200/{size}/{mark}-{number}\"\noutput = /dev/null\n");
    }
    curl.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
    let output = curl.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let took = words[3].parse::<f64>().unwrap();
        Asked {
            method: "GET",
            path: format!("/{}", words[0].splitn(4, '/').nth(3).unwrap()),
            status: words[1].parse().unwrap(),
            got: words[2].parse().unwrap(),
            // It does not say when; how long is all that is compared.
            began: 1,
            ended: 1 + (took * 1e9) as u64,
            ..Asked::default()
        }
    };
    let asked: Vec<Asked> = text.lines().map(read).collect();
    assert_eq!(asked.len(), count);
    asked
}

/// Both ends, if curl is to be observed too.
fn by_curl(name: &str, scheme: &str, address: SocketAddr, pids: &[u32], flags: &[&str]) {
    let mut curl = curl(flags);
    let all: Vec<String> = pids.iter().chain([&curl.id()]).map(u32::to_string).collect();
    let Some(watched) = Watched::start(&format!("target_pids = [{}]", all.join(", ")), all.len()) else {
        let _ = curl.kill();
        let _ = curl.wait();
        return;
    };
    let asked = ask(curl, scheme, address, "curl", count(60));
    watched.settle(asked.len() * 2);
    let (seen, counts) = watched.finish();
    println!("{counts:?}");
    let mut problems = compare(name, &asked, seen.iter().filter(|span| span.server));
    problems.extend(compare(&format!("{name}: curl itself"), &asked, seen.iter().filter(|span| !span.server)));
    for server in seen.iter().filter(|span| span.server && scheme == "http") {
        let client = seen.iter().find(|span| !span.server && span.path == server.path);
        if client.is_some_and(|client| (client.trace, client.span) != (server.trace, server.parent)) {
            problems.push(format!("not connected: {server:?} {client:?}"));
        }
    }
    demand(&problems);
}

#[test]
fn curl_asks_nginx() {
    let Some(nginx) = nginx(9, 1) else { return };
    by_curl("curl and nginx", "http", nginx.service.address, &nginx.service.pids(), &["--http1.1"]);
}

/// A curl for each request: with prior knowledge, some versions of curl do not use a connection twice.
#[test]
fn curl_asks_nginx_by_http2() {
    let Some(nginx) = nginx(9, 1) else { return };
    let Some(watched) = Watched::ports(&[nginx.http2.port()], 2) else { return };
    let one = |number: usize| ask(curl(&["--http2-prior-knowledge"]), "http", nginx.http2, &format!("curl{number}"), 1);
    let asked: Vec<Asked> = (0..count(20).min(100)).flat_map(one).collect();
    watched.settle(asked.len());
    let (seen, counts) = watched.finish();
    println!("{counts:?}");
    demand(&compare("curl and nginx by HTTP/2", &asked, seen.iter().filter(|span| span.server)));
}

#[test]
fn curl_asks_nginx_by_tls() {
    let Some(nginx) = nginx(9, 1) else { return };
    by_curl("curl and nginx by TLS", "https", nginx.tls, &nginx.service.pids(), &["--http1.1"]);
}

#[test]
fn curl_asks_nginx_by_http2_in_tls() {
    let Some(nginx) = nginx(9, 1) else { return };
    by_curl("curl and nginx by HTTP/2 in TLS", "https", nginx.tls, &nginx.service.pids(), &["--http2"]);
}

#[test]
fn curl_asks_python_by_tls() {
    let (_folder, pem) = certificate();
    let Some(server) = threads(0, Some(&pem)) else { return };
    by_curl("curl and python by TLS", "https", server.address, &server.pids(), &["--http1.1"]);
}

#[test]
fn curl_asks_node_by_tls() {
    let (_folder, pem) = certificate();
    let Some(server) = node("https", 0, Some(&pem)) else { return };
    by_curl("curl and node by TLS", "https", server.address, &server.pids(), &["--http1.1"]);
}

#[test]
#[ignore = "of calls of more than 8 KiB some frames are missed"]
fn curl_asks_node_by_http2_in_tls() {
    let (_folder, pem) = certificate();
    let Some(server) = node("h2", 0, Some(&pem)) else { return };
    by_curl("curl and node by HTTP/2 in TLS", "https", server.address, &server.pids(), &["--http2"]);
}
