//! One back end that behaves in every wrong way there is, beside one that is well.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use corten_testkit::{Answer, Collector, Sink, free_address};
use httpdate::fmt_http_date;

use crate::BINARY;
use crate::front::{Front, Manner, RUDE};
use crate::load::{Load, Shape};
use crate::pipeline::{Destination, config};
use crate::setting::{count, dice, lasts};
use crate::verdict::{conserved, drained};

/// The largest request, in spans.
const SPANS: usize = 8;
/// Requests under way at once.
const CONSUMERS: usize = 10;

/// What a back end that can be reached says, next to 200.
fn answers(rng: &mut fastrand::Rng) -> Answer {
    let date = fmt_http_date(std::time::SystemTime::now() + std::time::Duration::from_secs(1));
    let after = [None, Some("0".to_owned()), Some("1".to_owned()), Some(date), Some("soon".to_owned())];
    let status = *rng.choice(&[429, 500, 502, 503, 504, 400, 401, 403, 404, 413, 413, 0, 0]).unwrap();
    match status {
        0 => Answer::Partial(rng.i64(0..=SPANS as i64), "some were bad".to_owned()),
        429 | 503 => Answer::Status(status, rng.choice(&after).unwrap().clone()),
        _ => Answer::Status(status, None),
    }
}

/// What a back end was sent, by name: how often it was taken, how often refused for good.
#[derive(Default)]
struct Ends {
    taken: HashMap<String, usize>,
    refused: BTreeMap<String, usize>,
    /// Spans that a partial success left out.
    partly: usize,
}

impl Ends {
    fn of(sink: &Sink) -> Self {
        let mut ends = Self::default();
        for received in sink.received() {
            let scopes = received.traces().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            let names: Vec<String> = scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect();
            match &received.answer {
                Answer::Ok | Answer::Late(_) => {}
                Answer::Partial(rejected, _) => ends.partly += (*rejected as usize).min(names.len()),
                Answer::Status(413, _) if names.len() > 1 => continue,
                Answer::Status(429 | 502 | 503 | 504, _) | Answer::Hang | Answer::Written(..) => continue,
                Answer::Status(..) => {
                    names.into_iter().for_each(|name| *ends.refused.entry(name).or_default() += 1);
                    continue;
                }
            }
            names.into_iter().for_each(|name| *ends.taken.entry(name).or_default() += 1);
        }
        ends
    }
}

async fn campaign(durable: bool) {
    let (seed, mut rng) = dice();
    let what = format!("CORTEN_SEED={seed}");
    let rounds = count(16);
    let (well, bad) = (Sink::start(), Sink::start());
    let mut front = Front::start(bad.address()).await;
    let (door, storage) = (free_address(), tempfile::tempdir().unwrap());
    let to = [
        Destination { durable, ..Destination::durable("well", well.url()) },
        Destination { durable, client: "timeout = \"1s\"", ..Destination::durable("bad", front.url()) },
    ];
    let collector = Collector::start(BINARY, &config(door, false, storage.path(), &to));
    let shape = Shape { spans: SPANS, large: 40_000, pause: std::time::Duration::from_millis(5), ..Shape::default() };
    let load = Load::start(door, "span", shape);
    let (mut manners, mut broken) = (BTreeSet::new(), 0);
    for _ in 0..rounds {
        if rng.bool() {
            let manner = RUDE[rng.usize(..RUDE.len())];
            manners.insert(format!("{manner:?}"));
            front.be(manner).await;
            // Up to and beyond the timeout.
            lasts(50..1300, &mut rng).await;
            front.be(Manner::Relay).await;
            broken += 2;
        } else {
            let script: Vec<Answer> = (0..rng.usize(1..12)).map(|_| answers(&mut rng)).collect();
            manners.extend(script.iter().map(|answer| match answer {
                Answer::Status(status, after) => {
                    format!("{status}{}", if after.is_some() { "+Retry-After" } else { "" })
                }
                other => format!("{other:?}").chars().take_while(char::is_ascii_alphabetic).collect(),
            }));
            bad.script(script);
            lasts(50..500, &mut rng).await;
        }
    }
    // What is left of the script is answered too.
    let mut book = load.finish().await;
    drained(&collector, door, &[&well], &mut book).await;
    assert_eq!((book.doubtful, book.refused), (0, 0), "{what}: back ends are not the clients' affair");
    let counts = conserved(&collector, "well", &what);
    assert_eq!(counts.delivered, book.sent.len() as f64, "{what}: {counts:?}");
    book.compare(&well.span_names(), 0, &what);

    let ends = Ends::of(&bad);
    let counts = conserved(&collector, "bad", &what);
    assert_eq!(counts.dropped, 0.0, "{what}: {counts:?}");
    let mut ended = ends.taken.clone();
    ends.refused.iter().for_each(|(name, times)| *ended.entry(name.clone()).or_default() += times);
    // An answer that was lost with its connection, or came after the timeout, is not known to the collector.
    let unknown = broken * CONSUMERS * SPANS;
    let found = book.compare(&ended, unknown, &what);
    let refused = ends.refused.values().sum::<usize>() + ends.partly;
    let off = (counts.rejected - refused as f64).abs();
    assert!(off <= unknown as f64, "{what}: {} rejected, the back end said so of {refused}", counts.rejected);
    if broken == 0 {
        assert_eq!(off, 0.0, "{what}");
    }
    println!(
        "{rounds} rounds of {manners:?}: {book}; {} delivered, {} rejected, {} twice",
        counts.delivered, counts.rejected, found.twice
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rude_back_ends_cost_nothing_in_memory() {
    campaign(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rude_back_ends_cost_nothing_on_disk() {
    campaign(true).await;
}
