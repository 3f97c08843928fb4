//! Beside node_exporter on the same machine, where it is installed: what it says, we say too, with the same type, the
//! same labels and, where it does not change, the same value.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use corten_source_node::{Choice, Unix, UnixArguments};

/// Where Debian puts it.
const PROGRAM: &str = "prometheus-node-exporter";

/// What later versions than Debian's stable one (1.5.0) have, by the beginning of the name.
const LATER: &[&str] = &[
    // 1.6: the rest of softnet_stat. 1.10: its queue.
    "node_softnet_",
    // 1.7 and 1.9: more of mounts.
    "node_filesystem_mount_info",
    "node_filesystem_purgeable_bytes",
    // 1.8: watchdogs, xfs without a device.
    "node_watchdog_",
    // 1.8: CPUs that are online and those kept free.
    "node_cpu_online",
    "node_cpu_isolated",
    "node_cpu_frequency_avg_hertz",
    // 1.9 and later leave out fields of meminfo that we go on showing, as 1.5 does.
    "node_memory_",
    // 1.10: more fields.
    "node_netstat_",
    // 1.10 and later: new collectors.
    "node_kernel_hung_",
    "node_bcachefs_",
    "node_dmmultipath_",
    "node_pressure_irq_",
    "node_os_support_end_",
];

/// Labels that later versions have added.
const ADDED_LABELS: &[&str] = &["adminstate", "cntlid", "device_error", "ifalias", "rotational"];

/// Families whose values do not change while the test runs.
const STABLE: &[&str] = &[
    "node_boot_time_seconds",
    "node_cooling_device_max_state",
    "node_cpu_frequency_max_hertz",
    "node_cpu_frequency_min_hertz",
    "node_disk_info",
    "node_dmi_info",
    "node_entropy_pool_size_bits",
    "node_filefd_maximum",
    "node_filesystem_device_error",
    "node_filesystem_files",
    "node_filesystem_readonly",
    "node_filesystem_size_bytes",
    "node_memory_HugePages_Total",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_network_address_assign_type",
    "node_network_flags",
    "node_network_iface_id",
    "node_network_info",
    "node_network_mtu_bytes",
    "node_network_protocol_type",
    "node_network_speed_bytes",
    "node_network_up",
    "node_os_info",
    "node_os_version",
    "node_selinux_enabled",
    "node_textfile_scrape_error",
    "node_time_clocksource_available_info",
    "node_time_clocksource_current_info",
    "node_time_zone_offset_seconds",
    "node_timex_tick_seconds",
    "node_uname_info",
];

struct Theirs(Child);

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// Types of families, and values by family and labels.
#[derive(Default)]
struct Metrics {
    types: BTreeMap<String, String>,
    samples: BTreeMap<(String, BTreeMap<String, String>), String>,
}

fn parse(text: &str) -> Metrics {
    let mut metrics = Metrics::default();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            metrics.types.insert(name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let pairs = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\""));
            let labels = pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned()));
            // What later versions have added is not compared.
            let labels = labels.filter(|(name, _)| !ADDED_LABELS.contains(&&**name)).collect();
            metrics.samples.insert((name.to_owned(), labels), value.to_owned());
        }
    }
    let own = ["go_", "process_", "promhttp_", "node_exporter_build_info", "node_scrape_"];
    metrics.types.retain(|name, _| !own.iter().any(|own| name.starts_with(own)));
    metrics.samples.retain(|(name, _), _| !own.iter().any(|own| name.starts_with(own)));
    metrics
}

#[test]
fn what_node_exporter_says_of_this_machine_is_said() {
    let program = std::env::var("NODE_EXPORTER").unwrap_or_else(|_| PROGRAM.to_owned());
    let port = free_port();
    // Debian switches systemd on, which is not upstream's default.
    let child = Command::new(&program)
        .args([&format!("--web.listen-address=127.0.0.1:{port}"), "--no-collector.systemd"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        println!("skipped: {program} is not installed");
        return;
    };
    let _child = Theirs(child);
    let end = Instant::now() + Duration::from_secs(120);
    let theirs = loop {
        match get(port) {
            Some(text) => break parse(&text),
            None if Instant::now() > end => panic!("{program} does not answer"),
            None => std::thread::yield_now(),
        }
    };
    let mut args = UnixArguments::default();
    // Where our defaults are Alloy's, or wider than those of Debian's version.
    args.cpu.guest = true;
    args.disk.device_exclude = args.disk.device_exclude.replace("z?ram", "ram");
    let ours = parse(&Unix::new(&args).unwrap().gather(&Choice::default(), Duration::from_secs(60)));

    let missing: Vec<_> = theirs.types.iter().filter(|(name, kind)| ours.types.get(*name) != Some(kind)).collect();
    assert!(missing.is_empty(), "families that are missing or of another type: {missing:?}");
    let unexplained: BTreeSet<_> = ours.types.keys().filter(|name| !theirs.types.contains_key(*name)).collect();
    let unexplained: Vec<_> =
        unexplained.into_iter().filter(|name| !LATER.iter().any(|later| name.starts_with(later))).collect();
    assert!(unexplained.is_empty(), "families that node_exporter has in no version: {unexplained:?}");
    let stable = theirs.samples.iter().filter(|((name, _), _)| STABLE.contains(&&**name));
    let number = |text: &String| text.parse::<f64>().unwrap();
    let wrong: Vec<_> = stable
        .filter(|(series, value)| ours.samples.get(*series).map(number) != Some(number(value)))
        .map(|(series, value)| (series, value, ours.samples.get(series)))
        .collect();
    assert!(wrong.is_empty(), "stable values that differ: {wrong:#?}");
    // What changes has the same series: a process or a connection may come, but devices and CPUs stay.
    let gone: Vec<_> = theirs.samples.keys().filter(|series| !ours.samples.contains_key(*series)).collect();
    assert!(gone.is_empty(), "series that are missing: {gone:#?}");
}
