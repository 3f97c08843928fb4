//! What the user writes in `prometheus.exporter.unix`.

use std::time::Duration;

use corten_component::Arguments;

/// The arguments of `prometheus.exporter.unix`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct UnixArguments {
    /// Collectors to leave out.
    pub disable_collectors: Vec<String>,
    /// Collectors to add; this wins over `disable_collectors`.
    pub enable_collectors: Vec<String>,
    /// Whether metrics of the exporter itself are added (`process_*`, `promhttp_*`).
    pub include_exporter_metrics: bool,
    /// Where the machine's `/proc` is.
    pub procfs_path: String,
    /// Where the machine's `/` is.
    pub rootfs_path: String,
    /// The collectors to start from instead of those that are enabled by default.
    pub set_collectors: Vec<String>,
    /// Where the machine's `/sys` is.
    pub sysfs_path: String,
    /// Where udev's database is.
    pub udev_data_path: String,
    /// The `arp` collector.
    #[arg(block)]
    pub arp: ArpBlock,
    /// The `bcache` collector.
    #[arg(block)]
    pub bcache: BcacheBlock,
    /// The `cpu` collector.
    #[arg(block)]
    pub cpu: CpuBlock,
    /// The `diskstats` collector.
    #[arg(block)]
    pub disk: DiskBlock,
    /// The `ethtool` collector.
    #[arg(block)]
    pub ethtool: EthtoolBlock,
    /// The `filesystem` collector.
    #[arg(block)]
    pub filesystem: FilesystemBlock,
    /// The `hwmon` collector.
    #[arg(block)]
    pub hwmon: HwmonBlock,
    /// The `ipvs` collector.
    #[arg(block)]
    pub ipvs: IpvsBlock,
    /// The `ntp` collector.
    #[arg(block)]
    pub ntp: NtpBlock,
    /// The `netclass` collector.
    #[arg(block)]
    pub netclass: NetclassBlock,
    /// The `netdev` collector.
    #[arg(block)]
    pub netdev: NetdevBlock,
    /// The `netstat` collector.
    #[arg(block)]
    pub netstat: NetstatBlock,
    /// The `perf` collector.
    #[arg(block)]
    pub perf: PerfBlock,
    /// The `powersupplyclass` collector.
    #[arg(block)]
    pub powersupply: PowersupplyBlock,
    /// The `runit` collector.
    #[arg(block)]
    pub runit: RunitBlock,
    /// The `supervisord` collector.
    #[arg(block)]
    pub supervisord: SupervisordBlock,
    /// The `sysctl` collector.
    #[arg(block)]
    pub sysctl: SysctlBlock,
    /// The `systemd` collector.
    #[arg(block)]
    pub systemd: SystemdBlock,
    /// The `tapestats` collector.
    #[arg(block)]
    pub tapestats: TapestatsBlock,
    /// The `textfile` collector.
    #[arg(block)]
    pub textfile: TextfileBlock,
    /// The `vmstat` collector.
    #[arg(block)]
    pub vmstat: VmstatBlock,
}

impl Default for UnixArguments {
    fn default() -> Self {
        Self {
            disable_collectors: Vec::new(),
            enable_collectors: Vec::new(),
            include_exporter_metrics: false,
            procfs_path: "/proc".into(),
            rootfs_path: "/".into(),
            set_collectors: Vec::new(),
            sysfs_path: "/sys".into(),
            udev_data_path: "/run/udev/data".into(),
            arp: ArpBlock::default(),
            bcache: BcacheBlock::default(),
            cpu: CpuBlock::default(),
            disk: DiskBlock::default(),
            ethtool: EthtoolBlock::default(),
            filesystem: FilesystemBlock::default(),
            hwmon: HwmonBlock::default(),
            ipvs: IpvsBlock::default(),
            ntp: NtpBlock::default(),
            netclass: NetclassBlock::default(),
            netdev: NetdevBlock::default(),
            netstat: NetstatBlock::default(),
            perf: PerfBlock::default(),
            powersupply: PowersupplyBlock::default(),
            runit: RunitBlock::default(),
            supervisord: SupervisordBlock::default(),
            sysctl: SysctlBlock::default(),
            systemd: SystemdBlock::default(),
            tapestats: TapestatsBlock::default(),
            textfile: TextfileBlock::default(),
            vmstat: VmstatBlock::default(),
        }
    }
}

/// `arp`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct ArpBlock {
    /// Devices to leave out (a regular expression).
    pub device_exclude: String,
    /// Only these devices (a regular expression).
    pub device_include: String,
    /// Whether neighbours are asked for by netlink instead of read from `net/arp`.
    pub netlink: bool,
}

/// `bcache`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct BcacheBlock {
    /// Whether priority statistics are read, which is slow.
    pub priority_stats: bool,
}

/// `cpu`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct CpuBlock {
    /// Which bugs of the CPU are shown (a regular expression); switches `info` on.
    pub bugs_include: String,
    /// Which flags of the CPU are shown (a regular expression); switches `info` on.
    pub flags_include: String,
    /// Whether time spent in guests is shown apart.
    pub guest: bool,
    /// Whether what `cpuinfo` says of each CPU is shown.
    pub info: bool,
}

/// `disk`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct DiskBlock {
    /// Devices to leave out (a regular expression).
    pub device_exclude: String,
    /// Only these devices (a regular expression); `device_exclude` has no effect then.
    pub device_include: String,
}

impl Default for DiskBlock {
    fn default() -> Self {
        let device_exclude = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$".into();
        Self { device_exclude, device_include: String::new() }
    }
}

/// `ethtool`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct EthtoolBlock {
    /// Devices to leave out (a regular expression).
    pub device_exclude: String,
    /// Only these devices (a regular expression).
    pub device_include: String,
    /// Only these statistics (a regular expression).
    pub metrics_include: String,
}

impl Default for EthtoolBlock {
    fn default() -> Self {
        Self { device_exclude: String::new(), device_include: String::new(), metrics_include: ".*".into() }
    }
}

/// `filesystem`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct FilesystemBlock {
    /// Types of file systems to leave out (a regular expression).
    pub fs_types_exclude: String,
    /// Mount points to leave out (a regular expression).
    pub mount_points_exclude: String,
    /// How long a mount may take to answer before it is said to be stuck.
    pub mount_timeout: Duration,
}

impl Default for FilesystemBlock {
    fn default() -> Self {
        Self {
            fs_types_exclude: "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|\
                iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|\
                tracefs)$"
                .into(),
            mount_points_exclude: "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|\
                var/lib/containers/storage/.+)($|/)"
                .into(),
            mount_timeout: Duration::from_secs(5),
        }
    }
}

/// `hwmon`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct HwmonBlock {
    /// Chips to leave out (a regular expression).
    pub chip_exclude: String,
    /// Only these chips (a regular expression).
    pub chip_include: String,
}

/// `ipvs`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct IpvsBlock {
    /// The labels of backends; without a label, backends that differ in it alone are added up.
    pub backend_labels: Vec<String>,
}

impl Default for IpvsBlock {
    fn default() -> Self {
        let labels = ["local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"];
        Self { backend_labels: labels.map(str::to_owned).to_vec() }
    }
}

/// `ntp`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct NtpBlock {
    /// The hop limit of questions.
    pub ip_ttl: i64,
    /// How far the local clock may be off while it counts as sane.
    pub local_offset_tolerance: Duration,
    /// How far the root of time may be away while the server counts as sane.
    pub max_distance: Duration,
    /// The protocol's version.
    pub protocol_version: i64,
    /// Whether the server may be elsewhere than on this machine.
    pub server_is_local: bool,
    /// The server to ask.
    pub server: String,
}

impl Default for NtpBlock {
    fn default() -> Self {
        Self {
            ip_ttl: 1,
            local_offset_tolerance: Duration::from_millis(1),
            max_distance: Duration::from_micros(3_466_080),
            protocol_version: 4,
            server_is_local: false,
            server: "127.0.0.1".into(),
        }
    }
}

/// `netclass`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct NetclassBlock {
    /// Whether the speed of devices that do not know it is left out.
    pub ignore_invalid_speed_device: bool,
    /// Devices to leave out (a regular expression).
    pub ignored_devices: String,
}

impl Default for NetclassBlock {
    fn default() -> Self {
        Self { ignore_invalid_speed_device: false, ignored_devices: "^$".into() }
    }
}

/// `netdev`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct NetdevBlock {
    /// Whether the devices' addresses are shown.
    pub address_info: bool,
    /// Devices to leave out (a regular expression).
    pub device_exclude: String,
    /// Only these devices (a regular expression).
    pub device_include: String,
}

/// `netstat`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct NetstatBlock {
    /// Which fields are shown (a regular expression of `Protocol_Field`).
    pub fields: String,
}

impl Default for NetstatBlock {
    fn default() -> Self {
        let fields = "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|\
            TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
            Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|\
            Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$";
        Self { fields: fields.into() }
    }
}

/// `perf`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct PerfBlock {
    /// The cache profilers to run; all if none is named.
    pub cache_profilers: Vec<String>,
    /// The CPUs to watch (`0-3,5`); all if empty.
    pub cpus: String,
    /// Whether cache profilers are left out.
    pub disable_cache_profilers: bool,
    /// Whether hardware profilers are left out.
    pub disable_hardware_profilers: bool,
    /// Whether software profilers are left out.
    pub disable_software_profilers: bool,
    /// The hardware profilers to run; all if none is named.
    pub hardware_profilers: Vec<String>,
    /// The software profilers to run; all if none is named.
    pub software_profilers: Vec<String>,
    /// Tracepoints to count (`subsystem:event`).
    pub tracepoint: Vec<String>,
}

/// `powersupply`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct PowersupplyBlock {
    /// Supplies to leave out (a regular expression).
    pub ignored_supplies: String,
}

impl Default for PowersupplyBlock {
    fn default() -> Self {
        Self { ignored_supplies: "^$".into() }
    }
}

/// `runit`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct RunitBlock {
    /// Where services are.
    pub service_dir: String,
}

impl Default for RunitBlock {
    fn default() -> Self {
        Self { service_dir: "/etc/service".into() }
    }
}

/// `supervisord`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct SupervisordBlock {
    /// Where its XML-RPC is: `http://...` or `unix:///path`. The environment variable `SUPERVISORD_URL` is the default's
    /// default.
    pub url: String,
}

impl Default for SupervisordBlock {
    fn default() -> Self {
        Self { url: std::env::var("SUPERVISORD_URL").unwrap_or_else(|_| "http://localhost:9001/RPC2".into()) }
    }
}

/// `sysctl`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct SysctlBlock {
    /// Numbers to show: `fs.file-nr`, or with names for several values `fs.file-nr:total,current,max`.
    pub include: Vec<String>,
    /// Texts to show.
    pub include_info: Vec<String>,
}

/// `systemd`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct SystemdBlock {
    /// Whether restarts of services are counted.
    pub enable_restarts: bool,
    /// Whether the time at which units became active is shown.
    pub start_time: bool,
    /// Whether the number of tasks is shown.
    pub task_metrics: bool,
    /// Units to leave out (a regular expression that must match the whole name).
    pub unit_exclude: String,
    /// Only these units (a regular expression that must match the whole name).
    pub unit_include: String,
}

impl Default for SystemdBlock {
    fn default() -> Self {
        Self {
            enable_restarts: false,
            start_time: false,
            task_metrics: false,
            unit_exclude: r".+\.(automount|device|mount|scope|slice)".into(),
            unit_include: ".+".into(),
        }
    }
}

/// `tapestats`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct TapestatsBlock {
    /// Devices to leave out (a regular expression).
    pub ignored_devices: String,
}

impl Default for TapestatsBlock {
    fn default() -> Self {
        Self { ignored_devices: "^$".into() }
    }
}

/// `textfile`.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct TextfileBlock {
    /// The folder whose `*.prom` files are shown.
    pub directory: String,
}

/// `vmstat`.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct VmstatBlock {
    /// Which fields are shown (a regular expression).
    pub fields: String,
}

impl Default for VmstatBlock {
    fn default() -> Self {
        Self { fields: "^(oom_kill|pgpg|pswp|pg.*fault).*".into() }
    }
}
