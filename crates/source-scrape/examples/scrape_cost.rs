//! What reading an exposition costs: CPU seconds per million samples, for new series and for known ones.
//!
//! `cargo run --release -p corten-source-scrape --example scrape_cost -- [SERIES] [ROUNDS]`

#![allow(clippy::print_stdout)] // it is there to print

use std::fmt::Write;

use bytes::Bytes;
use corten_signal::labels::Labels;
use corten_source_scrape::{Reader, ScrapeArguments};

const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Families of a thousand series with four labels each.
fn exposition(series: usize, round: usize, end: &str) -> Bytes {
    let mut text = String::new();
    for at in 0..series {
        if at % 1000 == 0 {
            let family = at / 1000;
            let _ =
                writeln!(text, "# HELP metric_{family}_total What it counts.\n# TYPE metric_{family}_total counter");
        }
        let _ = writeln!(
            text,
            "metric_{}_total{{handler=\"/api/v1/query\",method=\"get\",code=\"200\",instance_number=\"{}\"}} {}",
            at / 1000,
            at % 1000,
            at * 7 + round * 13
        );
    }
    text.push_str(end);
    text.into()
}

/// Seconds that this thread has had a processor.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.unwrap_or_default() / 1e9
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or_default() / 1024.0
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let series: usize = arguments.next().unwrap_or(1_000_000);
    let rounds: usize = arguments.next().unwrap_or(5);
    for (kind, end) in [(TEXT, ""), (OPENMETRICS, "# EOF\n")] {
        let target = Labels::from_pairs([("job", "cost"), ("instance", "localhost:9100")]);
        let mut reader = Reader::new(&ScrapeArguments::default(), target);
        println!("{kind}");
        for round in 0..=rounds {
            let body = exposition(series, round, end);
            let begun = cpu();
            let (samples, result) = reader.read(body, kind, 1_000 * round as i64);
            let seconds = cpu() - begun;
            result.expect("an exposition that can be read");
            let rows = samples.rows().len();
            let per_million = seconds * 1e6 / rows as f64;
            let what = if round == 0 { "new series" } else { "known series" };
            println!("  {what}: {rows} samples, {per_million:.3} CPU s per million, {:.0} MiB resident", resident());
        }
    }
}
