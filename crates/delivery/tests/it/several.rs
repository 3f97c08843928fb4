//! Several destinations that share what they hold.

use std::sync::Arc;

use corten_component::{Consume, Fanout, Port};
use corten_delivery::{Carry, Policy};
use corten_signal::otlp::{Batch, SignalKind};

use crate::bench::{Backend, Bench, MIB, logs, secs, settle};

fn stored(bench: &Bench, id: i64, size: usize) -> Batch {
    let body = bench.arena.store(&logs([id], size).to_bytes()).unwrap();
    Batch::new(SignalKind::Logs, body, 1)
}

fn fanout(benches: [&Bench; 2]) -> Fanout<Batch> {
    Fanout::new(benches.map(|bench| Port::to(Arc::clone(&bench.queue) as Arc<dyn Consume<Batch>>)))
}

#[tokio::test(start_paused = true)]
async fn a_dead_destination_costs_the_other_nothing() {
    let (alive, dead) = (Backend::healthy(), Backend::dead());
    let mut one = Bench::new(Policy::default(), 1 << 30);
    let mut two = Bench::beside(&one, Policy::default());
    one.start(&alive, Carry::default());
    two.start(&dead, Carry::default());
    let both = fanout([&one, &two]);
    for id in 0..1000 {
        let (batch, caller) = one.receipted(stored(&one, id, 1000));
        let answer = both.consume(batch).await;
        caller.end(answer.is_err());
        answer.unwrap();
        settle().await;
    }
    assert_eq!(alive.taken(), (0..1000).collect::<Vec<_>>());
    assert_eq!((one.queued(), two.queued()), (0, 1000));
    assert!(one.ledger.settled.lock().unwrap().is_empty(), "the other copy is still on its way");
    drop(two.stop(secs(1)).await);
    one.check_conservation("the living");
    two.check_conservation("the dead");
    assert_eq!(one.ledger.settled.lock().unwrap().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn shared_bytes_count_once_and_are_given_up_one_after_the_other() {
    let dead = Backend::dead();
    let mut one = Bench::new(Policy::default(), 16 * MIB);
    let mut two = Bench::beside(&one, Policy::default());
    one.start(&dead, Carry::default());
    two.start(&dead, Carry::default());
    let both = fanout([&one, &two]);
    for id in 0..120 {
        both.consume(stored(&one, id, 100_000)).await.unwrap();
    }
    settle().await;
    assert!(one.budget.used() < 13 * MIB, "counted once: {:?}", one.budget);
    assert_eq!((one.dropped("memory"), two.dropped("memory")), (0, 0));
    for id in 120..400 {
        both.consume(stored(&one, id, 100_000)).await.unwrap();
        assert!(one.budget.used() <= 16 * MIB);
    }
    settle().await;
    // Giving up in one queue alone frees nothing: both had to.
    let gone = [one.dropped("memory"), two.dropped("memory")];
    assert!(gone.iter().all(|gone| (230..300).contains(gone)), "the same of both, and no more than needed: {gone:?}");
    one.check_conservation("one");
    two.check_conservation("two");
}
