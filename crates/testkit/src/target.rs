//! A target to scrape: answers every GET with what it is told to, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct State {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    requests: Vec<String>,
}

/// A small HTTP/1.1 server. It listens until the process ends.
pub struct Target {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Target {
    /// Starts on a free port, with this body in the text format of Prometheus.
    pub fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let target = Self { address, state: Arc::clone(&state) };
        target.show(body);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        target
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with this text from now on.
    pub fn show(&self, body: &str) {
        self.answer(200, &[("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], body.as_bytes());
    }

    /// Answers with this from now on.
    pub fn answer(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let mut state = self.state();
        state.status = status;
        state.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        state.body = body.to_vec();
    }

    /// The heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }
}

/// One connection, kept while requests come.
fn serve(stream: TcpStream, state: &Mutex<State>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let Ok(mut out) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream.take(1 << 24));
    loop {
        let mut head = String::new();
        loop {
            match reader.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) if head.ends_with("\r\n\r\n") => break,
                Ok(_) => {}
            }
        }
        let answer = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.requests.push(head);
            let headers: String = state.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head =
                format!("HTTP/1.1 {} Answer\r\n{headers}Content-Length: {}\r\n\r\n", state.status, state.body.len());
            [head.as_bytes(), &state.body].concat()
        };
        if out.write_all(&answer).is_err() {
            return;
        }
    }
}
