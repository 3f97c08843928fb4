//! A client of HTTP/1.1 that does what others do only now and then.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::ledger::{Asked, now};

/// In which way a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Head and body at once.
    Plain,
    /// The body in chunks.
    Chunked,
    /// The body after the server has said that it wants it.
    Continue,
    /// In pieces of so many bytes, each in a packet of its own.
    Pieces(usize),
}

/// A connection that is kept.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), address }
    }

    pub(crate) fn get(&mut self, path: &str) -> Asked {
        self.ask("GET", path, "", 0, How::Plain)
    }

    /// Asks, reads the whole answer and writes it down. `headers` are whole lines. A server may hang up on a connection
    /// that nobody uses; then it is asked once more.
    pub(crate) fn ask(&mut self, method: &'static str, path: &str, headers: &str, body: usize, how: How) -> Asked {
        let asked = self.try_ask(method, path, headers, body, how).or_else(|_| {
            *self = Self::connect(self.address);
            self.try_ask(method, path, headers, body, how)
        });
        asked.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_ask(&mut self, method: &'static str, path: &str, headers: &str, body: usize, how: How) -> io::Result<Asked> {
        let began = now();
        let head = head(method, path, headers, body, how);
        match how {
            How::Plain => self.write(&[head.as_bytes(), &vec![b'y'; body]].concat())?,
            How::Chunked => {
                self.write(head.as_bytes())?;
                for piece in vec![b'y'; body].chunks(700) {
                    self.write(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
                }
                self.write(b"0\r\n\r\n")?;
            }
            How::Continue => {
                self.write(head.as_bytes())?;
                let (status, _) = self.head()?;
                assert_eq!(status, 100, "{path}");
                self.write(&vec![b'y'; body])?;
            }
            How::Pieces(size) => {
                for piece in [head.as_bytes(), &vec![b'y'; body]].concat().chunks(size) {
                    self.write(piece)?;
                    std::thread::yield_now();
                }
            }
        }
        let mut asked = Asked { method, path: path.to_owned(), sent: body as u64, began, ..self.answer(method)? };
        asked.waited = waited(path);
        asked.parent = parent(headers);
        Ok(asked)
    }

    /// Sends requests in one piece, before any is answered.
    pub(crate) fn pipeline(&mut self, paths: &[String]) -> Vec<Asked> {
        let began = now();
        let all: String = paths.iter().map(|path| head("GET", path, "", 0, How::Plain)).collect();
        self.write(all.as_bytes()).unwrap();
        let read = |path: &String| Asked { method: "GET", path: path.clone(), began, ..self.answer("GET").unwrap() };
        paths.iter().map(read).collect()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self, method: &str) -> io::Result<Asked> {
        let (mut status, mut body) = self.head()?;
        while (100..200).contains(&status) && status != 101 {
            (status, body) = self.head()?;
        }
        let got = match body {
            _ if method == "HEAD" || status == 101 => 0,
            Body::Length(length) => self.skip(length)?,
            Body::Chunks => {
                let mut all = 0;
                loop {
                    let size = u64::from_str_radix(self.line()?.trim(), 16).unwrap();
                    all += self.skip(size)?;
                    self.line()?;
                    if size == 0 {
                        break all;
                    }
                }
            }
            Body::End => io::copy(&mut self.stream, &mut io::sink())?,
        };
        Ok(Asked { status, got, ended: now(), ..Asked::default() })
    }

    fn skip(&mut self, length: u64) -> io::Result<u64> {
        io::copy(&mut (&mut self.stream).take(length), &mut io::sink())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    fn head(&mut self) -> io::Result<(u16, Body)> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut body = Body::End;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if let Some(length) = line.strip_prefix("content-length:") {
                body = Body::Length(length.trim().parse().unwrap());
            } else if line.starts_with("transfer-encoding:") {
                body = Body::Chunks;
            } else if line.trim().is_empty() {
                return Ok((status.unwrap_or_else(|| panic!("no status in {first:?}")), body));
            }
        }
    }
}

enum Body {
    Length(u64),
    Chunks,
    End,
}

fn head(method: &str, path: &str, headers: &str, body: usize, how: How) -> String {
    let length = match how {
        How::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        How::Continue => format!("Expect: 100-continue\r\nContent-Length: {body}\r\n"),
        _ if body == 0 => String::new(),
        _ => format!("Content-Length: {body}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\n{length}{headers}\r\n")
}

/// What the server takes its time for: the fourth part of the path, milliseconds.
pub(crate) fn waited(path: &str) -> u64 {
    let path = path.strip_prefix("/via").unwrap_or(path);
    path.split('/').nth(4).and_then(|wait| wait.parse::<u64>().ok()).unwrap_or(0) * 1_000_000
}

fn parent(headers: &str) -> Option<(u128, u64)> {
    let value = headers.split("traceparent: 00-").nth(1)?;
    let (trace, rest) = value.split_once('-')?;
    Some((u128::from_str_radix(trace, 16).unwrap(), u64::from_str_radix(&rest[..16], 16).unwrap()))
}

/// `traceparent` of the request with this number.
pub(crate) fn traceparent(number: usize) -> String {
    format!("traceparent: 00-{:032x}-{:016x}-01\r\n", 0xabc0_0000_0000_0000_0000_0000_u128 + number as u128, number + 1)
}
