//! The program does what it is an example of.

use corten_signal::otlp::SignalKind;
use corten_testkit::{Program, Protocol, Sender, data, free_address};
use prost::Message;

#[tokio::test]
async fn what_is_sent_is_printed() {
    let address = free_address();
    let program = Program::start(env!("CARGO_BIN_EXE_embed-receiver"), [address.to_string()]);
    assert!(program.line().starts_with("OTLP goes to"));
    let mut sender = Sender::new(address, Protocol::Http2);
    let spans = data::traces(["first", "second"].map(str::to_owned), 0).encode_to_vec();
    let answer = sender.send(SignalKind::Traces, spans).await.expect("an answer");
    assert!(answer.is_success(), "{answer:?}");
    let line = program.line();
    assert!(line.starts_with("2 spans: {\"resourceSpans\":"), "{line}");
    assert!(line.contains("\"name\":\"first\"") && line.contains("\"name\":\"second\""), "{line}");
    assert!(program.interrupt().success());
}
