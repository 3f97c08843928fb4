//! A small shop that tells what it does with the OpenTelemetry SDK for Rust, over gRPC and over HTTP.
//!
//! `cargo xtask demo` runs it beside the collector. Each round is one order per protocol: three spans, two log
//! records, and the metrics as they then stand. At the end it prints how many items it sent.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod counted;
mod orders;
mod telemetry;

use std::error::Error;
use std::time::Duration;

use lexopt::prelude::{Long, ValueExt};
use telemetry::{Protocol, Telemetry};

const USAGE: &str = "\
Usage: demo-service [--grpc URL] [--http URL] [--rounds N] [--pause MILLISECONDS]

  --grpc URL   an OTLP/gRPC endpoint (http://127.0.0.1:4317)
  --http URL   an OTLP/HTTP endpoint, without /v1/... (http://127.0.0.1:4318)
  --rounds N   end after so many rounds (never)
  --pause MS   between rounds (1000)
";

/// Runs the shop with the arguments of the process.
///
/// # Errors
/// What the SDK or the command line says.
pub fn main() -> Result<(), Box<dyn Error>> {
    let (mut grpc, mut http) = ("http://127.0.0.1:4317".to_owned(), "http://127.0.0.1:4318".to_owned());
    let (mut rounds, mut pause) = (u64::MAX, 1000);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("grpc") => grpc = parser.value()?.string()?,
            Long("http") => http = parser.value()?.string()?,
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("pause") => pause = parser.value()?.parse()?,
            Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    // The SDK's gRPC client wants to be made inside a runtime; its batching threads use it from outside.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let shops = {
        let _inside = runtime.enter();
        [Telemetry::start("shop-web", Protocol::Grpc, &grpc)?, Telemetry::start("shop-api", Protocol::Http, &http)?]
    };
    for round in 1..=rounds {
        for shop in &shops {
            orders::place(shop, round);
            shop.flush()?;
        }
        if round < rounds {
            #[allow(clippy::disallowed_methods, reason = "a customer comes now and then")]
            std::thread::sleep(Duration::from_millis(pause));
        }
    }
    let [web, api] = shops.map(Telemetry::stop);
    let (web, api) = (web?, api?);
    // `cargo xtask demo` reads this line.
    println!(
        "sent spans={} metric_points={} log_records={}",
        web.spans + api.spans,
        web.metric_points + api.metric_points,
        web.log_records + api.log_records
    );
    Ok(())
}
