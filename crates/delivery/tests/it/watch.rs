//! When a destination that was away is asked again.

use std::sync::Arc;
use std::time::Duration;

use corten_delivery::{Accepted, Policy, Retry, SendError};
use tokio::time::Instant;

use crate::bench::{Backend, Bench, logs, pass, secs, settle};

/// What a retry at its time would take, whatever happens.
const HOUR: Duration = Duration::from_secs(3600);

fn patient() -> Policy {
    let retry = Retry { initial: HOUR, max: HOUR, randomization: 0.0, max_elapsed: None, ..Retry::default() };
    Policy { retry: Some(retry), ..Policy::default() }
}

/// A queue with one item, and a back end that fails so; no connection can be made.
async fn failed(how: SendError) -> (Bench, Arc<Backend>) {
    let backend = Backend::new(move |_| (Duration::ZERO, Err(how.clone())));
    *backend.reached.lock().unwrap() = Some(false);
    let bench = Bench::serving(patient(), &backend);
    bench.send(logs([1], 0)).await.unwrap();
    settle().await;
    (bench, backend)
}

fn tried(backend: &Backend) -> usize {
    backend.tried.lock().unwrap().len()
}

fn comes_back(backend: &Backend) {
    backend.answers(|_| (Duration::ZERO, Ok(Accepted::default())));
    *backend.reached.lock().unwrap() = Some(true);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_away_gets_the_first_item_within_two_seconds_of_its_return() {
    for away in [1, 60, 1000] {
        let (_bench, backend) = failed(SendError::unreachable("connection refused")).await;
        pass(secs(away)).await;
        assert_eq!(backend.asked().len(), 1, "nothing is sent to nobody");
        assert!((away * 7 / 10..=away * 15 / 10).contains(&(tried(&backend) as u64)), "{away}: {}", tried(&backend));
        let back = Instant::now();
        comes_back(&backend);
        pass(secs(2)).await;
        assert_eq!(backend.taken(), [1]);
        assert!(backend.asked()[1].0 - back < secs(2));
        let seen = tried(&backend);
        pass(secs(60)).await;
        assert_eq!(tried(&backend), seen, "one that is there is not watched");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_is_asked_at_its_time_and_no_earlier() {
    let busy = |after| SendError::Busy { after, why: "later".into() };
    for how in [busy(Some(secs(300))), busy(Some(Duration::ZERO)), busy(None)] {
        let (_bench, backend) = failed(how).await;
        comes_back(&backend);
        pass(secs(299)).await;
        assert_eq!((backend.asked().len(), tried(&backend)), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_time_holds_though_another_request_found_nobody() {
    // One that is refused a connection while the other is told to wait: the time counts.
    let backend = Backend::new(|ids| match ids {
        [1] => (Duration::ZERO, Err(SendError::Busy { after: Some(secs(300)), why: "later".into() })),
        _ => (secs(1), Err(SendError::unreachable("reset"))),
    });
    *backend.reached.lock().unwrap() = Some(true);
    let bench = Bench::serving(Policy { consumers: 2, ..patient() }, &backend);
    bench.send(logs([1], 0)).await.unwrap();
    bench.send(logs([2], 0)).await.unwrap();
    pass(secs(299)).await;
    assert_eq!((backend.asked().len(), tried(&backend)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn where_connections_say_nothing_an_outage_costs_one_early_attempt() {
    // A balancer with nobody behind it takes every connection.
    let (_bench, backend) = failed(SendError::unreachable("closed without an answer")).await;
    *backend.reached.lock().unwrap() = Some(true);
    pass(secs(600)).await;
    assert_eq!(backend.asked().len(), 2);
    // Who goes and comes back is asked once more each time.
    *backend.reached.lock().unwrap() = Some(false);
    pass(secs(5)).await;
    *backend.reached.lock().unwrap() = Some(true);
    pass(secs(600)).await;
    assert_eq!(backend.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_there_and_silent_is_asked_early_only_after_it_was_gone() {
    let (_bench, backend) = failed(SendError::silent("no answer")).await;
    *backend.reached.lock().unwrap() = Some(true);
    pass(secs(600)).await;
    assert_eq!(backend.asked().len(), 1);
    *backend.reached.lock().unwrap() = Some(false);
    pass(secs(5)).await;
    comes_back(&backend);
    pass(secs(2)).await;
    assert_eq!(backend.taken(), [1]);
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_nothing_is_tried() {
    let (_bench, backend) = failed(SendError::unreachable("connection refused")).await;
    *backend.reached.lock().unwrap() = None;
    pass(secs(600)).await;
    assert_eq!((backend.asked().len(), tried(&backend)), (1, 1), "once, to learn that it says nothing");
}
