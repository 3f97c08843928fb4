//! Scrapes of a systemd that is a fake.

use std::sync::Arc;
use std::time::Duration;

use corten_component::{Health, HealthState};
use corten_signal::exposition::{Expose, ScrapeRequest};
use tempfile::TempDir;

use super::{Exporter, SystemdArguments};
use corten_testkit::{FakeSystemd, SystemdUnit, SystemdWorld};

struct Bench {
    exporter: Exporter,
    health: Health,
    fake: FakeSystemd,
    dir: TempDir,
}

fn address(dir: &TempDir) -> String {
    format!("unix:path={}", dir.path().join("bus").display())
}

impl Bench {
    fn new(world: SystemdWorld, change: impl FnOnce(&mut SystemdArguments)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fake = FakeSystemd::start(&dir.path().join("bus"), world);
        let mut args = SystemdArguments { bus_address: address(&dir), ..SystemdArguments::default() };
        change(&mut args);
        let health = Health::default();
        Self { exporter: Exporter::new(&args, health.clone()).unwrap(), health, fake, dir }
    }

    /// The samples.
    async fn scrape(&self) -> Vec<String> {
        scrape(&self.exporter, Duration::from_secs(60)).await
    }
}

async fn scrape(exporter: &Exporter, timeout: Duration) -> Vec<String> {
    let request = ScrapeRequest { params: Vec::new(), timeout };
    let body = exporter.expose(request).await.unwrap().body;
    let text = String::from_utf8(body.to_vec()).unwrap();
    let wanted = |line: &&str| !line.starts_with('#') && !line.contains("_duration_") && !line.contains("_build_info");
    text.lines().filter(wanted).map(str::to_owned).collect()
}

fn service(name: &str, active: &'static str) -> SystemdUnit {
    SystemdUnit::new(name, active)
        .with("Unit", "ActiveEnterTimestamp", 1_700_000_000_500_000_u64)
        .with("Unit", "InactiveExitTimestamp", 1_699_999_999_000_000_u64)
        .with("Unit", "ActiveExitTimestamp", 0_u64)
        .with("Unit", "InactiveEnterTimestamp", 0_u64)
        .with("Service", "Type", "notify")
        .with("Service", "TasksMax", 4_915_u64)
        .with("Service", "TasksCurrent", 7_u64)
        .with("Service", "NRestarts", 3_u32)
        .with("Service", "IPIngressBytes", 1_000_u64)
        .with("Service", "IPEgressBytes", 2_000_u64)
        .with("Service", "IPIngressPackets", 10_u64)
        .with("Service", "IPEgressPackets", u64::MAX)
}

fn world(units: Vec<SystemdUnit>) -> SystemdWorld {
    let manager = [
        ("SystemState", zbus::zvariant::Value::from("degraded")),
        ("WatchdogDevice", "/dev/watchdog0".into()),
        ("WatchdogLastPingTimestamp", 1_700_000_000_000_000_u64.into()),
        ("WatchdogLastPingTimestampMonotonic", 12_000_000_u64.into()),
        ("RuntimeWatchdogUSec", 30_000_000_u64.into()),
        ("UserspaceTimestamp", 1_699_999_990_000_000_u64.into()),
        ("UserspaceTimestampMonotonic", 2_500_000_u64.into()),
    ];
    let manager = manager.map(|(name, value)| (name.to_owned(), value.try_into_owned().unwrap())).into();
    SystemdWorld { units, manager, ..SystemdWorld::default() }
}

fn machine() -> SystemdWorld {
    world(vec![
        service("web-1.service", "active"),
        service("idle.service", "inactive").with("Service", "TasksMax", u64::MAX),
        SystemdUnit::new("broken.service", "failed").with("Service", "Type", "oneshot"),
        SystemdUnit::new("gone.service", "inactive").not_found(),
        SystemdUnit::new("dev-sda.device", "active"),
        SystemdUnit::new("srv.mount", "active").with("Mount", "Type", "ext4"),
        SystemdUnit::new("backup.timer", "active").with("Timer", "LastTriggerUSec", 1_700_000_100_000_000_u64),
        SystemdUnit::new("dbus.socket", "active").with("Socket", "Accept", false),
        SystemdUnit::new("ssh.socket", "active")
            .with("Socket", "Accept", true)
            .with("Socket", "NAccepted", 5_u32)
            .with("Socket", "NConnections", 2_u32)
            .with("Socket", "NRefused", 1_u32),
        SystemdUnit::new("multi-user.target", "activating"),
    ])
}

#[tokio::test]
async fn units_become_the_families_of_systemd_exporter() {
    let bench = Bench::new(machine(), |args| (args.enable_restarts, args.enable_ip_accounting) = (true, true));
    let samples = bench.scrape().await;
    let expected: Vec<_> = include_str!("tests.prom").lines().collect();
    assert_eq!(samples, expected, "{}", samples.join("\n"));
    assert_eq!(bench.health.report().unwrap().state, HealthState::Healthy);
}

#[tokio::test]
async fn by_default_restarts_and_traffic_are_left_out_and_names_can_be_chosen() {
    let bench = Bench::new(machine(), |args| args.unit_include = "web.*|idle.service".to_owned());
    let samples = bench.scrape().await;
    assert!(!samples.iter().any(|line| line.contains("_restart_") || line.contains("_ip_")), "{samples:?}");
    assert!(samples.contains(&"systemd_units_total 2".to_owned()), "{samples:?}");
    assert!(!samples.iter().any(|line| line.contains("broken")), "{samples:?}");
}

#[tokio::test]
async fn what_cannot_have_changed_is_not_asked_again() {
    let bench = Bench::new(machine(), |_| {});
    let first = bench.scrape().await;
    assert!(bench.fake.take_calls().len() > 20);
    assert_eq!(bench.scrape().await, first);
    let path = |name: &str| format!("/org/freedesktop/systemd1/unit/{name}");
    let service = "org.freedesktop.systemd1.Service.TasksCurrent of";
    let socket = |property: &str| format!("org.freedesktop.systemd1.Socket.{property} of {}", path("ssh_socket"));
    let again = [
        "ListUnits".to_owned(),
        "org.freedesktop.systemd1.Manager of /org/freedesktop/systemd1".to_owned(),
        format!("{service} {}", path("broken_service")),
        format!("{service} {}", path("web_1_service")),
        socket("NAccepted"),
        socket("NConnections"),
        socket("NRefused"),
    ];
    assert_eq!(bench.fake.take_calls(), again);
}

#[tokio::test]
async fn a_unit_that_has_changed_is_asked_again() {
    let bench = Bench::new(world(vec![service("a.service", "active"), service("b.service", "active")]), |_| {});
    bench.scrape().await;
    let path = bench.fake.world().units[0].path();
    bench.fake.world().units[0].set("Unit", "ActiveEnterTimestamp", 1_800_000_000_000_000_u64);
    bench.fake.changed(&path).await;
    // The signal and the answer of the next scrape's first call come over one connection, in order; the listener's
    // task may still be a moment behind.
    let expected = "systemd_unit_start_time_seconds{name=\"a.service\",type=\"service\"} 1.8e+09".to_owned();
    let mut tries = 0;
    while !bench.scrape().await.contains(&expected) {
        tries += 1;
        assert!(tries < 1_000, "the change has gone by unseen");
        tokio::task::yield_now().await;
    }
    let asked = bench.fake.take_calls();
    let times = |unit: &str| {
        asked
            .iter()
            .filter(|call| **call == format!("org.freedesktop.systemd1.Unit.ActiveEnterTimestamp of {unit}"))
            .count()
    };
    assert_eq!(
        (times("/org/freedesktop/systemd1/unit/a_service"), times("/org/freedesktop/systemd1/unit/b_service")),
        (2, 1)
    );
}

#[tokio::test]
async fn without_a_bus_the_scrape_says_so_and_the_next_finds_the_bus_that_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let args = SystemdArguments { bus_address: address(&dir), ..SystemdArguments::default() };
    let health = Health::default();
    let exporter = Exporter::new(&args, health.clone()).unwrap();
    assert_eq!(scrape(&exporter, Duration::from_secs(60)).await, ["systemd_exporter_scrape_success 0"]);
    assert_eq!(health.report().unwrap().state, HealthState::Unhealthy);
    let _fake = FakeSystemd::start(&dir.path().join("bus"), machine());
    assert!(scrape(&exporter, Duration::from_secs(60)).await.contains(&"systemd_units_failed 1".to_owned()));
    assert_eq!(health.report().unwrap().state, HealthState::Healthy);
}

#[tokio::test]
async fn a_bus_that_hangs_up_is_called_again() {
    let bench = Bench::new(machine(), |_| {});
    let first = bench.scrape().await;
    bench.fake.hang_up().await;
    assert_eq!(bench.scrape().await, first, "the scrape that notices is the one that calls again");
    drop(bench.dir);
}

#[tokio::test]
async fn questions_without_an_answer_cost_their_deadline_and_leave_the_rest() {
    let mut world = machine();
    world.silent = vec!["Get"];
    let bench = Bench::new(world, |_| {});
    let samples = scrape(&bench.exporter, Duration::from_millis(300)).await;
    assert!(samples.contains(&"systemd_units_failed 1".to_owned()), "{samples:?}");
    assert!(samples.contains(&"systemd_exporter_scrape_success 0".to_owned()), "{samples:?}");
    assert!(bench.health.report().unwrap().message.contains("has not answered"));
}

#[tokio::test]
async fn scrapes_at_the_same_time_see_the_same() {
    let bench = Arc::new(Bench::new(machine(), |_| {}));
    let both = [Arc::clone(&bench), bench].map(|bench| tokio::spawn(async move { bench.scrape().await }));
    let [one, two] = both;
    assert_eq!(one.await.unwrap(), two.await.unwrap());
}

#[test]
fn an_expression_that_is_none_is_told() {
    let args = SystemdArguments { unit_include: "(".to_owned(), ..SystemdArguments::default() };
    assert!(Exporter::new(&args, Health::default()).err().unwrap().contains("error parsing regexp"));
}
