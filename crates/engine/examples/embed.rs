//! Embeds the engine with a component of its own: `cargo run -p corten-engine --example embed`.
//!
//! `example.greeter` says a sentence every so often. The second load changes its arguments: the instance is replaced
//! and what it had counted moves to the next one.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use corten_component::{
    Arguments, BuildContext, BuildError, Component, NoExports, Registration, Registry, RunContext, RunError,
};
use corten_engine::{Engine, Settings, Source};

/// What the user writes.
#[derive(Arguments, Default)]
struct Greeting {
    /// Who is greeted.
    #[arg(required)]
    name: String,
    /// How often.
    #[arg(required)]
    every: Duration,
}

struct Greeter(Arc<Greeting>);

impl Component for Greeter {
    const NAME: &'static str = "example.greeter";
    const DOC: &'static str = "Greets.";
    type Arguments = Greeting;
    type Exports = NoExports;
    type Carry = u32;

    async fn build(args: Arc<Greeting>, _cx: &mut BuildContext<'_>) -> Result<(Self, NoExports), BuildError> {
        if args.every.is_zero() {
            return Err(BuildError::at("every", "must be longer than nothing"));
        }
        Ok((Self(args), NoExports))
    }

    async fn run(self, mut count: u32, cx: RunContext<Self>) -> (u32, Result<(), RunError>) {
        loop {
            tokio::select! {
                () = cx.stopping() => return (count, Ok(())),
                () = tokio::time::sleep(self.0.every) => count += 1,
            }
            println!("{}: hello {}, number {count}", cx.id(), self.0.name);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new().with(&[Registration::of::<Greeter>()])?;
    let engine = Engine::new(Settings::new(registry));
    for name in ["world", "again"] {
        let text = format!("example.greeter \"g\" {{\n  name  = \"{name}\"\n  every = \"200ms\"\n}}\n");
        engine.load(Source::text("embedded", text)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mistake = engine.load(Source::text("wrong", "example.greeter \"g\" { every = \"0s\" }")).await;
    println!("{}", mistake.err().map(|error| error.to_string()).unwrap_or_default());
    engine.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
