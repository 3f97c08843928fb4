//! Metrics of the process and the machine, read from `/proc` when somebody looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corten_component::metrics::{MetricKind, Registry};
use corten_signal::exposition::build_labels;

/// One look at `/proc`. What cannot be read is zero.
#[derive(Debug, Clone, Default, PartialEq)]
struct Sample {
    cpu_seconds: f64,
    start_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    threads: f64,
    open_files: f64,
    max_files: f64,
    max_virtual_bytes: f64,
    received_bytes: f64,
    sent_bytes: f64,
}

impl Sample {
    fn take() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let mut sample = Self {
            open_files: std::fs::read_dir("/proc/self/fd").map_or(0.0, |entries| entries.count() as f64),
            ..Self::default()
        };
        let ticks = rustix::param::clock_ticks_per_second().max(1) as f64;
        sample.read_stat(
            &read("/proc/self/stat"),
            boot_seconds(&read("/proc/stat")),
            ticks,
            rustix::param::page_size(),
        );
        let limits = read("/proc/self/limits");
        sample.max_files = limit(&limits, "Max open files");
        sample.max_virtual_bytes = limit(&limits, "Max address space");
        (sample.received_bytes, sample.sent_bytes) = network_bytes(&read("/proc/net/dev"));
        sample
    }

    /// `/proc/self/stat`, proc_pid_stat(5). The command name may hold anything, so fields count from its last `)`.
    fn read_stat(&mut self, stat: &str, boot: f64, ticks: f64, page: usize) {
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        // Field 3 of the manual page is the first after the name.
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        self.cpu_seconds = (field(14) + field(15)) / ticks;
        self.threads = field(20);
        self.start_seconds = boot + field(22) / ticks;
        self.virtual_bytes = field(23);
        self.resident_bytes = field(24) * page as f64;
    }
}

fn boot_seconds(stat: &str) -> f64 {
    stat.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|text| text.trim().parse().ok()).unwrap_or(0.0)
}

/// The soft limit of a line of `/proc/self/limits`; none is the largest number, as other clients report it.
fn limit(limits: &str, name: &str) -> f64 {
    let value = limits.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next());
    match value {
        Some("unlimited") => u64::MAX as f64,
        Some(text) => text.parse().unwrap_or(0.0),
        None => 0.0,
    }
}

/// Received and sent bytes of all interfaces but loopback.
fn network_bytes(table: &str) -> (f64, f64) {
    let mut total = (0.0, 0.0);
    for (name, numbers) in table.lines().filter_map(|line| line.split_once(':')) {
        let numbers: Vec<f64> = numbers.split_whitespace().filter_map(|text| text.parse().ok()).collect();
        if let (false, Some(received), Some(sent)) = (name.trim() == "lo", numbers.first(), numbers.get(8)) {
            total.0 += received;
            total.1 += sent;
        }
    }
    total
}

/// The last sample, so that one scrape of twelve series looks once.
#[derive(Default)]
struct Recent(Mutex<Option<(Instant, Sample)>>);

const FRESH: Duration = Duration::from_millis(200);

impl Recent {
    fn read(&self, pick: fn(&Sample) -> f64) -> f64 {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*recent {
            Some((when, sample)) if when.elapsed() < FRESH => pick(sample),
            _ => pick(&recent.insert((Instant::now(), Sample::take())).1),
        }
    }
}

type Row = (&'static str, MetricKind, &'static str, fn(&Sample) -> f64);

const ROWS: &[Row] = &[
    (
        "alloy_resources_process_cpu_seconds_total",
        MetricKind::Counter,
        "User and system CPU time of the process, in seconds.",
        |s| s.cpu_seconds,
    ),
    (
        "alloy_resources_process_resident_memory_bytes",
        MetricKind::Gauge,
        "Resident memory of the process, in bytes.",
        |s| s.resident_bytes,
    ),
    (
        "alloy_resources_process_virtual_memory_bytes",
        MetricKind::Gauge,
        "Virtual memory of the process, in bytes.",
        |s| s.virtual_bytes,
    ),
    (
        "alloy_resources_process_start_time_seconds",
        MetricKind::Gauge,
        "When the process started, in seconds since the epoch.",
        |s| s.start_seconds,
    ),
    (
        "alloy_resources_machine_rx_bytes_total",
        MetricKind::Counter,
        "Bytes received by the machine over all network interfaces but loopback.",
        |s| s.received_bytes,
    ),
    (
        "alloy_resources_machine_tx_bytes_total",
        MetricKind::Counter,
        "Bytes sent by the machine over all network interfaces but loopback.",
        |s| s.sent_bytes,
    ),
    ("process_cpu_seconds_total", MetricKind::Counter, "User and system CPU time of the process, in seconds.", |s| {
        s.cpu_seconds
    }),
    ("process_resident_memory_bytes", MetricKind::Gauge, "Resident memory of the process, in bytes.", |s| {
        s.resident_bytes
    }),
    ("process_virtual_memory_bytes", MetricKind::Gauge, "Virtual memory of the process, in bytes.", |s| {
        s.virtual_bytes
    }),
    (
        "process_virtual_memory_max_bytes",
        MetricKind::Gauge,
        "The most virtual memory that the process may have, in bytes.",
        |s| s.max_virtual_bytes,
    ),
    ("process_start_time_seconds", MetricKind::Gauge, "When the process started, in seconds since the epoch.", |s| {
        s.start_seconds
    }),
    ("process_open_fds", MetricKind::Gauge, "Open file descriptors of the process.", |s| s.open_files),
    ("process_max_fds", MetricKind::Gauge, "The most file descriptors that the process may have.", |s| s.max_files),
    ("process_threads", MetricKind::Gauge, "Threads of the process.", |s| s.threads),
];

/// Registers the metrics of process and machine, and `alloy_build_info`.
pub(crate) fn register(registry: &Registry) {
    let scope = registry.process();
    let recent = Arc::new(Recent::default());
    for (name, kind, help, pick) in ROWS {
        let recent = Arc::clone(&recent);
        scope.function(name, help, *kind, &[], move || recent.read(*pick));
    }
    // Alloy's name and labels, so that its dashboards work.
    let labels = build_labels(crate::VERSION, crate::REVISION);
    scope.gauge("alloy_build_info", "What was built; always 1.", &labels).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let mut sample = Sample::default();
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 1000 8192000 300 1844";
        sample.read_stat(stat, 1_000.0, 100.0, 4096);
        assert_eq!(sample.cpu_seconds, 3.0);
        assert_eq!(sample.threads, 7.0);
        assert_eq!(sample.start_seconds, 1_010.0);
        assert_eq!(sample.virtual_bytes, 8_192_000.0);
        assert_eq!(sample.resident_bytes, 300.0 * 4096.0);
    }

    #[test]
    fn loopback_traffic_is_not_the_network() {
        let table = "Inter-| Receive | Transmit\n face |bytes packets|bytes\n\
            \x20   lo: 500 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n  eth0: 1000 5 0 0 0 0 0 0 2000 5 0 0 0 0 0 0\n\
            wlan0:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n";
        assert_eq!(network_bytes(table), (1010.0, 2020.0));
    }

    #[test]
    fn limits_are_read_by_name() {
        let limits = "Limit Soft Hard Units\nMax open files            1024                 524288               files\n\
            Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(limit(limits, "Max open files"), 1024.0);
        assert_eq!(limit(limits, "Max address space"), u64::MAX as f64);
        assert_eq!(limit("", "Max open files"), 0.0);
    }

    #[test]
    fn this_process_has_memory_and_files() {
        let sample = Sample::take();
        assert!(sample.resident_bytes > 100_000.0 && sample.resident_bytes < sample.virtual_bytes, "{sample:?}");
        assert!(sample.open_files >= 3.0 && sample.threads >= 1.0 && sample.start_seconds > 1e9, "{sample:?}");
    }
}
