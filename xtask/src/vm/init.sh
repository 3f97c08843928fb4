#!/bin/busybox sh
# Process 1 of a guest: mounts what there is, runs /payload, says how it ended, switches off.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs none /run
mount -t tracefs none /sys/kernel/tracing 2>/dev/null
mount -t securityfs none /sys/kernel/security 2>/dev/null
mount -t bpf none /sys/fs/bpf 2>/dev/null
ip link set lo up
echo "@@guest-up $(uname -r)"
/payload
echo "@@guest-done $?"
[ -d /proc/acpi ] && poweroff -f
reboot -f
