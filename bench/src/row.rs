//! The rows of the table: what is sent, how, and to how many.

use std::time::Duration;

use corten_net::codec::Encoding;
use corten_signal::otlp::SignalKind;

/// How clients speak to the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// OTLP/HTTP with protobuf.
    Http,
    /// OTLP/gRPC.
    Grpc,
}

/// What is done with the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// As many items as said, as fast as they are taken.
    Full,
    /// As many items as said, so many a second.
    Rate(u64),
    /// Nothing, for so many seconds.
    Idle(u64),
    /// As `Rate`, with nobody at the back end.
    Dead(u64),
    /// As `Dead`; then the back ends come, and get all that waits.
    Outage(u64),
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What `--rows` calls it.
    pub name: String,
    /// Which signal.
    pub kind: SignalKind,
    /// How bodies are compressed, in and out.
    pub encoding: Encoding,
    /// Items a request.
    pub per_request: u64,
    /// How it comes in. It leaves by OTLP/HTTP.
    pub input: Input,
    /// To how many.
    pub destinations: usize,
    /// So many of them, the last ones, are dead.
    pub dead: usize,
    /// Whether what waits is on disk before it is acknowledged.
    pub durable: bool,
    /// Cores that the collector works on; with more than one, nothing is pinned.
    pub cores: Option<usize>,
    /// Clients, each with one request under way.
    pub connections: usize,
    /// Items a run.
    pub items: u64,
    /// What is done.
    pub job: Job,
}

impl Row {
    /// Items that the collector may gather before it sends.
    pub fn batch(&self) -> u64 {
        if self.per_request >= 1000 { 8192 } else { 1000 }
    }

    /// Whether a collector that keeps the newest when it is full is asked to.
    pub fn drops_oldest(&self) -> bool {
        self.dead > 0 || matches!(self.job, Job::Dead(_))
    }

    /// How long the clients may take; long enough for the slowest collector, since nothing is learned from none.
    pub fn deadline(&self) -> Duration {
        let at_least = match self.job {
            Job::Rate(rate) | Job::Dead(rate) | Job::Outage(rate) => self.items / rate,
            Job::Idle(seconds) => seconds,
            // A hundredth of what the peers do.
            Job::Full => self.items / 2000,
        };
        Duration::from_secs(at_least + 60)
    }

    /// Requests a run.
    pub fn requests(&self) -> u64 {
        self.items.div_ceil(self.per_request)
    }
}

fn word(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Metrics => "metrics",
        SignalKind::Logs => "logs",
        _ => "traces",
    }
}

fn full(kind: SignalKind, per_request: u64, encoding: Encoding) -> Row {
    let compression = if encoding == Encoding::Identity { "plain" } else { encoding.http_name() };
    let items = match (per_request, encoding) {
        (1, _) => 100_000,
        (_, Encoding::Identity) => 3_000_000,
        _ => 1_000_000,
    };
    Row {
        name: format!("{}-{per_request}-{compression}", word(kind)),
        kind,
        encoding,
        per_request,
        input: Input::Http,
        destinations: 1,
        dead: 0,
        durable: false,
        cores: None,
        connections: if per_request == 1 { 16 } else { 8 },
        items,
        job: Job::Full,
    }
}

/// All rows.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        for kind in [SignalKind::Traces, SignalKind::Logs, SignalKind::Metrics] {
            for per_request in [1, 100, 2000] {
                // One item a request measures requests, whatever the compression.
                if per_request > 1 || encoding == Encoding::Identity {
                    rows.push(full(kind, per_request, encoding));
                }
            }
        }
        let base = full(SignalKind::Traces, 100, encoding);
        rows.push(Row { name: format!("grpc-{}", base.name), input: Input::Grpc, ..base.clone() });
        rows.push(Row { name: format!("fanout-{}", base.name), destinations: 2, ..base.clone() });
        if encoding != Encoding::Zstd {
            rows.push(Row { name: format!("durable-{}", base.name), durable: true, ..base });
        }
    }
    let base = full(SignalKind::Traces, 100, Encoding::Identity);
    let rate = Row { name: "rate-20k".into(), items: 200_000, job: Job::Rate(20_000), ..base.clone() };
    rows.push(Row { name: "rate-20k-one-dead".into(), destinations: 2, dead: 1, ..rate.clone() });
    rows.push(Row { name: "rate-20k-durable".into(), durable: true, ..rate.clone() });
    rows.push(rate);
    for cores in [1, 2] {
        rows.push(Row { name: format!("cores-{cores}"), cores: Some(cores), ..base.clone() });
    }
    rows.push(Row { name: "idle".into(), items: 0, job: Job::Idle(10), ..base.clone() });
    rows.push(Row { name: "dead".into(), items: 450_000, job: Job::Dead(30_000), ..base.clone() });
    let outage = Row { name: "outage".into(), items: 200_000, job: Job::Outage(50_000), ..base };
    rows.push(Row { name: "outage-durable".into(), durable: true, ..outage.clone() });
    rows.push(outage);
    rows
}

/// A few that take less than a minute together.
pub const QUICK: &[&str] = &["traces-100-plain", "traces-100-gzip", "grpc-traces-100-plain", "traces-1-plain"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_of_their_own_and_the_quick_ones_exist() {
        let rows = all();
        let names: std::collections::BTreeSet<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), rows.len());
        assert!(QUICK.iter().all(|name| names.contains(name)));
        assert!(rows.iter().all(|row| row.items % row.per_request == 0));
    }
}
