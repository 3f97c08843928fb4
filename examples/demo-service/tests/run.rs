//! What the service says that it sent is what a back end got.

use corten_signal::otlp::SignalKind;
use corten_testkit::{Program, Sink};

#[test]
fn what_it_says_it_sent_has_arrived() {
    let (grpc, http) = (Sink::start(), Sink::start());
    let args = ["--grpc", &grpc.url(), "--http", &http.url(), "--rounds", "2", "--pause", "0"];
    let program = Program::start(env!("CARGO_BIN_EXE_demo-service"), args);
    let said = program.line();
    assert!(program.end().success());
    let arrived = |kind| grpc.items(kind) + http.items(kind);
    let [spans, points, records] = [SignalKind::Traces, SignalKind::Metrics, SignalKind::Logs].map(arrived);
    assert_eq!(said, format!("sent spans={spans} metric_points={points} log_records={records}"));
    assert_eq!((spans, records), (12, 8), "two rounds of three spans and two records, for each protocol");
    assert!(grpc.received().iter().all(|received| received.grpc) && !http.received().iter().any(|r| r.grpc));
}
