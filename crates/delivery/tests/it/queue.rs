//! What a queue promises, one promise a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::bench::{Backend, Bench, MIB, logs, pass, secs, settle};
use corten_component::{Consume, Refusal};
use corten_delivery::{Accepted, Batching, Overflow, Policy, Retry, SendError, Shed, Sizer};
use corten_signal::otlp::Batch;
use tokio::time::Instant;

fn ok() -> Result<Accepted, SendError> {
    Ok(Accepted::default())
}

fn requests(size: u64, overflow: Overflow) -> Policy {
    Policy { sizer: Sizer::Requests, size, each: true, overflow, consumers: 1, ..Policy::default() }
}

fn exact(max_elapsed: Option<Duration>) -> Option<Retry> {
    Some(Retry { randomization: 0.0, max_elapsed, ..Retry::default() })
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_delivered_in_order_and_counted() {
    let backend = Backend::healthy();
    let bench = Bench::serving(requests(100, Overflow::Reject), &backend);
    for id in 0..20 {
        bench.send(logs([2 * id, 2 * id + 1], 0)).await.unwrap();
    }
    settle().await;
    assert_eq!(backend.taken(), (0..40).collect::<Vec<_>>());
    assert_eq!((bench.count("accepted"), bench.count("delivered"), bench.queued()), (40, 40, 0));
    assert_eq!((bench.otel("sent_log_records"), bench.otel("send_failed_log_records")), (40, 0));
    assert_eq!(bench.ledger.settled.lock().unwrap().iter().filter(|settled| settled.is_safe()).count(), 20);
    assert_eq!(bench.queue.size(), 0);
}

#[tokio::test(start_paused = true)]
async fn metrics_stand_at_zero_before_anything_happened() {
    let bench = Bench::serving(Policy::default(), &Backend::healthy());
    settle().await;
    let text = bench.registry.render();
    for line in [
        r#"corten_delivery_dropped_items_total{component_id="test.x",component_path="/",data_type="logs",exporter="test/x",reason="overflow"} 0"#,
        r#"otelcol_exporter_sent_spans_total{component_id="test.x",component_path="/",exporter="test/x"} 0"#,
        r#"otelcol_exporter_enqueue_failed_metric_points_total{component_id="test.x",component_path="/",exporter="test/x"} 0"#,
        r#"otelcol_exporter_queue_capacity{component_id="test.x",component_path="/",data_type="traces",exporter="test/x"} 104857600"#,
        r#"otelcol_exporter_queue_size{component_id="test.x",component_path="/",data_type="traces",exporter="test/x"} 0"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_destination_gets_one_probe_at_a_time_with_growing_pauses() {
    let backend = Backend::dead();
    let policy = Policy { retry: exact(None), ..Policy::default() };
    let bench = Bench::serving(policy, &backend);
    let start = Instant::now();
    for id in 0..50 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    pass(secs(130)).await;
    let asked = backend.asked();
    let first: Vec<_> = asked.iter().filter(|(at, _)| *at == start).collect();
    assert!(first.len() <= 10, "all that had begun when it was noticed");
    let probes: Vec<_> = asked.iter().filter(|(at, _)| *at > start).collect();
    let times: Vec<f64> = probes.iter().map(|(at, _)| (*at - start).as_secs_f64()).collect();
    let expected = [5.0, 12.5, 23.75, 40.625, 65.9375, 95.9375, 125.9375];
    assert!(times.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.01) && times.len() == 7, "{times:?}");
    assert!(probes.iter().all(|(_, ids)| ids == &[0]), "the oldest is the probe");
    assert_eq!(bench.queued(), 50);
    backend.answers(|_| (Duration::ZERO, ok()));
    pass(secs(31)).await;
    assert_eq!(backend.taken(), (0..50).collect::<Vec<_>>());
    bench.check_conservation("after recovery");
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_the_destination_is_back_is_used_at_once() {
    let backend = Backend::dead();
    let bench = Bench::serving(Policy::default(), &backend);
    bench.send(logs([1], 0)).await.unwrap();
    pass(secs(300)).await;
    backend.answers(|_| (Duration::ZERO, ok()));
    bench.queue.probe();
    settle().await;
    assert_eq!(backend.taken(), [1]);
}

#[tokio::test(start_paused = true)]
async fn one_busy_answer_does_not_hold_up_the_others() {
    let backend = Backend::new(|ids| match ids {
        [0] => (Duration::ZERO, Err(SendError::Busy { after: None, why: "one replica is busy".into() })),
        _ => (Duration::ZERO, ok()),
    });
    let bench = Bench::serving(Policy { retry: exact(None), ..Policy::default() }, &backend);
    for id in 0..10 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    settle().await;
    assert_eq!(backend.taken(), (1..10).collect::<Vec<_>>());
    backend.answers(|_| (Duration::ZERO, ok()));
    pass(secs(6)).await;
    assert_eq!(backend.taken().last(), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_the_back_end_names_is_kept() {
    let backend =
        Backend::new(|_| (Duration::ZERO, Err(SendError::Busy { after: Some(secs(45)), why: "later".into() })));
    let bench = Bench::serving(Policy { consumers: 1, ..Policy::default() }, &backend);
    let start = Instant::now();
    bench.send(logs([1], 0)).await.unwrap();
    bench.send(logs([2], 0)).await.unwrap();
    pass(secs(44)).await;
    assert_eq!(backend.asked().len(), 1);
    pass(secs(2)).await;
    assert_eq!(backend.asked()[1].0 - start, secs(45));
}

#[tokio::test(start_paused = true)]
async fn a_time_named_late_prolongs_the_pause() {
    let backend = Backend::new(|ids| match ids {
        [1] => (Duration::ZERO, Err(SendError::unreachable("reset"))),
        _ => (secs(1), Err(SendError::Busy { after: Some(secs(60)), why: "later".into() })),
    });
    let bench = Bench::serving(Policy { consumers: 2, ..Policy::default() }, &backend);
    let start = Instant::now();
    bench.send(logs([1], 0)).await.unwrap();
    bench.send(logs([2], 0)).await.unwrap();
    pass(secs(62)).await;
    let times: Vec<_> = backend.asked().iter().map(|(at, _)| *at - start).collect();
    assert_eq!(times, [secs(0), secs(0), secs(61)]);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_given_up_is_known_at_all_times() {
    let backend = Backend::new(|_| (secs(10), Err(SendError::unreachable("refused"))));
    let bench = Bench::serving(requests(100, Overflow::Reject), &backend);
    let size = logs([0], 1000).len();
    bench.send(logs([0], 1000)).await.unwrap();
    bench.send(logs([1], 1000)).await.unwrap();
    settle().await;
    assert_eq!(bench.queue.held(), size, "one is under way");
    pass(secs(11)).await;
    assert_eq!(bench.queue.held(), 2 * size);
    backend.answers(|_| (Duration::ZERO, ok()));
    pass(secs(60)).await;
    assert_eq!((bench.queue.held(), bench.queued()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_oldest_and_never_what_is_under_way() {
    let backend = Backend::new(|_| (secs(20), ok()));
    let bench = Bench::serving(requests(4, Overflow::DropOldest), &backend);
    for id in 0..10 {
        bench.send(logs([id], 0)).await.unwrap();
        settle().await;
    }
    assert_eq!(bench.dropped("overflow"), 6);
    assert_eq!(bench.otel("enqueue_failed_log_records"), 6);
    pass(secs(200)).await;
    assert_eq!(backend.taken(), [0, 7, 8, 9]);
    bench.check_conservation("overflow");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_newest_where_the_file_says_so() {
    let bench = Bench::new(requests(2, Overflow::Reject), 1 << 30);
    bench.send(logs([1], 0)).await.unwrap();
    bench.send(logs([2], 0)).await.unwrap();
    let refusal = bench.send(logs([3, 4], 0)).await.unwrap_err();
    assert!(refusal.is_retryable());
    assert_eq!((bench.count("accepted"), bench.count("refused"), bench.otel("enqueue_failed_log_records")), (2, 2, 2));
    let items = Bench::new(Policy { sizer: Sizer::Items, ..requests(3, Overflow::DropOldest) }, 1 << 30);
    let refusal = items.send(logs(0..4, 0)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Reject { .. }), "it can never fit: {refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_blocks_waits_for_room_or_its_deadline() {
    let backend = Backend::new(|_| (secs(10), ok()));
    let bench = Arc::new(Bench::serving(requests(1, Overflow::Block), &backend));
    bench.send(logs([1], 0)).await.unwrap();
    let waiting = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.send(logs([2], 0)).await }
    });
    pass(secs(9)).await;
    assert!(!waiting.is_finished());
    pass(secs(2)).await;
    assert_eq!(waiting.await.unwrap(), Ok(()));
    backend.answers(|_| (secs(1000), ok()));
    let start = Instant::now();
    assert!(bench.send(logs([3], 0)).await.is_ok(), "the second is still under its first answer");
    let refusal = bench.send(logs([4], 0)).await.unwrap_err();
    assert!(refusal.is_retryable() && start.elapsed() >= bench_patience(), "{:?}", start.elapsed());
}

fn bench_patience() -> Duration {
    Policy::default().patience
}

#[tokio::test(start_paused = true)]
async fn data_is_given_up_after_its_time_and_not_before() {
    let backend = Backend::dead();
    let bench = Bench::serving(Policy { retry: exact(Some(secs(300))), ..Policy::default() }, &backend);
    for id in 0..30 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    pass(secs(240)).await;
    assert_eq!(bench.all_dropped(), 0);
    pass(secs(100)).await;
    let expired = bench.dropped("expired");
    assert!(expired >= 10, "everything that was tried at the beginning: {expired}");
    assert_eq!(bench.otel("send_failed_log_records"), expired);
    bench.check_conservation("expired");
}

#[tokio::test(start_paused = true)]
async fn without_retry_each_is_sent_once() {
    let backend = Backend::dead();
    let bench = Bench::serving(Policy { retry: None, ..Policy::default() }, &backend);
    for id in 0..30 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    settle().await;
    assert_eq!((bench.dropped("retry_disabled"), backend.asked().len(), bench.queued()), (30, 30, 0));
}

fn joined(ids: std::ops::Range<i64>) -> Batch {
    Batch::concat(ids.map(|id| logs([id], 0)).collect()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_the_poison_in_a_batch_of_requests_is_rejected() {
    let backend = Backend::new(|ids| {
        let poisoned = ids.contains(&13);
        let rejected = SendError::Rejected { divisible: true, why: "400".into() };
        (Duration::ZERO, if poisoned { Err(rejected) } else { ok() })
    });
    let bench = Bench::serving(requests(100, Overflow::Reject), &backend);
    bench.send(joined(0..64)).await.unwrap();
    settle().await;
    let mut taken = backend.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..64).filter(|id| *id != 13).collect::<Vec<_>>());
    assert_eq!((bench.count("delivered"), bench.count("rejected"), bench.queued()), (63, 1, 0));
    assert_eq!((bench.otel("sent_log_records"), bench.otel("send_failed_log_records")), (63, 1));
    assert_eq!(bench.queue.size(), 0);
    let settled = bench.ledger.settled.lock().unwrap();
    assert!(settled.len() == 1 && settled[0].is_rejected() && !settled[0].is_lost());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_divided_down_to_single_items() {
    let backend = Backend::new(|ids| {
        let too_large = ids.len() > 3;
        (Duration::ZERO, if too_large { Err(SendError::TooLarge { why: "413".into() }) } else { ok() })
    });
    let bench = Bench::serving(requests(100, Overflow::Reject), &backend);
    bench.send(logs(0..50, 0)).await.unwrap();
    settle().await;
    assert_eq!(backend.taken(), (0..50).collect::<Vec<_>>());
    backend.answers(|_| (Duration::ZERO, Err(SendError::TooLarge { why: "413".into() })));
    bench.send(logs(0..5, 0)).await.unwrap();
    settle().await;
    assert_eq!((bench.count("delivered"), bench.count("rejected"), bench.queued()), (50, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn partial_success_is_counted_and_not_sent_again() {
    let backend = Backend::new(|_| (Duration::ZERO, Ok(Accepted { rejected: 3, message: "too old".to_owned() })));
    let bench = Bench::serving(Policy::default(), &backend);
    bench.send(logs(0..10, 0)).await.unwrap();
    pass(secs(100)).await;
    assert_eq!((bench.count("delivered"), bench.count("rejected"), backend.asked().len()), (7, 3, 1));
    assert_eq!(bench.otel("sent_log_records"), 10);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_and_made_again() {
    let calls = AtomicUsize::new(0);
    let backend = Backend::new(move |_| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        (if first { secs(100_000) } else { Duration::ZERO }, ok())
    });
    let bench = Bench::serving(Policy { timeout: secs(5), retry: exact(None), ..Policy::default() }, &backend);
    bench.send(logs([1], 0)).await.unwrap();
    pass(secs(11)).await;
    assert_eq!(backend.taken(), [1]);
    bench.check_conservation("timeout");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_result_gets_it() {
    let policy =
        Policy { wait_for_result: true, retry: exact(Some(secs(300))), patience: secs(400), ..Policy::default() };
    let backend = Backend::new(|_| (secs(1), ok()));
    let bench = Bench::serving(policy, &backend);
    let start = Instant::now();
    bench.send(logs([1], 0)).await.unwrap();
    assert_eq!(start.elapsed(), secs(1));
    backend.answers(|_| (Duration::ZERO, Err(SendError::Rejected { divisible: true, why: "400".into() })));
    assert!(matches!(bench.send(logs([2], 0)).await, Err(Refusal::Reject { .. })));
    backend.answers(|_| (Duration::ZERO, Err(SendError::unreachable("refused"))));
    let start = Instant::now();
    assert!(bench.send(logs([3], 0)).await.unwrap_err().is_retryable());
    assert!(start.elapsed() >= secs(270), "after trying for its time: {:?}", start.elapsed());
    bench.check_conservation("results");
    assert!(bench.ledger.settled.lock().unwrap().iter().all(|settled| !settled.is_lost()));
}

#[tokio::test(start_paused = true)]
async fn who_waits_no_longer_takes_it_back() {
    let policy = Policy { wait_for_result: true, patience: secs(20), ..Policy::default() };
    let backend = Backend::dead();
    let bench = Bench::serving(policy, &backend);
    assert!(bench.send(logs([1], 0)).await.unwrap_err().is_retryable());
    backend.answers(|_| (Duration::ZERO, ok()));
    pass(secs(60)).await;
    assert_eq!(backend.taken(), [0i64; 0]);
    assert_eq!((bench.dropped("withdrawn"), bench.queued()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_merged_by_time_and_size() {
    let batch = Batching { flush_timeout: Duration::from_millis(200), min: 10, max: 15, sizer: Sizer::Items };
    let backend = Backend::healthy();
    let bench = Bench::serving(Policy { batch: Some(batch), ..requests(1000, Overflow::Reject) }, &backend);
    for id in 0..9 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    pass(Duration::from_millis(199)).await;
    assert!(backend.asked().is_empty());
    pass(Duration::from_millis(1)).await;
    assert_eq!(backend.asked().len(), 1);
    for id in 9..19 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    settle().await;
    assert_eq!(backend.asked().len(), 2, "enough is sent at once");
    bench.send(logs(19..59, 0)).await.unwrap();
    pass(secs(1)).await;
    let sizes: Vec<_> = backend.asked().iter().map(|(_, ids)| ids.len()).collect();
    assert_eq!(sizes, [9, 10, 15, 15, 10]);
    assert_eq!(backend.taken(), (0..59).collect::<Vec<_>>());
    assert_eq!((bench.queue.size(), bench.queued(), bench.count("delivered")), (0, 0, 59));
    assert_eq!(bench.ledger.settled.lock().unwrap().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_everything_in_its_place() {
    let backend = Backend::dead();
    let mut bench = Bench::serving(requests(100, Overflow::DropOldest), &backend);
    for id in 0..10 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    pass(secs(30)).await;
    let before = Instant::now();
    bench.reload(requests(8, Overflow::DropOldest), &backend).await;
    assert_eq!(before.elapsed(), Duration::ZERO, "a destination that is down is not waited for");
    settle().await;
    assert_eq!(bench.dropped("overflow"), 2, "the new queue is smaller");
    bench.send(logs([10], 0)).await.unwrap();
    backend.answers(|_| (Duration::ZERO, ok()));
    pass(secs(60)).await;
    assert_eq!(backend.taken(), (3..=10).collect::<Vec<_>>());
    bench.check_conservation("reload");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_under_way_survives_a_reload() {
    let backend = Backend::new(|_| (secs(25), ok()));
    let mut bench = Bench::serving(requests(100, Overflow::Reject), &backend);
    bench.send(logs([0], 0)).await.unwrap();
    bench.send(logs([1], 0)).await.unwrap();
    pass(secs(10)).await;
    for _ in 0..5 {
        bench.reload(requests(100, Overflow::Reject), &backend).await;
        pass(secs(2)).await;
    }
    assert_eq!((backend.asked().len(), bench.queued()), (1, 2));
    pass(secs(60)).await;
    assert_eq!(backend.taken(), [0, 1]);
    assert_eq!(backend.asked().len(), 2, "nothing is sent twice");
    bench.check_conservation("reloads");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_thrown_away_counts_what_was_in_it() {
    let mut bench = Bench::serving(requests(100, Overflow::Reject), &Backend::dead());
    bench.send(logs(0..7, 0)).await.unwrap();
    settle().await;
    bench.abort().await;
    assert_eq!((bench.dropped("shutdown"), bench.queued()), (7, 0));
    bench.check_conservation("aborted");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_deadline_is_counted() {
    let backend = Backend::new(|_| (secs(25), ok()));
    let mut bench = Bench::serving(requests(100, Overflow::Reject), &backend);
    for id in 0..3 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    settle().await;
    let carry = bench.stop(secs(10)).await;
    assert_eq!(carry.items(), 3);
    assert_eq!(backend.asked().len(), 1);
    bench.check_conservation("carried");
    drop(carry);
    assert_eq!((bench.dropped("shutdown"), bench.queued()), (3, 0));
    bench.check_conservation("shut down");
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_a_healthy_destination_gets_everything() {
    let backend = Backend::new(|_| (Duration::from_millis(100), ok()));
    let batch = Batching { flush_timeout: secs(100), min: 1000, max: 2000, sizer: Sizer::Items };
    let mut bench = Bench::serving(Policy { batch: Some(batch), ..Policy::default() }, &backend);
    for id in 0..100 {
        bench.send(logs([id], 0)).await.unwrap();
    }
    let carry = bench.stop(secs(10)).await;
    assert!(carry.is_empty());
    assert_eq!(bench.count("delivered"), 100);
}

#[tokio::test(start_paused = true)]
async fn over_the_process_budget_the_fullest_queue_gives_up_its_oldest() {
    let mut dead = Bench::new(Policy::default(), 8 * MIB);
    dead.start(&Backend::dead(), corten_delivery::Carry::default());
    for id in 0..300 {
        dead.send(logs([id], 60_000)).await.unwrap();
    }
    settle().await;
    assert!(dead.budget.used() <= 8 * MIB, "{:?}", dead.budget);
    assert!(dead.dropped("memory") > 100, "{}", dead.dropped("memory"));
    assert!(dead.queue.admit(60_000).is_ok(), "there is more to give up");
    dead.check_conservation("memory");
}

#[tokio::test(start_paused = true)]
async fn empty_requests_are_done_at_once() {
    let bench = Bench::new(Policy::default(), MIB);
    let empty = Batch::new(corten_signal::otlp::SignalKind::Logs, bytes::Bytes::new(), 0);
    bench.send(empty).await.unwrap();
    assert_eq!((bench.queue.size(), bench.ledger.settled.lock().unwrap().len()), (0, 1));
}
