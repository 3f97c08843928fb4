//! Random back ends, random senders, reloads and shutdown: whatever happens, the books balance to the item.
//!
//! `CORTEN_SEED=n` repeats one run, `CORTEN_RUNS=n` makes more of them; a failure prints its seed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corten_delivery::{Accepted, Batching, Overflow, Policy, Retry, SendError, Shed, Sizer};
use corten_signal::otlp::Batch;

use crate::bench::{Backend, Bench, MIB, logs, pass, secs, settle};

const RUNS: u64 = 60;

fn seeds() -> Vec<u64> {
    match std::env::var("CORTEN_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => {
            let runs = std::env::var("CORTEN_RUNS").ok().and_then(|runs| runs.parse().ok());
            (0..runs.unwrap_or(RUNS)).collect()
        }
    }
}

fn policy(rng: &mut fastrand::Rng) -> Policy {
    let sizer = *rng.choice(&[Sizer::Requests, Sizer::Items, Sizer::Bytes]).unwrap();
    let size = match sizer {
        Sizer::Requests => rng.u64(5..60),
        Sizer::Items => rng.u64(60..400),
        Sizer::Bytes => rng.u64(20_000..200_000),
    };
    let batch = rng.bool().then(|| {
        let min = rng.u64(1..30);
        let sizer = *rng.choice(&[Sizer::Items, Sizer::Bytes]).unwrap();
        let max = *rng.choice(&[u64::MAX, min + 5, min]).unwrap();
        let unit = if sizer == Sizer::Bytes { 40 } else { 1 };
        let (min, max) = (min * unit, max.saturating_mul(unit));
        Batching { flush_timeout: Duration::from_millis(rng.u64(1..500)), min, max, sizer }
    });
    let max_elapsed = rng.bool().then(|| secs(rng.u64(10..200)));
    Policy {
        sizer,
        size,
        each: rng.bool(),
        overflow: *rng.choice(&[Overflow::DropOldest, Overflow::Reject, Overflow::Block]).unwrap(),
        consumers: rng.usize(1..6),
        wait_for_result: rng.u8(..4) == 0,
        batch,
        retry: (rng.u8(..5) > 0).then(|| Retry { max_elapsed, ..Retry::default() }),
        timeout: secs(rng.u64(1..30)),
        patience: secs(rng.u64(1..60)),
        storage: None,
        forwards: None,
    }
}

/// A back end with good and bad times. What it took although the sender had given up may come again.
fn backend(seed: u64, healed: Arc<AtomicBool>) -> Arc<Backend> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bad = 0u32;
    Backend::new(move |ids| {
        if healed.load(Ordering::Relaxed) {
            return (Duration::ZERO, Ok(Accepted::default()));
        }
        if bad == 0 && rng.u8(..20) == 0 {
            bad = rng.u32(1..15);
        }
        let delay = Duration::from_millis(rng.u64(..40_000) * u64::from(rng.u8(..6) == 0));
        if bad > 0 {
            bad -= 1;
            return (delay, Err(SendError::unreachable("down")));
        }
        let answer = match rng.u8(..12) {
            0 => Err(SendError::Busy { after: None, why: "busy".into() }),
            1 => Err(SendError::Busy { after: Some(secs(rng.u64(1..50))), why: "busy".into() }),
            2 => Err(SendError::Rejected { divisible: true, why: "bad".into() }),
            3 if ids.len() > 4 => Err(SendError::TooLarge { why: "large".into() }),
            4 => Err(SendError::failed("broken")),
            5 => Ok(Accepted { rejected: rng.u64(..=ids.len() as u64), message: String::new() }),
            _ => Ok(Accepted::default()),
        };
        (delay, answer)
    })
}

async fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    fastrand::seed(seed);
    let healed = Arc::new(AtomicBool::new(false));
    let backend = backend(seed, Arc::clone(&healed));
    let limit = if rng.bool() { 64 * MIB } else { MIB };
    let mut bench = Bench::new(policy(&mut rng), limit);
    bench.start(&backend, corten_delivery::Carry::default());
    let refused: Arc<Mutex<u64>> = Arc::default();
    let (mut next, mut sent, mut senders) = (0i64, 0u64, Vec::new());
    for step in 0..rng.usize(50..200) {
        match rng.u8(..30) {
            0 => {
                let new = policy(&mut rng);
                bench.reload(new, &backend).await;
            }
            1..=5 => pass(Duration::from_millis(rng.u64(..20_000))).await,
            _ => {
                let parts = rng.usize(1..5);
                let batches: Vec<Batch> = (0..parts)
                    .map(|_| {
                        let count = rng.i64(1..12);
                        next += count;
                        logs(next - count..next, rng.usize(..2000))
                    })
                    .collect();
                let batch = Batch::concat(batches).unwrap();
                let items = batch.items() as u64;
                sent += items;
                let (batch, caller) = bench.receipted(batch);
                let (queue, refused) = (Arc::clone(&bench.queue), Arc::clone(&refused));
                senders.push(tokio::spawn(async move {
                    let answer = corten_component::Consume::consume(&*queue, batch).await;
                    if answer.is_err() {
                        *refused.lock().unwrap() += items;
                    }
                    caller.end(answer.is_err());
                }));
                settle().await;
            }
        }
        bench.check_conservation(&format!("seed {seed}, step {step}"));
    }
    if rng.bool() {
        healed.store(true, Ordering::Relaxed);
        pass(secs(4000)).await;
        assert_eq!(bench.queued(), 0, "seed {seed}: a healthy destination leaves nothing behind");
        assert_eq!((bench.queue.size(), bench.queue.held()), (0, 0), "seed {seed}");
    }
    drop(bench.stop(secs(rng.u64(..10))).await);
    for sender in senders {
        sender.await.unwrap();
    }
    bench.check_conservation(&format!("seed {seed}, at the end"));
    assert_eq!(bench.queued(), 0, "seed {seed}");
    assert_eq!(bench.budget.used() / MIB, 0, "seed {seed}: all memory but the open segment is given back");

    let issued = *bench.ledger.issued.lock().unwrap();
    let settled = bench.ledger.settled.lock().unwrap().len();
    assert_eq!(issued, settled, "seed {seed}: every receipt ends once");
    assert!(bench.count("accepted") + *refused.lock().unwrap() >= sent, "seed {seed}");

    // Nothing arrives that was not sent, and nothing is doubled without a reason.
    let mut times: HashMap<i64, u32> = HashMap::new();
    backend.taken().into_iter().for_each(|id| *times.entry(id).or_default() += 1);
    assert!(times.keys().all(|id| (0..next).contains(id)), "seed {seed}");
    assert!(times.values().all(|count| *count == 1), "seed {seed}: this back end never takes what it is not asked for");
    // What was delivered and rejected in part is what the back end took.
    let delivered = bench.count("delivered");
    assert!(delivered <= times.len() as u64, "seed {seed}: {delivered} of {}", times.len());
}

#[tokio::test(start_paused = true)]
async fn the_books_balance_whatever_happens() {
    for seed in seeds() {
        run(seed).await;
    }
}

/// One consumer, no deadlines: what arrives, arrives in order, across failures and reloads.
async fn in_order(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    fastrand::seed(seed);
    let mut answers = fastrand::Rng::with_seed(seed + 1);
    let backend = Backend::new(move |_| {
        let answer = match answers.u8(..4) {
            0 => Err(SendError::unreachable("down")),
            1 => Err(SendError::Busy { after: None, why: "busy".into() }),
            _ => Ok(Accepted::default()),
        };
        (Duration::from_millis(answers.u64(..500)), answer)
    });
    let size = rng.u64(10..100);
    let with = |rng: &mut fastrand::Rng| {
        let batch = Batching { flush_timeout: secs(1), min: rng.u64(2..20), max: 20, sizer: Sizer::Items };
        let batch = rng.bool().then_some(batch);
        Policy { sizer: Sizer::Requests, size, each: true, consumers: 1, batch, ..Policy::default() }
    };
    let mut bench = Bench::serving(with(&mut rng), &backend);
    let mut next = 0;
    for _ in 0..200 {
        match rng.u8(..20) {
            0 => {
                let policy = with(&mut rng);
                bench.reload(policy, &backend).await;
            }
            1..=4 => pass(Duration::from_millis(rng.u64(..5000))).await,
            _ => {
                let count = rng.i64(1..10);
                bench.send(logs(next..next + count, 0)).await.unwrap();
                next += count;
                settle().await;
            }
        }
    }
    pass(secs(5000)).await;
    let taken = backend.taken();
    assert!(taken.is_sorted_by(|a, b| a < b), "seed {seed}: {taken:?}");
    assert_eq!(taken.len() as u64 + bench.dropped("overflow"), next as u64, "seed {seed}");
    // The oldest went first: whatever is missing is older than something of the last full queue.
    bench.check_conservation(&format!("seed {seed}"));
    drop(bench.stop(secs(1)).await);
}

#[tokio::test(start_paused = true)]
async fn one_consumer_keeps_the_order() {
    for seed in seeds() {
        in_order(seed).await;
    }
}
