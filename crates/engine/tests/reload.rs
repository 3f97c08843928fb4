//! Reloads while items flow: nothing is lost, doubled or stuck.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, Hub};

/// A small generator of numbers (xorshift), so that a seed replays a run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Two sources through stages to a sink that all items must reach, and to others that come and go.
fn configuration(dice: &mut Dice) -> String {
    let mut text = String::new();
    let stages = 1 + dice.roll(3);
    let sides = dice.roll(3);
    for side in 0..sides {
        text += &format!("test.sink \"side{side}\" {{\n tag = \"{}\"\n}}\n", dice.roll(2));
    }
    text += &format!("test.sink \"main\" {{\n tag = \"{}\"\n}}\n", dice.roll(3));
    let mut next = "test.sink.main.input".to_owned();
    for stage in 0..stages {
        let mut targets = vec![next];
        if stage == 0 {
            targets.extend((0..sides).map(|side| format!("test.sink.side{side}.input")));
        }
        let tag = dice.roll(3);
        text += &format!("test.pass \"p{stage}\" {{\n forward_to = [{}]\n tag = \"{tag}\"\n}}\n", targets.join(", "));
        next = format!("test.pass.p{stage}.input");
    }
    for source in ["a", "b"] {
        text += &format!("test.source \"{source}\" {{ forward_to = [{next}] }}\n");
    }
    text
}

async fn sender(hub: Arc<Hub>, source: &'static str, from: u64, count: u64, pause: Duration) -> Vec<u64> {
    let mut sent = Vec::new();
    for number in from..from + count {
        // A refusal leaves the item with the sender, who tries again.
        while hub.send(source, number).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sent.push(number);
        tokio::time::sleep(pause).await;
    }
    sent
}

async fn simulate(seed: u64, reloads: u64, items: u64) {
    println!("SIM_SEED={seed}");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let bench = Bench::new();
    bench.good(&configuration(&mut dice)).await;
    bench.until("the sources run", |b| b.hub.sources.lock().unwrap().len() == 2).await;
    let pause = Duration::from_micros(500 + dice.roll(1500));
    let a = tokio::spawn(sender(Arc::clone(&bench.hub), "test.source.a", 0, items, pause));
    let b = tokio::spawn(sender(Arc::clone(&bench.hub), "test.source.b", 1_000_000, items, pause));
    for _ in 0..reloads {
        let text = configuration(&mut dice);
        match dice.roll(8) {
            0 => assert!(bench.load(&(text + "test.sink \"x\" {\n tag = \"bad\"\n}\n")).await.is_err()),
            _ => assert_eq!(bench.good(&text).await.abandoned, [""; 0]),
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(5))).await;
    }
    let sent: Vec<u64> = [a.await.unwrap(), b.await.unwrap()].concat();
    let arrived = |b: &Bench| b.hub.received("test.sink.main").len() >= sent.len();
    bench.until("everything arrives", arrived).await;
    let report = bench.engine.shutdown(Duration::from_secs(10)).await;
    assert!(report.abandoned.is_empty(), "seed {seed}: {:?}", report.abandoned);
    let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
    for number in bench.hub.received("test.sink.main") {
        *counts.entry(number).or_default() += 1;
    }
    let lost: Vec<&u64> = sent.iter().filter(|number| !counts.contains_key(number)).collect();
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "seed {seed}: lost {lost:?}, doubled {doubled:?}");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_reloads_under_load_lose_nothing() {
    simulate(1, 200, 1000).await;
}

#[tokio::test(start_paused = true)]
async fn random_reloads_lose_nothing() {
    let given = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    match given {
        Some(seed) => simulate(seed, 30, 100).await,
        None => {
            let base = clock();
            for run in 0..20 {
                simulate(base.wrapping_add(run), 30, 100).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reloads_on_several_threads_lose_nothing() {
    simulate(3, 60, 300).await;
}
