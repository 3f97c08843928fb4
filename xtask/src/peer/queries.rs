//! The queries of a workstation's dashboards and alerts, put to a Prometheus that the collector writes to: which answer
//! here, and what this machine lacks for the others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::program::{Program, free_addresses, http};
use crate::{process, test, workspace};

/// What a query may need that a machine may lack.
#[derive(Clone, Copy)]
struct Need {
    what: &'static str,
    signs: Signs,
}

/// How it is seen that nothing is lacking.
#[derive(Clone, Copy)]
enum Signs {
    /// One of these exists.
    Places(&'static [&'static str]),
    /// One of these files speaks of what the family is named after.
    Lines(&'static [&'static str]),
}

impl Need {
    const fn one(what: &'static str, places: &'static [&'static str]) -> Self {
        Self { what, signs: Signs::Places(places) }
    }

    fn is_met(self, family: &str) -> bool {
        match self.signs {
            Signs::Places(places) => places.iter().any(|place| Path::new(place).exists()),
            Signs::Lines(files) => {
                // `node_memory_Active_file_bytes` is of `Active(file)`, `node_netstat_Tcp_MaxConn` of `MaxConn`.
                let name = family.trim_start_matches("node_memory_").trim_end_matches("_bytes");
                let name = name
                    .rsplit_once("node_netstat_")
                    .map_or(name, |(_, rest)| rest.split('_').next_back().unwrap_or(rest));
                let text = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect::<String>();
                text.replace('(', "_").replace(')', "").split([' ', ':', '\n', '\t']).any(|word| word == name)
            }
        }
    }
}

const NOTHING: Need = Need::one("", &["/"]);
const BUS: Need = Need::one("a systemd to be asked over D-Bus", &["/run/dbus/system_bus_socket"]);
const SENSORS: Need = Need::one("sensors", &["/sys/class/hwmon/hwmon0"]);
const COOLING: Need = Need::one("fans and zones that the kernel cools", &["/sys/class/thermal/cooling_device0"]);
const SUPPLIES: Need = Need::one("a battery or a mains adapter", &["/sys/class/power_supply/AC"]);
const SCALING: Need = Need::one("a CPU whose frequency the kernel sets", &["/sys/devices/system/cpu/cpu0/cpufreq"]);
const SCHEDSTAT: Need = Need::one("a kernel that counts waiting for CPUs", &["/proc/schedstat"]);
const PRESSURE: Need = Need::one("a kernel with pressure stall information", &["/proc/pressure/cpu"]);
const INTERRUPTS: Need = Need::one("a kernel that counts stalls by interrupts", &["/proc/pressure/irq"]);
const HUNG: Need = Need::one("a kernel that counts hung tasks", &["/proc/sys/kernel/hung_task_detect_count"]);
const MEMORY: Need = Need { what: "the line in /proc/meminfo", signs: Signs::Lines(&["/proc/meminfo"]) };
const COUNTERS: Need = Need {
    what: "the field in /proc/net",
    signs: Signs::Lines(&["/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6"]),
};

/// The examples, alerts and panels of a NixOS workstation.
const QUERIES: [(&str, Need); 27] = [
    (r#"100 - (avg by (instance) (irate(node_cpu_seconds_total{mode="idle"}[5m])) * 100)"#, NOTHING),
    ("(1 - (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) * 100", NOTHING),
    (
        r#"(1 - (node_filesystem_avail_bytes{fstype!="tmpfs"} / node_filesystem_size_bytes{fstype!="tmpfs"})) * 100"#,
        NOTHING,
    ),
    ("nixos_store_size_bytes", NOTHING),
    ("nixos_generations_total", NOTHING),
    ("nixos_generation_current", NOTHING),
    ("nixos_store_derivations_total", NOTHING),
    ("nixos_gc_roots_total", NOTHING),
    ("nixos_channels_total", NOTHING),
    ("nixos_boot_entries_total", NOTHING),
    ("nixos_last_rebuild_timestamp", NOTHING),
    ("systemd_units_total", BUS),
    ("systemd_units_active", BUS),
    ("systemd_units_failed", BUS),
    ("systemd_unit_state", BUS),
    ("systemd_system_state", BUS),
    ("nixos_nix_daemon_active", BUS),
    (r#"up{job="node-exporter"} == 1"#, NOTHING),
    ("up", NOTHING),
    ("rate(node_network_receive_bytes_total[5m])", NOTHING),
    ("rate(node_network_transmit_bytes_total[5m])", NOTHING),
    ("node_load1 + node_load5 + node_load15", NOTHING),
    ("rate(node_disk_io_time_seconds_total[5m])", NOTHING),
    ("node_processes_threads", NOTHING),
    ("node_hwmon_temp_celsius", SENSORS),
    ("node_power_supply_capacity", SUPPLIES),
    (r#"node_systemd_units{state="failed"}"#, BUS),
];

/// What families of the dashboard need, by how their names begin; the first that fits.
const FAMILIES: [(&str, Need); 13] = [
    ("node_hwmon_", SENSORS),
    ("node_cooling_device_", COOLING),
    ("node_cpu_scaling_", SCALING),
    ("node_power_supply_", SUPPLIES),
    ("node_schedstat_", SCHEDSTAT),
    ("node_pressure_irq_", INTERRUPTS),
    ("node_pressure_", PRESSURE),
    ("node_systemd_", BUS),
    ("node_kernel_hung_", HUNG),
    ("node_thermal_zone_", COOLING),
    ("node_cpu_core_throttles_", SCALING),
    ("node_memory_", MEMORY),
    ("node_netstat_", COUNTERS),
];

/// What the dashboard asks for by a name that no node_exporter of today has.
const RENAMED: &str = "node_kernel_hung_tasks";

pub(super) fn run() -> Result<()> {
    ensure!(process::says("prometheus", &["--version"]).is_some(), "Prometheus is not installed");
    let corten = corten()?;
    let folder = workspace::target()?.join("peers").join("queries");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let addresses = free_addresses::<8>()?;
    let [server, own, nixos, systemd, ..] = addresses;
    std::fs::write(folder.join("workstation.alloy"), configuration(&addresses)?)?;
    recorded_nixos(&folder.join("root"))?;

    let mut prometheus = super::prometheus::start(Path::new("prometheus"), &folder, server, &[])?;
    let exporter = |name: &'static str, listen: SocketAddr, flags: &[String]| {
        let mut command = Command::new(&corten);
        command.arg("exporter").arg(name).arg(format!("--listen={listen}")).args(flags);
        Program::start(name, &mut command, &folder.join(format!("{name}.log")))
    };
    let rootfs = format!("--path.rootfs={}", folder.join("root").display());
    let _nixos = exporter("nixos", nixos, &[rootfs])?;
    let _systemd = exporter("systemd", systemd, &[])?;
    let mut command = Command::new(&corten);
    command.arg("run").arg(folder.join("workstation.alloy")).arg(format!("--server.http.listen-addr={own}"));
    command.arg(format!("--storage.path={}", folder.join("corten-data").display())).env_remove("HOSTNAME");
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let collector = Program::start("corten", &mut command, &folder.join("corten.log"))?;

    // Three scrapes: a rate needs two, and one may be under way.
    let times = |count: usize| {
        let answer = query(server, r#"node_load1{job="node-exporter"}[10m]"#).ok()?;
        let series = workspace::list(&answer["data"], "result").first()?;
        let times: Vec<f64> = workspace::list(series, "values").iter().filter_map(|pair| pair[0].as_f64()).collect();
        (times.len() >= count).then_some(times)
    };
    let first = prometheus.until("the first sample", || times(1))?[0];
    prometheus.until("the second sample", || times(2))?;
    let times = prometheus.until("the third sample", || times(3))?;
    let steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!(
        "peer | the first sample is of {:.1} s after the start, the next {steps:?} s apart",
        first - started.as_secs_f64()
    );
    ensure!(steps.iter().all(|step| (step - 15.0).abs() < 1.0), "the file says 15 s");

    let mut report = Report::default();
    for (text, need) in QUERIES {
        report.put(server, text, "", need)?;
    }
    let list = workspace::root().join("crates/source-node/tests/fixtures/dashboard.txt");
    let list = std::fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    for name in list.lines().filter(|line| !line.starts_with('#') && *line != RENAMED) {
        let need = FAMILIES.iter().find(|(start, _)| name.starts_with(start)).map_or(NOTHING, |(_, need)| *need);
        report.put(server, &format!("count({name}{{job=\"node-exporter\"}})"), name, need)?;
    }
    collector.stop()?;
    prometheus.stop()?;
    report.finish()
}

/// The binary that `CORTEN` names, or a debug build.
fn corten() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CORTEN") {
        return Ok(path.into());
    }
    test::toolchain::c_compiler()?;
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--package", "corten-pipeline", "--bins"]);
    process::run(&mut cargo)?;
    Ok(workspace::target()?.join("debug").join("corten"))
}

/// The workstation's file of the tests, with what the dashboard needs besides switched on.
fn configuration([server, _, nixos, systemd, grpc, http, near, far]: &[SocketAddr; 8]) -> Result<String> {
    let file = workspace::root().join("crates/pipeline/tests/configs/workstation.alloy");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let more = "enable_collectors = [\"systemd\", \"processes\", \"interrupts\", \"tcpstat\"]\n  include_exporter_metrics = true\n  cpu {\n    \
                guest = true\n  }\n  netstat {\n    fields = \".*\"\n  }";
    Ok(text
        .replace("enable_collectors = [\"systemd\", \"processes\"]", more)
        // The file drops them.
        .replace("node_scrape_collector_.*", "nothing")
        .replace("http://127.0.0.1:9009/api/v1/push", &format!("http://{server}/api/v1/write"))
        .replace("127.0.0.1:9101", &nixos.to_string())
        .replace("127.0.0.1:9102", &systemd.to_string())
        .replace("127.0.0.1:4317", &grpc.to_string())
        .replace("127.0.0.1:4318", &http.to_string())
        .replace("127.0.0.1:4320", &near.to_string())
        .replace("127.0.0.1:14318", &far.to_string()))
}

/// As much of a NixOS as the exporter looks at.
fn recorded_nixos(root: &Path) -> Result<()> {
    let profiles = root.join("nix/var/nix/profiles");
    let store = root.join("nix/store");
    for folder in ["boot/loader/entries", "nix/var/nix/gcroots/auto", "nix/var/nix/profiles/per-user/root"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::create_dir_all(store.join("x-nixos-system"))?;
    std::fs::write(store.join("x-nixos-system/nixos-version"), "26.05")?;
    std::fs::write(store.join("x-hello.drv"), "Derive()")?;
    std::fs::write(root.join("boot/loader/entries/nixos-generation-1.conf"), "title NixOS\n")?;
    std::os::unix::fs::symlink("/nix/store/x-nixos-system", profiles.join("system-1-link"))?;
    std::os::unix::fs::symlink("system-1-link", profiles.join("system"))?;
    Ok(())
}

fn query(server: SocketAddr, text: &str) -> Result<Value> {
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    Ok(serde_json::from_str(&http(server, "GET", &format!("/api/v1/query?query={escaped}"), "")?)?)
}

#[derive(Default)]
struct Report {
    answered: usize,
    /// By what is lacking.
    lacking: BTreeMap<&'static str, Vec<String>>,
    wrong: Vec<String>,
}

impl Report {
    fn put(&mut self, server: SocketAddr, text: &str, family: &str, need: Need) -> Result<()> {
        let answer = query(server, text).with_context(|| text.to_owned())?;
        if !workspace::list(&answer["data"], "result").is_empty() {
            self.answered += 1;
        } else if need.is_met(family) {
            self.wrong.push(text.to_owned());
        } else {
            self.lacking.entry(need.what).or_default().push(text.to_owned());
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        println!("peer | {} queries answer", self.answered);
        for (what, queries) in &self.lacking {
            println!("peer | {} do not, because this machine lacks {what}:", queries.len());
            queries.iter().for_each(|text| println!("peer |   {text}"));
        }
        if self.wrong.is_empty() {
            return Ok(());
        }
        bail!("these do not answer though nothing is lacking:\n{}", self.wrong.join("\n"))
    }
}
