//! A workstation's file through the real binary: the machine's metrics named and in step, exporters that come and go,
//! spans to two destinations of which one dies, and a reload that fails.

#![cfg(feature = "source-node")]
#![allow(clippy::unwrap_used)] // a test that cannot go on says so by panicking

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use corten_signal::otlp::SignalKind;
use corten_signal::samples::STALE;
use corten_testkit::{
    Collector, Cut, FakeSystemd, Program, Protocol, Sender, Sink, SystemdUnit, SystemdWorld, cut, data, eventually,
    free_address,
};
use prost::Message;

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
/// Instead of the file's 15 s, so that the test need not wait for minutes.
const INTERVAL: i64 = 2;
/// A tenth of the file's queue for the far destination; another test fills the whole of one.
const QUEUE: usize = 10_485_760;

/// The file with everything that it talks to. What is not started is down.
struct Workstation {
    collector: Collector,
    text: String,
    door: SocketAddr,
    far: SocketAddr,
    exporters: [SocketAddr; 2],
    near: Sink,
    store: Sink,
    host: String,
    folder: tempfile::TempDir,
}

impl Workstation {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (near, store) = (Sink::start(), Sink::start());
        let (door, grpc, far) = (free_address(), free_address(), free_address());
        let exporters = [free_address(), free_address()];
        let registry = corten_pipeline::registry().unwrap();
        let Cut { text, removed } = cut(include_str!("configs/workstation.alloy"), &registry);
        assert!(removed.is_empty(), "all of the file exists: {removed:?}");
        let text = text
            .replace("127.0.0.1:4318", &door.to_string())
            .replace("127.0.0.1:4317", &grpc.to_string())
            .replace("http://127.0.0.1:4320", &near.url())
            .replace("127.0.0.1:14318", &far.to_string())
            .replace("http://127.0.0.1:9009", &store.url())
            .replace("127.0.0.1:9101", &exporters[0].to_string())
            .replace("127.0.0.1:9102", &exporters[1].to_string())
            .replace("\"15s\"", &format!("\"{INTERVAL}s\""))
            .replace("= \"5s\"", &format!("= \"{INTERVAL}s\""))
            .replace("104857600", &QUEUE.to_string())
            .replace("/var/lib/textfiles", &folder.path().display().to_string());
        let mut command = Command::new(BINARY);
        // The variable would count more than the machine's name.
        command.env_remove("HOSTNAME").env("DBUS_SYSTEM_BUS_ADDRESS", bus(folder.path()));
        let collector = Collector::start_by(command, &text, &[]);
        let host = String::from_utf8(Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
        Self { collector, text, door, far, exporters, near, store, host: host.trim().to_owned(), folder }
    }

    /// Series of a name in the store whose labels are such: their samples by time.
    fn series(&self, name: &str, labels: &[(&str, &str)]) -> Vec<BTreeMap<i64, f64>> {
        let mut found: BTreeMap<BTreeMap<String, String>, BTreeMap<i64, f64>> = BTreeMap::new();
        for series in self.store.received().iter().flat_map(|request| request.write().series) {
            let has = |(label, value): &(&str, &str)| series.labels.get(*label).is_some_and(|is| is == value);
            if series.name() == name && labels.iter().all(has) {
                let samples = series.samples.iter().map(|(time, value, _)| (*time, *value));
                found.entry(series.labels.clone()).or_default().extend(samples);
            }
        }
        found.into_values().collect()
    }

    /// The newest sample of the only series of a name that has such labels.
    fn newest(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        match &*self.series(name, labels) {
            [one] => one.last_key_value().map(|(_, value)| *value),
            _ => None,
        }
    }

    fn exporter(&self, which: usize, more: &str) -> Program {
        let address = format!("--listen={}", self.exporters[which]);
        Program::start(BINARY, ["exporter", ["nixos", "systemd"][which], &address, more])
    }
}

fn bus(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}

/// A systemd where one service has failed.
fn systemd(folder: &Path) -> FakeSystemd {
    let world = SystemdWorld {
        units: vec![
            SystemdUnit::new("web.service", "active").with("Service", "Type", "simple"),
            SystemdUnit::new("backup.service", "failed").with("Service", "Type", "oneshot"),
            SystemdUnit::new("backup.timer", "active"),
        ],
        ..SystemdWorld::default()
    };
    let world = world.with("Version", "257.9").with("Virtualization", "").with("SystemState", "degraded");
    FakeSystemd::start(&folder.join("bus"), world)
}

/// Three generations, the second is the current one.
fn nixos(folder: &Path) {
    let profiles = folder.join("nix/var/nix/profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    for link in ["system-1-link", "system-2-link", "system-3-link"] {
        std::os::unix::fs::symlink("/nix/store/x-nixos", profiles.join(link)).unwrap();
    }
    std::os::unix::fs::symlink("system-2-link", profiles.join("system")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_arrives_under_its_names_and_in_step() {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let machine = Workstation::start();
    let _systemd = systemd(machine.folder.path());
    let labels = [("job", "node-exporter"), ("instance", &*machine.host), ("host", &*machine.host)];
    for name in [
        "node_cpu_seconds_total",
        "node_memory_MemAvailable_bytes",
        "node_filesystem_avail_bytes",
        "node_network_receive_bytes_total",
        "node_load1",
        "node_processes_threads",
        "node_textfile_scrape_error",
    ] {
        let series = eventually(name, || Some(machine.series(name, &labels)).filter(|series| !series.is_empty()));
        let first = series.iter().filter_map(|samples| samples.keys().next()).min().unwrap();
        assert!((0..30_000).contains(&(first - begun)), "{name}: the first sample is {} ms old", first - begun);
    }
    let failed = [labels.as_slice(), &[("state", "failed")]].concat();
    eventually("failed units", || (machine.newest("node_systemd_units", &failed) == Some(1.0)).then_some(()));
    assert_eq!(machine.newest("up", &labels), Some(1.0));
    eventually("the agent itself", || machine.newest("up", &[("job", "integrations/self"), ("host", &machine.host)]));
    // Every interval a sample, until the machine is busy with something else; then it goes on in step.
    eventually("three samples in step", || {
        let times: Vec<i64> = machine.series("node_load1", &labels).first()?.keys().copied().collect();
        let in_step = |pair: &[i64]| (pair[1] - pair[0] - INTERVAL * 1000).abs() < INTERVAL * 100;
        times.windows(2).map(in_step).collect::<Vec<_>>().windows(2).any(|two| two == [true, true]).then_some(())
    });
    let all: BTreeSet<String> = machine
        .store
        .received()
        .iter()
        .flat_map(|request| request.write().series)
        .map(|series| series.name().to_owned())
        .collect();
    assert!(all.contains("alloy_build_info"), "{all:?}");
    assert!(!all.iter().any(|name| name.starts_with("node_scrape_collector_")), "dropped on the way: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exporters_that_come_are_up_and_what_they_said_ends_when_they_go() {
    let machine = Workstation::start();
    let _systemd = systemd(machine.folder.path());
    nixos(machine.folder.path());
    let job = ("job", "nixos-exporters");
    let up = |value: f64| {
        let series = machine.series("up", &[job, ("instance", &machine.host), ("host", &machine.host)]);
        // Two targets of one name: their samples fall together, unless they are equal.
        series.iter().all(|samples| samples.last_key_value().is_some_and(|(_, is)| *is == value)) && !series.is_empty()
    };
    eventually("both are down", || up(0.0).then_some(()));
    let nixos = machine.exporter(0, &format!("--path.rootfs={}", machine.folder.path().display()));
    let systemd = machine.exporter(1, &format!("--bus-address={}", bus(machine.folder.path())));
    for (name, value) in [
        ("nixos_generations_total", 3.0),
        ("nixos_generation_current", 2.0),
        ("systemd_units_total", 3.0),
        ("systemd_units_failed", 1.0),
        ("systemd_system_state", 2.0),
    ] {
        eventually(name, || (machine.newest(name, &[job]) == Some(value)).then_some(()));
    }
    eventually("both are up", || up(1.0).then_some(()));
    drop((nixos, systemd));
    for name in ["nixos_generations_total", "systemd_units_failed"] {
        let ended = |value: f64| value.to_bits() == STALE.to_bits();
        eventually("the marker of its end", || machine.newest(name, &[job]).filter(|value| ended(*value)));
    }
    eventually("both are down again", || up(0.0).then_some(()));
}

const SPAN: &str = r#"{"resourceSpans":[{"resource":{"attributes":[
    {"key":"service.name","value":{"stringValue":"editor"}}]},
  "scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"save",
    "kind":1,"startTimeUnixNano":"1750000000000000000","endTimeUnixNano":"1750000000100000000"}]}]}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_span_reaches_both_destinations_with_the_machine_s_name_and_is_counted() {
    let machine = Workstation::start();
    let far = Sink::start_at(machine.far);
    let url = format!("http://{}/v1/traces", machine.door);
    let json = "Content-Type: application/json";
    let sent = Command::new("curl").args(["-sf", "-X", "POST", "-H", json, "-d", SPAN, &url]).output().unwrap();
    assert!(sent.status.success(), "{sent:?}");
    for (sink, encoding) in [(&machine.near, "near"), (&far, "far")] {
        let received = eventually(encoding, || sink.received().first().cloned());
        let traces = received.traces();
        let resource = traces.resource_spans[0].resource.clone().unwrap();
        let attributes = format!("{:?}", resource.attributes);
        for word in ["service.name", "editor", "host.name", &*machine.host] {
            assert!(attributes.contains(&format!("\"{word}\"")), "{encoding}: {word} in {attributes}");
        }
        assert_eq!(traces.resource_spans[0].scope_spans[0].spans[0].name, "save");
    }
    let calls = [("span_name", "save"), ("service_name", "editor"), ("host", &*machine.host)];
    eventually("the span's metrics", || machine.newest("traces_span_metrics_calls_total", &calls));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_far_destination_is_down_the_near_one_is_served_and_the_oldest_goes_first() {
    const PADDING: usize = 1_000;
    const EACH: usize = 50;
    let machine = Workstation::start();
    let size = data::traces(["0".to_owned()], PADDING).encode_to_vec().len();
    // Twice what the queue holds.
    let total = 2 * QUEUE / size / EACH * EACH;
    let mut sender = Sender::new(machine.door, Protocol::Http1);
    for first in (0..total).step_by(EACH) {
        let names = (first..first + EACH).map(|n| n.to_string());
        let answer = sender.send(SignalKind::Traces, data::traces(names, PADDING).encode_to_vec()).await.unwrap();
        assert!(answer.is_success(), "a dead destination is not the sender's affair: {answer:?}");
        // No faster than the near one takes it: its queue is short, and it is not what fills up here.
        if first / EACH % 20 == 19 {
            eventually("the near destination", || {
                (machine.near.items(SignalKind::Traces) == first + EACH).then_some(())
            });
        }
    }
    eventually("the near destination", || (machine.near.items(SignalKind::Traces) == total).then_some(()));
    assert!(machine.near.span_names().values().all(|times| *times == 1), "each span once");

    let far = [("exporter", "otlp_http/otelcol.exporter.otlphttp.far")];
    let sum = |name: &str| machine.collector.metrics().sum(name, &far);
    eventually("the batch to be passed on", || {
        (sum("corten_delivery_accepted_items_total") == total as f64).then_some(())
    });
    let (queued, dropped) = (sum("corten_delivery_queued_items"), sum("corten_delivery_dropped_items_total"));
    assert_eq!(queued + dropped, total as f64, "each that was dropped is counted");
    let held = sum("otelcol_exporter_queue_size");
    // Batches come and go whole.
    let bounds = QUEUE as f64 / 2.0..=QUEUE as f64;
    assert!(bounds.contains(&held) && dropped > 0.0, "the queue holds {held} bytes, {dropped} dropped");
    let peak = machine.collector.peak();
    assert!(peak < 150_000_000, "{peak} bytes resident");

    let revived = Sink::start_at(machine.far);
    eventually("what waited", || (revived.items(SignalKind::Traces) == queued as usize).then_some(()));
    let left = revived.span_names();
    assert!(left.values().all(|times| *times == 1), "each span once");
    // What was being sent all the time stays, and the newest do: what went is one stretch between them.
    let gone: Vec<usize> = (0..total).filter(|n| !left.contains_key(&n.to_string())).collect();
    assert!(gone.windows(2).all(|pair| pair[1] == pair[0] + 1), "{gone:?}");
    assert!(gone.last().is_some_and(|last| *last < total - QUEUE / size / 2), "the newest stay: {:?}", gone.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_and_the_old_pipeline_goes_on() {
    let machine = Workstation::start();
    let load = || machine.series("node_load1", &[]).first().map_or(0, BTreeMap::len);
    eventually("metrics", || (load() > 0).then_some(()));
    for broken in [
        machine.text.replace("prometheus.relabel.quiet.receiver", "prometheus.relabel.missing.receiver"),
        machine.text.replace("max_shards       = 4", "max_shards = "),
    ] {
        assert_ne!(broken, machine.text);
        let (status, answer) = machine.collector.reload(&broken);
        assert_eq!(status, 400, "{answer}");
        assert_eq!(machine.collector.get("/-/reload").0, 400);
        let before = load();
        eventually("more metrics", || (load() > before + 1).then_some(()));
    }
    let errors = || machine.collector.output().matches("level=error").count();
    let before = errors();
    machine.collector.signal("HUP");
    eventually("the refusal in the log", || (errors() > before).then_some(()));
    assert_eq!(machine.collector.get("/-/healthy").0, 200);
    let (status, answer) = machine.collector.reload(&machine.text);
    assert_eq!(status, 200, "{answer}");
    let exited = machine.collector.stop();
    assert_eq!(exited.code, Some(0), "{}", exited.output);
}
