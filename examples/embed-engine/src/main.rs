//! Runs a configuration with a component of its own, `acme.tally`: `embed-engine [ENDPOINT]`.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod tally;

use std::error::Error;
use std::time::Duration;

use corten_component::{Registration, Registry};
use corten_engine::{Engine, Settings, Source};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4318".to_owned());
    let file = format!(
        r#"
        otelcol.receiver.otlp "default" {{
          http {{ endpoint = "{endpoint}" }}
          output {{ traces = [acme.tally.default.input] }}
        }}
        acme.tally "default" {{ unit = "spans" }}
        "#
    );
    let registry =
        Registry::new().with(corten_receiver_otlp::COMPONENTS)?.with(&[Registration::of::<tally::Tally>()])?;
    let engine = Engine::new(Settings::new(registry));
    engine.load(Source::text("embedded.alloy", file)).await?;
    println!("OTLP goes to http://{endpoint}; Ctrl-C ends");
    tokio::signal::ctrl_c().await?;
    engine.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
