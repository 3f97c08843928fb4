//! The programs in `examples/` do what they are examples of.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use corten_e2e::program;
use corten_signal::otlp::SignalKind;
use corten_testkit::{Protocol, Sender, data, eventually, free_address};
use prost::Message;

/// A running example; dropping it kills it.
struct Example {
    child: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &str, endpoint: &str) -> Self {
        let mut command = Command::new(program(name, name));
        let mut child = command.arg(endpoint).stdout(Stdio::piped()).spawn().expect("the example starts");
        let (send, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).take_while(|line| send.send(line.clone()).is_ok()).count()
        });
        let example = Self { child, lines };
        assert!(example.line().starts_with("OTLP goes to"));
        example
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(30)).expect("a line")
    }

    /// Ends it as Ctrl-C does.
    fn stop(mut self) {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupted.is_ok_and(|status| status.success()));
        let status = eventually("the example to end", || self.child.try_wait().ok().flatten());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spans(names: [&str; 2]) -> Vec<u8> {
    data::traces(names.map(str::to_owned), 0).encode_to_vec()
}

#[tokio::test]
async fn an_engine_with_a_component_of_its_own() {
    let address = free_address();
    let example = Example::start("embed-engine", &address.to_string());
    let mut sender = Sender::new(address, Protocol::Http1);
    for sum in ["2 spans", "4 spans"] {
        let answer = sender.send(SignalKind::Traces, spans(["a", "b"])).await.expect("an answer");
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(example.line(), sum);
    }
    example.stop();
}

#[tokio::test]
async fn a_receiver_without_the_engine() {
    let address = free_address();
    let example = Example::start("embed-receiver", &address.to_string());
    let mut sender = Sender::new(address, Protocol::Http2);
    let answer = sender.send(SignalKind::Traces, spans(["first", "second"])).await.expect("an answer");
    assert!(answer.is_success(), "{answer:?}");
    let line = example.line();
    assert!(line.starts_with("2 spans: {\"resourceSpans\":"), "{line}");
    assert!(line.contains("\"name\":\"first\"") && line.contains("\"name\":\"second\""), "{line}");
    example.stop();
}
