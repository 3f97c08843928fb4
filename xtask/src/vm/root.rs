//! The file system of a whole machine: packages of Debian, unpacked and not installed, with systemd as process 1. What a
//! package's scripts would do, and somebody misses, is done here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::apt::{Apt, Source};
use super::archive::Archive;

const SOURCE: Source = Source {
    name: "bookworm-root",
    lines: &[
        "http://deb.debian.org/debian bookworm main",
        "http://deb.debian.org/debian-security bookworm-security main",
    ],
    keys: None,
};

/// Which servers a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// Python and nginx.
    Few,
    /// All that there are packages of.
    All,
}

/// What there is on each machine.
const BASE: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "bash",
    "coreutils",
    "dash",
    "grep",
    "iproute2",
    "mount",
    "nginx",
    "python3",
    "util-linux",
];
const MORE: &[&str] = &[
    "apache2-utils",
    "curl",
    "gunicorn",
    "nodejs",
    "openjdk-17-jre-headless",
    "python3-grpcio",
    "python3-httptools",
    "uvicorn",
];
/// Nobody reads these.
const NEEDLESS: &[&str] = &[
    "usr/share/bash-completion",
    "usr/share/doc",
    "usr/share/i18n",
    "usr/share/icons",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl",
    "usr/share/zoneinfo",
    "usr/lib/udev",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/perl",
];
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n\
                      nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n";
/// Units that wait for devices, disks or a first start; none of them is here.
const MASKED: &[&str] = &[
    "dev-hugepages.mount",
    "ldconfig.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-journal-flush.service",
    "systemd-journald-audit.socket",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-sysusers.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
    "systemd-update-done.service",
    "systemd-update-utmp.service",
];
const UNIT: &str = "[Unit]\nDescription=the tests\n\n[Service]\nType=oneshot\nLimitMEMLOCK=infinity\nStandardOutput=tty\nStandardError=tty\n\
                    TTYPath=/dev/ttyS0\nExecStart=/bin/sh /payload\n\
                    ExecStopPost=/bin/systemctl --no-block --force --force poweroff\n";
const TARGET: &str = "[Unit]\nRequires=sysinit.target\nWants=payload.service\nAfter=sysinit.target\n";
/// What the machine boots to.
pub(super) const BOOT: &str = "rdinit=/lib/systemd/systemd systemd.unit=payload.target systemd.show_status=0";

impl Root {
    fn name(self) -> &'static str {
        match self {
            Self::Few => "few",
            Self::All => "all",
        }
    }

    fn packages(self) -> Vec<&'static str> {
        let more = if self == Self::All { MORE } else { &[] };
        BASE.iter().chain(more).copied().collect()
    }

    /// Memory for it, in megabytes: what is unpacked may take half of it, and the archive lies beside it meanwhile.
    pub(super) fn memory(self) -> u32 {
        match self {
            Self::Few => 1280,
            Self::All => 3072,
        }
    }

    /// An archive of it, made the first time.
    pub(super) fn archive(self, store: &Path) -> Result<PathBuf> {
        let archive = store.join("roots").join(format!("{}.cpio", self.name()));
        // Another list of packages makes another machine.
        let (note, wanted) = (archive.with_extension("packages"), self.packages().join("\n"));
        if archive.exists() && std::fs::read_to_string(&note).is_ok_and(|made_of| made_of == wanted) {
            return Ok(archive);
        }
        let folder = archive.with_extension("");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Apt::open_bare(store, &SOURCE)?.unpack_all(&self.packages(), &folder)?;
        settle(&folder)?;
        let mut bytes = Archive::default();
        bytes.tree(&folder)?;
        std::fs::write(&archive, bytes.finish()).with_context(|| archive.display().to_string())?;
        std::fs::remove_dir_all(&folder)?;
        std::fs::write(&note, wanted)?;
        Ok(archive)
    }
}

/// What the scripts of packages would have done, and less of everything.
fn settle(root: &Path) -> Result<()> {
    for needless in NEEDLESS {
        let path = root.join(needless);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
    }
    let write = |name: &str, text: &str| {
        std::fs::write(root.join(name), text).with_context(|| format!("{name} in the machine's file system"))
    };
    write("etc/passwd", PASSWD)?;
    write("etc/group", GROUP)?;
    write("etc/hostname", "guest\n")?;
    write("etc/hosts", "127.0.0.1 localhost guest\n::1 localhost\n")?;
    write("etc/fstab", "")?;
    // Else systemd takes it for a first start.
    write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")?;
    let units = root.join("etc/systemd/system");
    for entry in std::fs::read_dir(&units)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "wants") {
            std::fs::remove_dir_all(path)?;
        }
    }
    for unit in MASKED {
        std::os::unix::fs::symlink("/dev/null", units.join(unit))?;
    }
    write("etc/systemd/system/payload.service", UNIT)?;
    write("etc/systemd/system/payload.target", TARGET)?;
    let java = root.join("usr/lib/jvm/java-17-openjdk-amd64/bin/java");
    if java.exists() {
        std::os::unix::fs::symlink("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", root.join("usr/bin/java"))?;
    }
    Ok(())
}
