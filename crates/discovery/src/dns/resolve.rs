//! Asking servers.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::config::Config;
use super::message::{Answer, Kind, Record, UDP_SIZE, answer, question};

/// There is no such name.
const NO_NAME: u8 = 3;

/// The records of a name. A name that does not exist has none.
///
/// # Errors
/// If it cannot be known, since servers do not answer.
pub(super) async fn lookup(name: &str, kind: Kind, config: &Config) -> Result<Vec<Record>, String> {
    let mut all_answered = true;
    for name in config.names(name) {
        match ask_all(&name, kind, config).await {
            Some(answer) if answer.code == 0 => return Ok(answer.records),
            Some(_) => {}
            None => all_answered = false,
        }
    }
    match all_answered {
        true => Ok(Vec::new()),
        false => Err(format!("could not resolve {name:?}: no server answered for at least one of the names tried")),
    }
}

/// The first useful answer.
async fn ask_all(name: &str, kind: Kind, config: &Config) -> Option<Answer> {
    for server in &config.servers {
        match timeout(config.timeout, ask(name, kind, *server)).await {
            Ok(Ok(answer)) if matches!(answer.code, 0 | NO_NAME) => return Some(answer),
            Ok(Ok(answer)) => tracing::warn!(%server, name, code = answer.code, "a server cannot answer"),
            Ok(Err(error)) => tracing::warn!(%server, name, err = %error, "a server cannot be asked"),
            Err(_) => tracing::warn!(%server, name, "a server does not answer in time"),
        }
    }
    None
}

/// By UDP, and if the answer does not fit, by TCP.
async fn ask(name: &str, kind: Kind, server: SocketAddr) -> io::Result<Answer> {
    // Answers of others are told apart by a number that they cannot guess.
    let id = RandomState::new().build_hasher().finish() as u16;
    let bad = || io::Error::other(format!("{name:?} is not a name"));
    let asked = question(id, name, kind, Some(UDP_SIZE)).ok_or_else(bad)?;
    let from: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(server).await?;
    socket.send(&asked).await?;
    let mut bytes = vec![0; usize::from(UDP_SIZE)];
    let found = loop {
        let length = socket.recv(&mut bytes).await?;
        // Something else, or something late: the right answer may yet come.
        if let Some(found) = answer(&bytes[..length], kind).filter(|found| found.id == id) {
            break found;
        }
    };
    if !found.truncated {
        return Ok(found);
    }
    let asked = question(id, name, kind, None).ok_or_else(bad)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.write_u16(u16::try_from(asked.len()).unwrap_or(u16::MAX)).await?;
    stream.write_all(&asked).await?;
    let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    answer(&bytes, kind)
        .filter(|found| found.id == id && !found.truncated)
        .ok_or_else(|| io::Error::other("the answer by TCP cannot be read"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// An answer to a question: this code, and these addresses.
    fn reply(asked: &[u8], code: u8, addresses: &[[u8; 4]], truncated: bool) -> Vec<u8> {
        // The header and the question, without what is about the question.
        let end = asked.iter().skip(12).position(|byte| *byte == 0).map_or(asked.len(), |zero| 12 + zero + 5);
        let mut bytes = asked[..end].to_vec();
        bytes[2] |= 0x80 | if truncated { 2 } else { 0 };
        bytes[3] = code;
        bytes[7] = addresses.len() as u8;
        bytes[11] = 0;
        for address in addresses {
            bytes.extend_from_slice(&[192, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            bytes.extend_from_slice(address);
        }
        bytes
    }

    fn config(servers: Vec<SocketAddr>) -> Config {
        Config { servers, search: vec!["example".into()], ndots: 2, timeout: Duration::from_secs(5) }
    }

    /// Answers questions by UDP with this function.
    async fn server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = vec![0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                // Noise first: it must be passed over.
                socket.send_to(b"noise", from).await.unwrap();
                socket.send_to(&answer(&bytes[..length]), from).await.unwrap();
            }
        });
        address
    }

    fn is_for(asked: &[u8], name: &[u8]) -> bool {
        asked[12..].starts_with(name)
    }

    #[tokio::test]
    async fn the_search_path_is_tried() {
        let server = server(|asked| match is_for(asked, b"\x01x\x07example") {
            true => reply(asked, 0, &[[192, 0, 2, 7]], false),
            false => reply(asked, NO_NAME, &[], false),
        });
        let config = config(vec![server.await]);
        assert_eq!(lookup("x", Kind::A, &config).await, Ok(vec![Record::A([192, 0, 2, 7].into())]));
        assert_eq!(lookup("y", Kind::A, &config).await, Ok(Vec::new()), "it is known that there is none");
    }

    #[tokio::test]
    async fn a_server_that_fails_is_passed_over() {
        let broken = server(|asked| reply(asked, 2, &[], false)).await;
        let good = server(|asked| reply(asked, 0, &[[192, 0, 2, 8]], false)).await;
        let found = lookup("x.", Kind::A, &config(vec![broken, good])).await;
        assert_eq!(found, Ok(vec![Record::A([192, 0, 2, 8].into())]));
        assert!(lookup("x.", Kind::A, &config(vec![broken])).await.is_err(), "it is not known whether there is one");
    }

    #[tokio::test]
    async fn what_does_not_fit_comes_by_tcp() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut bytes = vec![0; 4096];
            let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
            socket.send_to(&reply(&bytes[..length], 0, &[], true), from).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = usize::from(stream.read_u16().await.unwrap());
            stream.read_exact(&mut bytes[..length]).await.unwrap();
            let answer = reply(&bytes[..length], 0, &[[192, 0, 2, 1], [192, 0, 2, 2]], false);
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        });
        assert_eq!(lookup("x.", Kind::A, &config(vec![address])).await.unwrap().len(), 2);
    }
}
