//! The program does what it is an example of.

use corten_signal::otlp::SignalKind;
use corten_testkit::{Program, Protocol, Sender, data, free_address};
use prost::Message;

#[tokio::test]
async fn what_is_sent_is_counted() {
    let address = free_address();
    let program = Program::start(env!("CARGO_BIN_EXE_embed-engine"), [address.to_string()]);
    assert!(program.line().starts_with("OTLP goes to"));
    let mut sender = Sender::new(address, Protocol::Http1);
    let spans = data::traces(["first", "second"].map(str::to_owned), 0).encode_to_vec();
    for sum in ["2 spans", "4 spans"] {
        let answer = sender.send(SignalKind::Traces, spans.clone()).await.expect("an answer");
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(program.line(), sum);
    }
    assert!(program.interrupt().success());
}
