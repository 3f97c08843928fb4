//! Questions of many kinds, by some connections at a time.

use std::net::SocketAddr;

use crate::http1::{Client, How, traceparent};
use crate::ledger::Asked;

/// What a server can answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Able {
    /// It takes bodies.
    pub(crate) bodies: bool,
    /// It can answer in chunks, other statuses, and take its time.
    pub(crate) varied: bool,
    /// Requests on one connection.
    pub(crate) kept: usize,
}

/// Everything.
pub(crate) const ALL: Able = Able { bodies: true, varied: true, kept: 25 };

const CONNECTIONS: usize = 4;
/// Sizes that a folder of files can have too.
pub(crate) const SIZES: [usize; 6] = [1, 17, 1000, 5000, 20_000, 300_000];

/// Asks so many questions, with a mark in their paths.
pub(crate) fn mixed(address: SocketAddr, mark: &str, count: usize, able: Able) -> Vec<Asked> {
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|part| scope.spawn(move || one(address, mark, (part..count).step_by(CONNECTIONS), able)))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(all.len(), count);
    all
}

fn one(address: SocketAddr, mark: &str, numbers: impl Iterator<Item = usize>, able: Able) -> Vec<Asked> {
    let (mut client, mut asked) = (Client::connect(address), Vec::new());
    for (turn, number) in numbers.enumerate() {
        if turn > 0 && turn % able.kept == 0 {
            client = Client::connect(address);
        }
        asked.push(ask(&mut client, mark, number, able));
    }
    asked
}

fn ask(client: &mut Client, mark: &str, number: usize, able: Able) -> Asked {
    // The largest size now and then only.
    let size = SIZES[if number % 50 == 49 { 5 } else { number % 5 }];
    let headers = if number.is_multiple_of(3) { traceparent(number) } else { String::new() };
    let status = [200, 404, 200, 503][if able.varied && number.is_multiple_of(11) { number % 4 } else { 0 }];
    let chunked = if able.varied && number.is_multiple_of(7) { "c" } else { "" };
    let wait = if able.varied && number.is_multiple_of(40) { "/20" } else { "" };
    let path = format!("/{status}/{chunked}{size}/{mark}-{number}{wait}");
    match number % 10 {
        1 | 2 if able.bodies => client.ask("POST", &path, &headers, number % 3000, How::Plain),
        3 if able.bodies => client.ask("PUT", &path, &headers, 200_000, How::Plain),
        4 => client.ask("HEAD", &path, &headers, 0, How::Plain),
        5 if able.varied => client.ask("DELETE", &path, &headers, 0, How::Plain),
        _ => client.ask("GET", &path, &headers, 0, How::Plain),
    }
}
