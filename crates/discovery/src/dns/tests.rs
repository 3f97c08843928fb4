//! Looking names up at a server of our own: what becomes of each kind of record, and of servers that fail.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use corten_component::NodeId;
use corten_component::metrics::Registry;
use tokio::net::UdpSocket;

use super::*;

/// Names, types and what their records hold, in the text form of zone files; `*` marks what an answer holds besides.
const ZONE: [(&str, &str, &str); 13] = [
    ("web.example.com", "A", "192.0.2.2"),
    ("web.example.com", "A", "192.0.2.3"),
    ("web.example.com", "A", "192.0.2.4"),
    ("web.example.com", "AAAA", "::1"),
    ("web.example.com", "AAAA", "2001:db8::7"),
    ("_mysql._tcp.db.example.com", "SRV", "3306 db1.example.com"),
    ("_mysql._tcp.db.example.com", "SRV", "3307 db2.example.com"),
    ("_mysql._tcp.db.example.com", "*TXT", "to be passed over"),
    ("example.com", "MX", "0 smtp1.example.com"),
    ("example.com", "MX", "10 smtp2.example.com"),
    ("example.com", "NS", "ns1.example.com"),
    ("alias.example.com", "*CNAME", "web.example.com"),
    ("alias.example.com", "A", "192.0.2.2"),
];

const CODES: [(&str, u16); 7] = [("A", 1), ("NS", 2), ("CNAME", 5), ("MX", 15), ("TXT", 16), ("AAAA", 28), ("SRV", 33)];

/// A server that answers for [`ZONE`].
struct Server {
    address: SocketAddr,
    /// What it answers all questions with, unless it is 0.
    code: Arc<AtomicU8>,
}

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, code) = (socket.local_addr().unwrap(), Arc::new(AtomicU8::new(0)));
        let (failing, turn) = (Arc::clone(&code), AtomicUsize::new(0));
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let answer = match failing.load(Ordering::SeqCst) {
                    0 => answer(&bytes[..length], turn.fetch_add(1, Ordering::SeqCst)),
                    code => reply(&bytes[..length], code, &[]),
                };
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, code }
    }

    fn names(&self, names: &[&str], kind: &str, port: u16) -> Dns {
        let args = DnsArguments {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            kind: kind.to_owned(),
            port,
            ..DnsArguments::default()
        };
        let config =
            Config { servers: vec![self.address], search: Vec::new(), ndots: 1, timeout: Duration::from_secs(30) };
        let scope = Registry::new().node(&NodeId::root("discovery.dns.x"));
        let mut dns = Dns::new(Arc::new(args), &scope, &Health::default()).unwrap();
        dns.config = Box::new(move || Ok(config.clone()));
        dns
    }
}

fn encode(name: &str) -> Vec<u8> {
    let parts = name.split('.').flat_map(|part| [&[part.len() as u8][..], part.as_bytes()].concat());
    parts.chain([0]).collect()
}

/// The question's name, and where it ends.
fn asked(question: &[u8]) -> (String, usize) {
    let (mut at, mut parts) = (12, Vec::new());
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        parts.push(String::from_utf8_lossy(&question[at + 1..end]).to_ascii_lowercase());
        at = end;
    }
    (parts.join("."), at + 1)
}

/// Records of the question's name, each time beginning with another.
fn answer(question: &[u8], turn: usize) -> Vec<u8> {
    let (name, end) = asked(question);
    let code = u16::from_be_bytes([question[end], question[end + 1]]);
    let of = |kind: &str| CODES.iter().find(|(known, _)| *known == kind).unwrap().1;
    let mut records: Vec<(u16, Vec<u8>)> = ZONE
        .iter()
        .filter(|(owner, kind, _)| *owner == name && (kind.starts_with('*') || of(kind) == code))
        .map(|(_, kind, text)| (of(kind.trim_start_matches('*')), data(kind.trim_start_matches('*'), text)))
        .collect();
    if records.is_empty() {
        let is_known = ZONE.iter().any(|(owner, ..)| *owner == name);
        return reply(question, if is_known { 0 } else { 3 }, &[]);
    }
    let first = turn % records.len();
    records.rotate_left(first);
    reply(question, 0, &records)
}

fn data(kind: &str, text: &str) -> Vec<u8> {
    let (number, name) = text.split_once(' ').unwrap_or(("0", text));
    let number = || number.parse::<u16>().unwrap().to_be_bytes().to_vec();
    match kind {
        "A" => text.parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec(),
        "AAAA" => text.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
        "SRV" => [vec![0, 5, 0, 7], number(), encode(name)].concat(),
        "MX" => [number(), encode(name)].concat(),
        "TXT" => [vec![text.len() as u8], text.as_bytes().to_vec()].concat(),
        _ => encode(name),
    }
}

/// An answer whose records point at the question's name.
fn reply(question: &[u8], code: u8, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let (_, end) = asked(question);
    let mut bytes = question[..end + 4].to_vec();
    bytes[2] |= 0x80;
    bytes[3] = code;
    bytes[6..12].copy_from_slice(&[0, records.len() as u8, 0, 0, 0, 0]);
    for (kind, data) in records {
        bytes.extend([192, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

fn addresses(targets: &[Labels]) -> Vec<&str> {
    targets.iter().map(|labels| labels.get("__address__").unwrap_or_default()).collect()
}

#[tokio::test]
async fn every_kind_of_record_becomes_targets() {
    let server = Server::start().await;
    for (name, kind, port, expected) in [
        ("web.example.com.", "A", 80, &["192.0.2.2:80", "192.0.2.3:80", "192.0.2.4:80"] as &[&str]),
        ("web.example.com.", "aaaa", 80, &["[2001:db8::7]:80", "[::1]:80"]),
        ("_mysql._tcp.db.example.com.", "SRV", 0, &["db1.example.com:3306", "db2.example.com:3307"]),
        ("example.com.", "MX", 25, &["smtp1.example.com:25", "smtp2.example.com:25"]),
        ("example.com.", "NS", 53, &["ns1.example.com:53"]),
        ("alias.example.com.", "A", 80, &["192.0.2.2:80"]),
        ("gone.example.com.", "A", 80, &[]),
        ("example.com.", "AAAA", 80, &[]),
    ] {
        let mut names = server.names(&[name], kind, port);
        let found = names.look().await.unwrap();
        assert_eq!(addresses(&found), expected, "{name} {kind}");
        assert!(found.iter().all(|labels| labels.get("__meta_dns_name") == Some(name)), "{found:?}");
        assert_eq!((names.meters.lookups.get(), names.meters.failures.get()), (1, 0), "{name} {kind}");
    }
    let mut names = server.names(&["_mysql._tcp.db.example.com."], "SRV", 0);
    let found = names.look().await.unwrap();
    assert_eq!(found[0].get("__meta_dns_srv_record_target"), Some("db1.example.com."));
    assert_eq!(found[0].get("__meta_dns_srv_record_port"), Some("3306"));
    let mut names = server.names(&["example.com."], "MX", 25);
    assert_eq!(names.look().await.unwrap()[0].get("__meta_dns_mx_record_target"), Some("smtp1.example.com."));
}

#[tokio::test]
async fn records_in_another_order_are_the_same_targets() {
    let server = Server::start().await;
    let mut names = server.names(&["web.example.com."], "A", 80);
    let first = names.look().await.unwrap();
    for _ in 0..3 {
        assert_eq!(names.look().await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_server_that_fails_leaves_what_was_found_and_a_name_that_goes_takes_its_targets_along() {
    let server = Server::start().await;
    let mut names = server.names(&["web.example.com.", "alias.example.com."], "A", 80);
    let first = names.look().await.unwrap();
    assert_eq!(first.len(), 4);
    server.code.store(2, Ordering::SeqCst);
    assert_eq!(names.look().await.unwrap(), first);
    assert_eq!((names.meters.lookups.get(), names.meters.failures.get()), (4, 2));
    assert!(names.health.report().unwrap().message.contains("could not resolve"));
    server.code.store(3, Ordering::SeqCst);
    assert_eq!(names.look().await.unwrap(), []);
    server.code.store(0, Ordering::SeqCst);
    assert_eq!(names.look().await.unwrap(), first);
}

#[test]
fn records_become_targets() {
    let text = |record| target("n", &record, 80).to_string();
    assert_eq!(text(Record::A([192, 0, 2, 2].into())), r#"{__address__="192.0.2.2:80", __meta_dns_name="n"}"#);
    assert_eq!(text(Record::Aaaa("::1".parse().unwrap())), r#"{__address__="[::1]:80", __meta_dns_name="n"}"#);
    assert_eq!(
        text(Record::Srv { target: "db1.example.com.".into(), port: 3306 }),
        r#"{__address__="db1.example.com:3306", __meta_dns_name="n", __meta_dns_srv_record_port="3306", __meta_dns_srv_record_target="db1.example.com."}"#
    );
    assert!(text(Record::Mx("smtp1.".into())).contains(r#"__address__="smtp1:80""#));
    assert!(text(Record::Ns("ns1.".into())).contains(r#"__meta_dns_ns_record_target="ns1.""#));
}

#[test]
fn types_but_srv_need_a_port() {
    let validate = |kind: &str, port| DnsArguments { kind: kind.into(), port, ..DnsArguments::default() }.validate();
    assert!(validate("srv", 0).is_ok() && validate("A", 80).is_ok());
    assert!(validate("aaaa", 0).is_err() && validate("TXT", 80).is_err());
}
