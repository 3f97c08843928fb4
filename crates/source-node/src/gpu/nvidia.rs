//! Cards of NVIDIA, in the names of its DCGM exporter.

use corten_signal::exposition::host_name;

use super::nvml::{self, Device, Nvml};
use crate::families::{Families, Kind, Value};

const MIB: u64 = 1 << 20;

/// Adds what all cards say.
pub(super) fn collect(out: &mut Families, nvml: &Nvml) -> Result<(), String> {
    let driver = nvml.driver_version().unwrap_or_default();
    let host = host_name();
    for (index, device) in nvml.devices()? {
        let index = index.to_string();
        let minor = device.ask(&nvml::MINOR_NUMBER).map_or_else(|| index.clone(), |minor| minor.to_string());
        let (uuid, name) = (device.text(&nvml::UUID).unwrap_or_default(), device.text(&nvml::NAME).unwrap_or_default());
        let bus = device.ask(&nvml::PCI).map(|pci| pci.bus_id()).unwrap_or_default();
        let file = format!("nvidia{minor}");
        let labels = [
            ("DCGM_FI_DRIVER_VERSION", driver.as_str()),
            ("UUID", &uuid),
            ("device", &file),
            ("gpu", &index),
            ("hostname", &host),
            ("modelName", &name),
            ("pci_bus_id", &bus),
        ];
        Card { out, labels: &labels }.add(&device);
    }
    Ok(())
}

struct Card<'a> {
    out: &'a mut Families,
    labels: &'a [(&'a str, &'a str)],
}

impl Card<'_> {
    fn sample(&mut self, kind: Kind, name: &str, help: &str, value: Option<impl Value>) {
        if let Some(value) = value {
            self.out.sample(kind, &format!("DCGM_FI_DEV_{name}"), help, self.labels, value);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<impl Value>) {
        self.sample(Kind::Gauge, name, help, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: Option<impl Value>) {
        self.sample(Kind::Counter, name, help, value);
    }

    fn add(&mut self, device: &Device<'_>) {
        self.gauge("SM_CLOCK", "Clock of the multiprocessors, in MHz.", device.ask_by(&nvml::SM_CLOCK));
        self.gauge("MEM_CLOCK", "Clock of the memory, in MHz.", device.ask_by(&nvml::MEMORY_CLOCK));
        self.gauge("VIDEO_CLOCK", "Clock of encoder and decoder, in MHz.", device.ask_by(&nvml::VIDEO_CLOCK));
        self.gauge("GPU_TEMP", "Temperature of the card, in degrees Celsius.", device.ask_by(&nvml::TEMPERATURE));
        self.gauge("MEMORY_TEMP", "Temperature of the memory, in degrees Celsius.", device.memory_temperature());
        let watts = |milliwatts: Option<u32>| milliwatts.map(|milliwatts| f64::from(milliwatts) / 1000.0);
        self.gauge("POWER_USAGE", "Power that is drawn, in watts.", watts(device.ask(&nvml::POWER)));
        self.gauge("POWER_MGMT_LIMIT", "Power limit that is set, in watts.", watts(device.ask(&nvml::POWER_LIMIT)));
        let limit = watts(device.ask(&nvml::ENFORCED_LIMIT));
        self.gauge("ENFORCED_POWER_LIMIT", "Power limit that holds, in watts.", limit);
        let help = "Energy used since the driver was loaded, in thousandths of a joule.";
        self.counter("TOTAL_ENERGY_CONSUMPTION", help, device.ask(&nvml::ENERGY));
        self.gauge("FAN_SPEED", "Speed of the fan, in percent of its highest.", device.ask(&nvml::FAN));
        self.gauge("PSTATE", "Performance state: 0 is the highest.", device.ask(&nvml::PERFORMANCE_STATE));
        let help = "Why clocks are lower than they could be, a bit for each reason.";
        self.gauge("CLOCK_THROTTLE_REASONS", help, device.ask(&nvml::THROTTLE_REASONS));
        self.counter("PCIE_REPLAY_COUNTER", "Retries on the PCIe bus.", device.ask(&nvml::REPLAYS));
        let utilization = device.ask(&nvml::UTILIZATION);
        self.gauge("GPU_UTIL", "Time that the card worked, in percent.", utilization.map(|found| found.gpu));
        let help = "Time that memory was read or written, in percent.";
        self.gauge("MEM_COPY_UTIL", help, utilization.map(|found| found.memory));
        self.gauge("ENC_UTIL", "Time that the encoder worked, in percent.", device.encoder());
        self.gauge("DEC_UTIL", "Time that the decoder worked, in percent.", device.decoder());
        self.memory(device);
        self.errors(device);
    }

    fn memory(&mut self, device: &Device<'_>) {
        let (total, free, used, reserved) = match (device.memory2(), device.ask(&nvml::MEMORY)) {
            (Some(memory), _) => (memory.total, memory.free, memory.used, Some(memory.reserved)),
            (None, Some(memory)) => (memory.total, memory.free, memory.used, None),
            (None, None) => return,
        };
        self.gauge("FB_TOTAL", "Memory of the card, in MiB.", Some(total / MIB));
        self.gauge("FB_FREE", "Free memory of the card, in MiB.", Some(free / MIB));
        self.gauge("FB_USED", "Used memory of the card, in MiB.", Some(used / MIB));
        let help = "Memory of the card that the driver keeps, in MiB.";
        self.gauge("FB_RESERVED", help, reserved.map(|bytes| bytes / MIB));
    }

    fn errors(&mut self, device: &Device<'_>) {
        for (name, uncorrected, ever) in [
            ("ECC_SBE_VOL_TOTAL", false, false),
            ("ECC_DBE_VOL_TOTAL", true, false),
            ("ECC_SBE_AGG_TOTAL", false, true),
            ("ECC_DBE_AGG_TOTAL", true, true),
        ] {
            let what = if uncorrected { "could not be corrected" } else { "were corrected" };
            let since = if ever { "over the card's life" } else { "since the driver was loaded" };
            let help = format!("Errors of memory that {what}, {since}.");
            self.counter(name, &help, device.ecc_errors(uncorrected, ever));
        }
        if let Some(rows) = device.remapped_rows() {
            let help = "Rows of memory replaced after correctable errors.";
            self.counter("CORRECTABLE_REMAPPED_ROWS", help, Some(rows.correctable));
            let help = "Rows of memory replaced after uncorrectable errors.";
            self.counter("UNCORRECTABLE_REMAPPED_ROWS", help, Some(rows.uncorrectable));
            let help = "Whether a row of memory could not be replaced.";
            self.gauge("ROW_REMAP_FAILURE", help, Some(rows.has_failed));
        }
    }
}
