//! `supervisord`: processes of that supervisor, asked by XML-RPC.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::{Families, Kind};
use crate::roots::Roots;

const WAIT: Duration = Duration::from_secs(3);
/// An answer is at most this large.
const LIMIT: u64 = 8 << 20;
const QUESTION: &str =
    "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>";

enum Address {
    Tcp { host: String, port: u16, path: String, login: Option<String> },
    Unix(PathBuf),
}

struct Supervisord {
    address: Address,
}

pub(super) fn build(args: &UnixArguments, _: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let address = parse_url(&args.supervisord.url).ok_or_else(|| {
        let error =
            BuildError::at("supervisord.url", format!("{:?} is not where a supervisor can be", args.supervisord.url));
        error.with_help("write http://localhost:9001/RPC2 or unix:///run/supervisor.sock")
    })?;
    Ok(Box::new(Supervisord { address }))
}

fn parse_url(url: &str) -> Option<Address> {
    if let Some(path) = url.strip_prefix("unix://") {
        return (!path.is_empty()).then(|| Address::Unix(path.into()));
    }
    let rest = url.strip_prefix("http://")?;
    let (place, path) =
        rest.split_once('/').map_or((rest, String::from("/")), |(place, path)| (place, format!("/{path}")));
    let (login, place) = place.rsplit_once('@').map_or((None, place), |(login, place)| (Some(login.to_owned()), place));
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (place, 80),
    };
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty()).then(|| Address::Tcp { host: host.to_owned(), port, path, login })
}

impl Collector for Supervisord {
    fn name(&self) -> &'static str {
        "supervisord"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let answer = self.ask().map_err(|error| Failure::new(format!("asking the supervisor: {error}")))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| Failure::new("the answer is no HTTP"))?;
        let status = head.lines().next().unwrap_or_default();
        if !status.contains(" 200") {
            return Err(Failure::new(format!("the supervisor answers {status:?}")));
        }
        if body.contains("<fault>") {
            return Err(Failure::new("the supervisor answers with a fault"));
        }
        processes(body).iter().for_each(|process| process.report(out));
        Ok(())
    }
}

impl Supervisord {
    /// HTTP 1.0, so that the end of the answer is the end of the connection.
    fn ask(&self) -> std::io::Result<String> {
        let (path, host, login) = match &self.address {
            Address::Unix(_) => ("/RPC2", "unix", None),
            Address::Tcp { host, path, login, .. } => (&**path, &**host, login.as_deref()),
        };
        let login =
            login.map(|login| format!("Authorization: Basic {}\r\n", STANDARD.encode(login))).unwrap_or_default();
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {host}\r\n{login}Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{QUESTION}",
            QUESTION.len()
        );
        let mut answer = Vec::new();
        match &self.address {
            Address::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(WAIT))?;
                stream.set_write_timeout(Some(WAIT))?;
                stream.write_all(request.as_bytes())?;
                stream.take(LIMIT).read_to_end(&mut answer)?;
            }
            Address::Tcp { host, port, .. } => {
                let mut places = (&**host, *port).to_socket_addrs()?;
                let place = places.next().ok_or(std::io::ErrorKind::NotFound)?;
                let mut stream = TcpStream::connect_timeout(&place, WAIT)?;
                stream.set_read_timeout(Some(WAIT))?;
                stream.set_write_timeout(Some(WAIT))?;
                stream.write_all(request.as_bytes())?;
                stream.take(LIMIT).read_to_end(&mut answer)?;
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Process {
    name: String,
    group: String,
    start: i64,
    state: i64,
    exit_status: i64,
}

impl Process {
    fn report(&self, out: &mut Families) {
        // Starting, running, stopping.
        let up = matches!(self.state, 10 | 20 | 40);
        let labels = [("group", &*self.group), ("name", &*self.name)];
        out.gauge("node_supervisord_state", "The state of a process.", &labels, self.state);
        out.gauge("node_supervisord_exit_status", "How a process ended last.", &labels, self.exit_status);
        out.gauge("node_supervisord_up", "Whether a process is there.", &labels, up);
        if up {
            let help = "When a process was started.";
            out.sample(Kind::Counter, "node_supervisord_start_time_seconds", help, &labels, self.start);
        }
    }
}

/// An array of structs of plain values: the members of each, by name.
pub(super) fn processes(xml: &str) -> Vec<Process> {
    let mut processes = Vec::new();
    for part in xml.split("<struct>").skip(1) {
        let part = part.split("</struct>").next().unwrap_or_default();
        let mut process = Process::default();
        for member in part.split("<member>").skip(1) {
            let Some(name) = between(member, "<name>", "</name>") else { continue };
            let value = between(member, "<value>", "</value>").unwrap_or_default();
            // The type's element, if there is one.
            let value =
                value.split_once('>').and_then(|(_, rest)| rest.split_once("</")).map_or(value, |(inner, _)| inner);
            let number = || value.trim().parse().unwrap_or(0);
            match name.trim() {
                "name" => process.name = unescape(value),
                "group" => process.group = unescape(value),
                "start" => process.start = number(),
                "state" => process.state = number(),
                "exitstatus" => process.exit_status = number(),
                _ => {}
            }
        }
        processes.push(process);
    }
    processes
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    Some(rest.split_once(close)?.0)
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "<methodResponse><params><param><value><array><data><value><struct>\
        <member><name>name</name><value><string>a&amp;b</string></value></member>\
        <member><name>group</name><value>g</value></member>\
        <member><name>start</name><value><int>1700000000</int></value></member>\
        <member><name>state</name><value><int>20</int></value></member>\
        <member><name>exitstatus</name><value><int>0</int></value></member></struct></value>\
        <value><struct><member><name>name</name><value><string>c</string></value></member>\
        <member><name>state</name><value><int>200</int></value></member>\
        <member><name>exitstatus</name><value><int>3</int></value></member></struct></value></data></array></value>";

    #[test]
    fn processes_are_asked_for_over_a_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = vec![0; 4096];
            let mut length = 0;
            while !String::from_utf8_lossy(&question[..length]).contains("</methodCall>") {
                length += stream.read(&mut question[length..]).unwrap();
            }
            stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{ANSWER}").as_bytes()).unwrap();
        });
        let mut args = UnixArguments::default();
        args.supervisord.url = format!("unix://{}", path.display());
        let mut out = Families::new();
        build(&args, &Arc::default()).unwrap().collect(&mut out).unwrap();
        serving.join().unwrap();
        let text = crate::render(&mut [out]);
        for line in [
            "node_supervisord_up{group=\"g\",name=\"a&b\"} 1",
            "node_supervisord_start_time_seconds{group=\"g\",name=\"a&b\"} 1.7e+09",
            "node_supervisord_up{group=\"\",name=\"c\"} 0",
            "node_supervisord_exit_status{group=\"\",name=\"c\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn addresses_may_have_logins() {
        let Some(Address::Tcp { host, port, path, login }) = parse_url("http://me:secret@localhost:9001/RPC2") else {
            panic!("not understood");
        };
        assert_eq!((&*host, port, &*path, login.as_deref()), ("localhost", 9001, "/RPC2", Some("me:secret")));
        assert!(parse_url("ftp://x").is_none() && parse_url("unix://").is_none());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(<struct>|<member>|<name>|</name>|<value>|</value>|name|state|[0-9]|.){0,40}") {
            let _ = (processes(&text), parse_url(&text));
        }
    }
}
