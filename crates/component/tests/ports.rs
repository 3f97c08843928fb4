//! The data path: gates, replacement, fan-out.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::sync::{Arc, Mutex};
use std::time::Duration;

use corten_component::metrics::{Registry, Scope};
use corten_component::node::{Node, Services};
use corten_component::{
    Attribute, BoxFuture, BuildContext, Consume, Edge, Fanout, NodeId, Outcome, Port, Receipt, Refusal, Signal, Tap,
};
use tokio::sync::Notify;

#[derive(Clone)]
struct Item(u64, Receipt);

impl Signal for Item {
    const CAPSULE: &'static str = "test.Item";

    fn items(&self) -> u64 {
        1
    }

    fn receipt(&self) -> &Receipt {
        &self.1
    }

    fn replace_receipt(&mut self, receipt: Receipt) -> Receipt {
        std::mem::replace(&mut self.1, receipt)
    }
}

/// Takes what it is told to take, after it was let go.
#[derive(Default)]
struct Sink {
    taken: Mutex<Vec<u64>>,
    refusal: Option<Refusal>,
    hold: Option<Arc<Notify>>,
}

impl Consume<Item> for Sink {
    fn consume(&self, item: Item) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            if let Some(hold) = &self.hold {
                hold.notified().await;
            }
            if let Some(refusal) = &self.refusal {
                return Err(refusal.clone());
            }
            self.taken.lock().unwrap().push(item.0);
            item.1.settle(Outcome::Delivered);
            Ok(())
        })
    }
}

fn node() -> Arc<Node> {
    Node::new(NodeId::root("test.node.a"), "data".into(), Scope::default(), Services::default(), |_| {})
}

fn install(node: &Arc<Node>, sink: &Arc<Sink>) -> Port<Item> {
    let mut cx = BuildContext::new(node);
    let port = cx.port("input", Arc::clone(sink) as Arc<dyn Consume<Item>>);
    for install in cx.into_pending().installs {
        install();
    }
    port
}

fn open(node: &Arc<Node>) {
    node.gates().iter().for_each(|gate| gate.open());
}

#[tokio::test(start_paused = true)]
async fn calls_wait_at_a_shut_gate_and_reach_the_next_instance() {
    let node = node();
    let (old, new) = (Arc::new(Sink::default()), Arc::new(Sink::default()));
    let port = install(&node, &old);
    open(&node);
    port.consume(Item(1, Receipt::none())).await.unwrap();

    node.gates()[0].shut();
    let waiting = tokio::spawn({
        let port = port.clone();
        async move { port.consume(Item(2, Receipt::none())).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    assert!(install(&node, &new) == port, "the port outlives its instance");
    open(&node);
    waiting.await.unwrap().unwrap();
    assert_eq!((&*old.taken.lock().unwrap(), &*new.taken.lock().unwrap()), (&vec![1], &vec![2]));
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_quiet_only_when_the_last_call_has_ended() {
    let node = node();
    let hold = Arc::new(Notify::new());
    let sink = Arc::new(Sink { hold: Some(Arc::clone(&hold)), ..Sink::default() });
    let port = install(&node, &sink);
    open(&node);
    let call = tokio::spawn(async move { port.consume(Item(1, Receipt::none())).await });
    tokio::task::yield_now().await;
    let gate = Arc::clone(&node.gates()[0]);
    gate.shut();
    assert!(tokio::time::timeout(Duration::from_secs(1), gate.quiet()).await.is_err());
    hold.notify_one();
    gate.quiet().await;
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_stays_shut_refuses_retryably_and_a_removed_one_for_good() {
    let node = node();
    let port = install(&node, &Arc::new(Sink::default()));
    assert!(port.consume(Item(1, Receipt::none())).await.unwrap_err().is_retryable());
    node.gates()[0].remove();
    assert_eq!(port.consume(Item(1, Receipt::none())).await, Err(Refusal::Closed));
    assert_eq!(port.admit(1), Err(Refusal::Closed));
}

fn refusing(refusal: Refusal) -> Port<Item> {
    Port::to(Arc::new(Sink { refusal: Some(refusal), ..Sink::default() }))
}

fn watched() -> (Receipt, Arc<Mutex<Option<corten_component::Settled>>>) {
    let seen = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&seen);
    (Receipt::new(move |settled| *slot.lock().unwrap() = Some(settled)), seen)
}

#[tokio::test]
async fn a_fan_out_succeeds_if_anybody_takes_the_item() {
    let sink = Arc::new(Sink::default());
    let dead = refusing(Refusal::retry("down"));
    let fanout = Fanout::new([dead.clone(), Port::to(sink.clone())]);
    let (receipt, seen) = watched();
    fanout.consume(Item(7, receipt)).await.unwrap();
    assert_eq!(*sink.taken.lock().unwrap(), [7]);
    assert_eq!(dead.refused_items(), 1);
    let settled = seen.lock().unwrap().expect("settled");
    assert!(settled.is_refused() && !settled.is_lost());
}

#[tokio::test]
async fn a_fan_out_refuses_if_nobody_takes_the_item_and_retryably_if_anybody_might() {
    let all =
        Fanout::new([refusing(Refusal::reject("bad")), refusing(Refusal::retry("down")), refusing(Refusal::Closed)]);
    let (receipt, seen) = watched();
    assert_eq!(all.consume(Item(7, receipt)).await, Err(Refusal::retry("down")));
    assert!(!seen.lock().unwrap().expect("settled").is_lost(), "the responsibility is the caller's");
    let both = Fanout::new([refusing(Refusal::Closed), refusing(Refusal::reject("bad"))]);
    assert_eq!(both.consume(Item(7, Receipt::none())).await, Err(Refusal::reject("bad")));
}

#[tokio::test]
async fn a_slow_branch_does_not_keep_the_others_waiting() {
    let hold = Arc::new(Notify::new());
    let slow = Arc::new(Sink { hold: Some(Arc::clone(&hold)), ..Sink::default() });
    let fast = Arc::new(Sink::default());
    let fanout =
        Fanout::new([Port::to(slow as Arc<dyn Consume<Item>>), Port::to(fast.clone() as Arc<dyn Consume<Item>>)]);
    let call = tokio::spawn(async move { fanout.consume(Item(1, Receipt::none())).await });
    tokio::task::yield_now().await;
    assert_eq!(*fast.taken.lock().unwrap(), [1]);
    hold.notify_one();
    call.await.unwrap().unwrap();
}

#[test]
fn metrics_of_a_node_survive_its_instances() {
    let registry = Registry::new();
    let id = NodeId::new("/lib.a", "x.y.z");
    registry.node(&id).counter("n_total", "N.", &[]).inc();
    registry.node(&id).counter("n_total", "N.", &[]).inc();
    assert!(registry.render().contains(r#"n_total{component_id="x.y.z",component_path="/lib.a"} 2"#));
    assert_eq!(id.to_string(), "lib.a/x.y.z");
}

/// Wants every item but those that come while it is told not to.
#[derive(Default)]
struct Eye {
    seen: Mutex<Vec<String>>,
    closed: std::sync::atomic::AtomicBool,
}

impl Tap for Eye {
    fn wants(&self) -> bool {
        !self.closed.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn take(&self, text: &Arc<str>) {
        self.seen.lock().unwrap().push(text.to_string());
    }
}

/// A fan-out as an argument gives it: with edges.
fn decoded(ports: &[Port<Item>]) -> (Fanout<Item>, Vec<Arc<Edge>>) {
    let fanout = Fanout::from_value(&Fanout::new(ports.iter().cloned()).to_value()).unwrap();
    let edges = fanout.ports().iter().map(|port| Arc::clone(port.edge().expect("an edge"))).collect();
    (fanout, edges)
}

#[tokio::test]
async fn what_passes_an_edge_is_seen_only_while_somebody_looks() {
    let taking = Port::to(Arc::new(Sink::default()) as Arc<dyn Consume<Item>>);
    let (fanout, edges) = decoded(&[taking.clone(), refusing(Refusal::retry("down"))]);
    let (other, others) = decoded(&[taking]);
    let send = async |fanout: &Fanout<Item>| fanout.consume(Item(1, Receipt::none())).await.unwrap();
    send(&fanout).await;
    let eye = Arc::<Eye>::default();
    let watching = edges[0].tap(Arc::clone(&eye) as Arc<dyn Tap>);
    let counting = edges[1].watch();
    send(&fanout).await;
    eye.closed.store(true, std::sync::atomic::Ordering::Relaxed);
    send(&fanout).await;
    send(&other).await;
    assert_eq!(*eye.seen.lock().unwrap(), ["1 items"]);
    assert_eq!(edges[0].counts(), [("test.Item", 2)]);
    assert_eq!(counting.edge().counts(), [], "what was refused has not passed");
    assert_eq!(others[0].counts(), [], "another way to the same port");
    drop(watching);
    send(&fanout).await;
    assert_eq!(edges[0].counts(), [("test.Item", 2)]);
}

#[tokio::test]
async fn of_the_branches_of_a_fan_out_only_one_shows_the_item() {
    let port = || Port::to(Arc::new(Sink::default()) as Arc<dyn Consume<Item>>);
    let (fanout, edges) = decoded(&[port(), port()]);
    let eye = Arc::<Eye>::default();
    let _watching: Vec<_> = edges.iter().map(|edge| edge.tap(Arc::clone(&eye) as Arc<dyn Tap>)).collect();
    fanout.consume(Item(1, Receipt::none())).await.unwrap();
    assert_eq!(eye.seen.lock().unwrap().len(), 1);
    assert!(edges.iter().all(|edge| edge.counts() == [("test.Item", 1)]));
}

#[test]
fn a_port_that_is_built_knows_what_it_will_take() {
    struct Nothing;
    impl Consume<Item> for Nothing {
        fn consume(&self, _: Item) -> BoxFuture<'_, Result<(), Refusal>> {
            Box::pin(async { Ok(()) })
        }
        fn kinds(&self) -> corten_component::Kinds {
            corten_component::Kinds(2)
        }
    }
    let node = node();
    let mut cx = BuildContext::new(&node);
    let port = cx.port("input", Arc::new(Nothing) as Arc<dyn Consume<Item>>);
    assert_eq!(port.kinds(), corten_component::Kinds(2));
    assert_eq!(cx.into_pending().ports.len(), 1);
}

/// Refuses the first call, then says this of an item, or nothing.
struct Fickle {
    refused: Mutex<bool>,
    outcome: Option<Outcome>,
}

impl Consume<Item> for Fickle {
    fn consume(&self, mut item: Item) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            if !std::mem::replace(&mut *self.refused.lock().unwrap(), true) {
                return Err(Refusal::retry("not yet"));
            }
            if let Some(outcome) = self.outcome {
                item.replace_receipt(Receipt::none()).settle(outcome);
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_refused_attempt_does_not_stain_a_receipt_and_the_next_one_says_how_it_ended() {
    for (outcome, expected) in [
        (Some(Outcome::Delivered), "safe"),
        (Some(Outcome::Rejected), "rejected"),
        (Some(Outcome::Dropped), "dropped"),
        (None, "lost"),
    ] {
        let to = Fanout::new([Port::to(Arc::new(Fickle { refused: Mutex::new(false), outcome }))]);
        let (receipt, seen) = watched();
        let mut item = Item(1, receipt);
        assert!(to.attempt(&mut item).await.is_err());
        assert!(seen.lock().unwrap().is_none());
        to.attempt(&mut item).await.unwrap();
        drop(item);
        let settled = seen.lock().unwrap().expect("settled");
        let got = match () {
            () if settled.is_lost() => "lost",
            () if settled.is_rejected() => "rejected",
            () if settled.is_dropped() => "dropped",
            () if settled.is_safe() => "safe",
            () => "refused",
        };
        assert_eq!(got, expected);
    }
}
