//! The component as its neighbours see it, in paused time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_component::node::Services;
use corten_component::{Consume, Refusal};
use corten_delivery::{Arena, Budget};
use corten_signal::otlp::{self, Meta, SignalKind};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::shard::{PENDING_BYTES, RETRY_FOR};
use crate::testing::{Behave, Harness, logs, numbered, watched};
use crate::{BatchArguments, BatchCarry, Pending};

fn fanout_fixture() -> BatchArguments {
    BatchArguments {
        send_batch_size: 1000,
        send_batch_max_size: 2000,
        timeout: Duration::from_secs(10),
        ..BatchArguments::default()
    }
}

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn too_few_items_leave_with_the_timer_and_enough_at_once() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    let start = Instant::now();
    port.consume(logs(999)).await.unwrap();
    sleep(Duration::from_millis(9999)).await;
    assert!(harness.sink.sizes().is_empty());
    sleep(Duration::from_millis(2)).await;
    assert_eq!(harness.sink.sizes(), [999]);
    port.consume(logs(1000)).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(harness.sink.sizes(), [999, 1000]);
    assert!(start.elapsed() < Duration::from_secs(11));
    let processor = "processor=\"batch/otelcol.processor.batch.test\"";
    assert_eq!(harness.metric("otelcol_processor_batch_timeout_trigger_send_total", &[processor]), 1.0);
    assert_eq!(harness.metric("otelcol_processor_batch_batch_size_trigger_send_total", &[processor]), 1.0);
    assert_eq!(harness.metric("otelcol_processor_batch_batch_send_size_sum", &[processor]), 1999.0);
    let logs = "otel_signal=\"logs\"";
    assert_eq!(harness.metric("otelcol_processor_incoming_items_total", &[processor, logs]), 1999.0);
    assert_eq!(harness.metric("otelcol_processor_outgoing_items_total", &[processor, logs]), 1999.0);
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_request_is_divided() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    let (batch, seen) = watched(numbered(0, 5000));
    port.consume(batch).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(harness.sink.sizes(), [2000, 2000, 1000]);
    assert_eq!(harness.sink.numbers(), (0..5000).collect::<Vec<_>>());
    assert!(seen.lock().unwrap().unwrap().is_safe());
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn the_timer_runs_from_the_last_flush() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    sleep(Duration::from_secs(7)).await;
    port.consume(logs(1)).await.unwrap();
    // 10 s after the start, not after the item.
    sleep(Duration::from_millis(3001)).await;
    assert_eq!(harness.sink.sizes(), [1]);
    sleep(Duration::from_secs(4)).await;
    port.consume(logs(1000)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    port.consume(logs(2)).await.unwrap();
    sleep(Duration::from_millis(8990)).await;
    assert_eq!(harness.sink.sizes(), [1, 1000], "the flush at 14 s restarted the timer");
    sleep(Duration::from_millis(20)).await;
    assert_eq!(harness.sink.sizes(), [1, 1000, 2]);
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_timer_every_request_passes_at_once_and_its_refusal_too() {
    let harness = Harness::new();
    let arguments = BatchArguments { timeout: Duration::ZERO, ..fanout_fixture() };
    let (port, running) = harness.start(arguments, BatchCarry::default()).await;
    port.consume(numbered(0, 3)).await.unwrap();
    assert_eq!(harness.sink.sizes(), [3], "before the caller has its answer");
    harness.sink.behave(Behave::Refuse);
    let (batch, seen) = watched(numbered(3, 5000));
    let (kept, attempt) = batch.receipt().attempt();
    let refusal = port.consume(batch.clone().with_receipt(kept)).await.unwrap_err();
    drop(attempt);
    assert!(refusal.is_retryable());
    harness.sink.behave(Behave::Take);
    port.consume(batch).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(harness.sink.sizes(), [3, 2000, 2000, 1000]);
    assert_eq!(harness.sink.numbers(), (0..5003).collect::<Vec<_>>());
    assert!(seen.lock().unwrap().unwrap().is_safe());
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn values_of_metadata_are_batched_apart_up_to_a_limit() {
    let harness = Harness::new();
    let arguments =
        BatchArguments { metadata_keys: vec!["X-Tenant".into()], metadata_cardinality_limit: 2, ..fanout_fixture() };
    let (port, running) = harness.start(arguments, BatchCarry::default()).await;
    let of = |tenant: &str| Some(Meta::builder().header("x-tenant", tenant).header("x-other", "1").build());
    for (tenant, count) in [("a", 1), ("b", 2), ("a", 3)] {
        port.consume(logs(count).with_meta(of(tenant))).await.unwrap();
    }
    let refusal = port.consume(logs(1).with_meta(of("c"))).await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Reject { why } if why.contains("metadata_cardinality_limit")));
    sleep(Duration::from_secs(11)).await;
    let mut taken: Vec<_> = harness
        .sink
        .taken()
        .iter()
        .map(|batch| {
            let meta = batch.meta().unwrap();
            assert_eq!(meta.headers().len(), 1, "only the keys travel on");
            (meta.header("x-tenant").next().unwrap().expose().to_owned(), batch.items())
        })
        .collect();
    taken.sort();
    assert_eq!(taken, [("a".to_owned(), 4), ("b".to_owned(), 2)]);
    assert_eq!(harness.metric("otelcol_processor_batch_metadata_cardinality", &[]), 2.0);
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_without_consumers_is_refused() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    let metrics = otlp::Batch::new(SignalKind::Metrics, Bytes::from_static(b"\x0a\x00"), 1);
    assert!(matches!(port.consume(metrics).await, Err(Refusal::Reject { .. })));
    assert!(!port.kinds().contains(corten_component::Kinds(SignalKind::Metrics.bit())));
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn a_hanging_destination_stops_one_signal_only_and_callers_wait() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    harness.sink.behave(Behave::Hang);
    port.consume(logs(1000)).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    // As many bytes as may wait, in one item.
    let big = otlp::Batch::new(SignalKind::Logs, Bytes::from(vec![0; PENDING_BYTES]), 1);
    port.consume(big).await.unwrap();
    let start = Instant::now();
    let refusal = port.consume(logs(1)).await.unwrap_err();
    assert!(refusal.is_retryable() && start.elapsed() >= Duration::from_secs(5));
    let traces = otlp::Batch::new(SignalKind::Traces, Bytes::from_static(b"\x0a\x00"), 1000);
    port.consume(traces).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(harness.sink.calls.load(std::sync::atomic::Ordering::SeqCst), 2, "traces are sent meanwhile");
    harness.sink.behave(Behave::Take);
    sleep(Duration::from_millis(1)).await;
    port.consume(logs(1)).await.unwrap();
    running.stop(DRAIN).await;
    assert_eq!(harness.sink.sizes().iter().sum::<usize>(), 2002);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_tried_again_and_then_dropped_and_counted() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    harness.sink.behave(Behave::Refuse);
    let (batch, seen) = watched(logs(1000));
    port.consume(batch).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    harness.sink.behave(Behave::Take);
    sleep(Duration::from_secs(5)).await;
    assert!(seen.lock().unwrap().unwrap().is_safe(), "a refusal in between leaves no trace");
    harness.sink.behave(Behave::Refuse);
    let (batch, seen) = watched(logs(1000));
    port.consume(batch).await.unwrap();
    sleep(RETRY_FOR + Duration::from_secs(1)).await;
    assert!(seen.lock().unwrap().unwrap().is_dropped());
    let dropped = |reason| harness.metric("otelcol_processor_dropped_items_total", &["logs", reason]);
    assert_eq!(dropped("refused"), 1000.0);
    harness.sink.behave(Behave::Reject);
    port.consume(logs(1001)).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(dropped("refused"), 2001.0, "what is refused for good is not tried again");
    assert_eq!(dropped("shutdown"), 0.0);
    running.stop(DRAIN).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ends_for_good_sends_what_it_holds() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    port.consume(numbered(0, 10)).await.unwrap();
    harness.sink.behave(Behave::Refuse);
    let (recovering, stopping) = (Arc::clone(&harness.sink), running.stop(DRAIN));
    let recover = async move {
        sleep(Duration::from_secs(3)).await;
        recovering.behave(Behave::Take);
    };
    let (carry, ()) = tokio::join!(stopping, recover);
    assert_eq!(carry.items(), 0, "it tries until the deadline");
    assert_eq!(harness.sink.numbers(), (0..10).collect::<Vec<_>>());
    assert!(port.consume(logs(1)).await.is_err(), "an instance that has ended takes nothing");
}

#[tokio::test(start_paused = true)]
async fn what_waits_moves_to_the_next_instance() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    let (batch, seen) = watched(numbered(0, 10));
    port.consume(batch).await.unwrap();
    let carry = running.hand_over(DRAIN).await;
    assert_eq!((carry.items(), harness.sink.sizes().len()), (10, 0), "a reload makes no small batches");

    // A batch on its way out comes back in time, before what waits behind it.
    let (port, running) = harness.start(fanout_fixture(), carry).await;
    harness.sink.behave(Behave::Hang);
    port.consume(numbered(10, 3000)).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    let carry = running.hand_over(DRAIN).await;
    assert!(start.elapsed() < DRAIN, "it returns before the deadline");
    assert_eq!(carry.items(), 3010);

    harness.sink.behave(Behave::Take);
    let (port, running) = harness.start(fanout_fixture(), carry).await;
    port.consume(numbered(3010, 5)).await.unwrap();
    assert_eq!(running.stop(DRAIN).await.items(), 0);
    assert_eq!(harness.sink.numbers(), (0..3015).collect::<Vec<_>>());
    assert!(seen.lock().unwrap().unwrap().is_safe());
}

#[tokio::test(start_paused = true)]
async fn what_is_never_sent_is_dropped_not_lost() {
    let harness = Harness::new();
    let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
    harness.sink.behave(Behave::Refuse);
    let (batch, seen) = watched(logs(7));
    port.consume(batch).await.unwrap();
    drop(running.stop(DRAIN).await);
    let settled = seen.lock().unwrap().unwrap();
    assert!(settled.is_dropped() && !settled.is_lost());
    assert_eq!(harness.metric("otelcol_processor_dropped_items_total", &["logs", "shutdown"]), 7.0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_lies_in_memory_that_is_counted() {
    for (limit, taken) in [(1 << 20, true), (16, false)] {
        let budget = Budget::new(limit);
        let mut services = Services::default();
        services.insert(Arena::new(Arc::clone(&budget)));
        let harness = Harness::with(services);
        let (port, running) = harness.start(fanout_fixture(), BatchCarry::default()).await;
        let answer = port.consume(numbered(0, 10)).await;
        assert_eq!(answer.is_ok(), taken);
        assert!(answer.err().is_none_or(|refusal| refusal.is_retryable()));
        assert_eq!(budget.used() > 0, taken);
        running.stop(DRAIN).await;
        assert_eq!(harness.sink.numbers().len(), if taken { 10 } else { 0 });
    }
}

#[test]
fn what_is_cut_is_charged_once_for_all_destinations() {
    let budget = Budget::new(1 << 20);
    let arena = Arena::new(Arc::clone(&budget));
    for (sizes, max) in [(vec![10], 3), (vec![2, 10], 5)] {
        let mut pending = Pending::charging(Some(Arc::clone(&arena)));
        for size in sizes {
            pending.push(logs(size).map_bytes(|part| arena.keep(part).unwrap()));
        }
        let mut taken = Vec::new();
        while let Some(batch) = pending.take(usize::MAX, max) {
            assert!(batch.rope().chunks().all(|part| arena.owns(part)), "{max}");
            taken.push(batch);
        }
        assert!(taken.len() > 2);
    }
}

proptest! {
    /// Whatever the sizes and the limit: order is kept, nothing is lost or doubled, no batch is over the limit, and
    /// every receipt is settled once its own items have left, not later.
    #[test]
    fn pending_conserves_items_and_receipts(
        sizes in prop::collection::vec(1usize..40, 1..30),
        max in 0usize..25,
        enough in 1usize..60,
        put_back in any::<bool>(),
    ) {
        let mut pending = Pending::new();
        let mut seen = Vec::new();
        let mut first = 0;
        for size in &sizes {
            let (batch, settled) = watched(numbered(first, *size));
            first += size;
            seen.push((first, settled));
            pending.push(batch);
        }
        prop_assert_eq!(pending.items(), first);
        let mut numbers = Vec::new();
        let mut again = put_back;
        while let Some(mut batch) = pending.take(enough, max) {
            prop_assert!(batch.items() > 0 && (max == 0 || batch.items() <= max));
            let enough = if max == 0 { enough } else { enough.min(max) };
            prop_assert!(batch.items() >= enough || pending.is_empty());
            // The last request was needed.
            prop_assert!(batch.items() < enough + sizes.iter().max().unwrap());
            if std::mem::take(&mut again) {
                pending.push_front(batch);
                prop_assert_eq!(pending.items(), first - numbers.len());
                continue;
            }
            numbers.extend(crate::testing::numbers(&batch));
            prop_assert_eq!(pending.items(), first - numbers.len());
            batch.take_receipt().settle(corten_component::Outcome::Delivered);
            for (end, settled) in &seen {
                let settled = settled.lock().unwrap();
                prop_assert_eq!(settled.is_some(), *end <= numbers.len());
                prop_assert!(settled.is_none_or(|settled| settled.is_safe()));
            }
        }
        prop_assert_eq!(numbers, (0..first).collect::<Vec<_>>());
        prop_assert_eq!((pending.items(), pending.bytes(), pending.is_empty()), (0, 0, true));
    }
}
