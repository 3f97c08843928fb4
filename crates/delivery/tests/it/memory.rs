//! What 100 MiB are, at every size of body.

use crate::bench::{Backend, Bench, MIB, logs, settle};
use corten_delivery::{Carry, Policy};

#[tokio::test(start_paused = true)]
async fn the_queue_holds_100_mib_at_every_size_of_body() {
    for size in [600, 6_000, 60_000] {
        let mut bench = Bench::new(Policy::default(), 1 << 30);
        let backend = Backend::dead();
        bench.start(&backend, Carry::default());
        let count = (130 * MIB / size) as i64;
        for id in 0..count {
            bench.send(logs([id], size)).await.unwrap();
        }
        settle().await;
        let accounted = bench.queue.size() as f64 / MIB as f64;
        assert!((95.0..=100.0).contains(&accounted), "{size}: {accounted} MiB accounted");
        let charged = bench.budget.used() as f64 / MIB as f64;
        assert!(charged <= 105.0, "{size}: {charged} MiB charged to the budget");
        let queued = bench.queued() as i64;
        assert_eq!(bench.dropped("overflow") as i64, count - queued);
        // What is left is the newest, and those that were under way when the destination was found dead.
        backend.answers(|_| (std::time::Duration::ZERO, Ok(corten_delivery::Accepted::default())));
        bench.queue.probe();
        settle().await;
        let taken = bench.stop(crate::bench::secs(60)).await;
        assert!(taken.is_empty());
        let ids = backend.taken();
        assert_eq!(ids.len() as i64, queued);
        assert!(ids.iter().rev().take(queued as usize - 20).all(|id| *id >= count - queued - 20), "{size}");
        bench.check_conservation("at the end");
        assert!(bench.budget.used() <= corten_delivery::SEGMENT_BYTES, "all but the open segment is given back");
    }
}

#[tokio::test(start_paused = true)]
async fn few_survivors_do_not_keep_segments_alive() {
    let mut bench = Bench::new(Policy::default(), 1 << 30);
    bench.start(&Backend::dead(), Carry::default());
    // Of what a receiver stores, every twentieth body comes here; the others go elsewhere and are gone.
    for id in 0..20_000 {
        let body = bench.arena.store(&logs([id], 1000).to_bytes()).unwrap();
        if id % 20 == 0 {
            let batch = corten_signal::otlp::Batch::new(corten_signal::otlp::SignalKind::Logs, body, 1);
            bench.send(batch).await.unwrap();
        }
    }
    assert!(bench.budget.used() > 18 * MIB, "{:?}", bench.budget);
    crate::bench::pass(crate::bench::secs(5)).await;
    assert!(bench.budget.used() < 3 * MIB, "{:?}", bench.budget);
    bench.check_conservation("after moving");
}
