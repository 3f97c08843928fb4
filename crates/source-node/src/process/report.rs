//! Groups as metrics, in process-exporter's names.

use super::counts::seconds;
use super::groups::Group;
use super::tracker::Mishaps;
use crate::families::Families;

/// A group's own families.
pub(crate) fn group(out: &mut Families, name: &str, group: &Group, with_smaps: bool) {
    let labels = [("groupname", name)];
    let by = |label: &'static str, value: &'static str| [("groupname", name), (label, value)];
    let (counts, memory, states) = (&group.counts, &group.memory, &group.states);
    out.gauge("namedprocess_namegroup_num_procs", "Processes of the group.", &labels, group.procs);
    for (kind, bytes) in [("resident", memory.resident), ("virtual", memory.virtual_size), ("swapped", memory.swapped)]
    {
        memory_bytes(out, name, kind, bytes);
    }
    if with_smaps {
        memory_bytes(out, name, "proportionalResident", memory.proportional);
        memory_bytes(out, name, "proportionalSwapped", memory.proportional_swapped);
    }
    let help = "When the oldest process of the group started, in seconds since the epoch.";
    let oldest = group.oldest.unwrap_or_default().floor();
    out.gauge("namedprocess_namegroup_oldest_start_time_seconds", help, &labels, oldest);
    let help = "Open file descriptors of the group.";
    out.gauge("namedprocess_namegroup_open_filedesc", help, &labels, group.open_files);
    let help = "The largest part of its limit of open files that a process of the group uses.";
    out.gauge("namedprocess_namegroup_worst_fd_ratio", help, &labels, group.worst_ratio);
    let (family, help) = ("namedprocess_namegroup_cpu_seconds_total", "CPU time of the group, in seconds.");
    out.counter(family, help, &by("mode", "user"), seconds(counts.user));
    out.counter(family, help, &by("mode", "system"), seconds(counts.system));
    let help = "Bytes that the group has read from storage.";
    out.counter("namedprocess_namegroup_read_bytes_total", help, &labels, counts.read_bytes);
    let help = "Bytes that the group has written to storage.";
    out.counter("namedprocess_namegroup_write_bytes_total", help, &labels, counts.write_bytes);
    let help = "Page faults of the group that had to read from storage.";
    out.counter("namedprocess_namegroup_major_page_faults_total", help, &labels, counts.major_faults);
    let help = "Page faults of the group that had not to read from storage.";
    out.counter("namedprocess_namegroup_minor_page_faults_total", help, &labels, counts.minor_faults);
    let (family, help) = ("namedprocess_namegroup_context_switches_total", "Context switches of the group.");
    out.counter(family, help, &by("ctxswitchtype", "voluntary"), counts.voluntary);
    out.counter(family, help, &by("ctxswitchtype", "nonvoluntary"), counts.involuntary);
    out.gauge("namedprocess_namegroup_num_threads", "Threads of the group.", &labels, group.num_threads);
    for (state, number) in [
        ("Running", states.running),
        ("Sleeping", states.sleeping),
        ("Waiting", states.waiting),
        ("Zombie", states.zombie),
        ("Other", states.other),
    ] {
        let help = "Processes and threads of the group by what they do.";
        out.gauge("namedprocess_namegroup_states", help, &by("state", state), number);
    }
    for (wchan, number) in &group.wchans {
        let help = "Threads of the group by the place in the kernel where they wait.";
        let labels = [("groupname", name), ("wchan", wchan.as_str())];
        out.gauge("namedprocess_namegroup_threads_wchan", help, &labels, *number);
    }
}

fn memory_bytes(out: &mut Families, group: &str, kind: &str, bytes: u64) {
    let labels = [("groupname", group), ("memtype", kind)];
    out.gauge("namedprocess_namegroup_memory_bytes", "Memory that the group uses, in bytes.", &labels, bytes);
}

/// The families of a group's threads by name.
pub(crate) fn threads(out: &mut Families, name: &str, group: &Group) {
    for (thread, (number, counts)) in &group.threads {
        let thread = thread.as_str();
        let labels = [("groupname", name), ("threadname", thread)];
        let by =
            |label: &'static str, value: &'static str| [("groupname", name), ("threadname", thread), (label, value)];
        out.gauge("namedprocess_namegroup_thread_count", "Threads of the group by name.", &labels, *number);
        let (family, help) = ("namedprocess_namegroup_thread_cpu_seconds_total", "CPU time of threads, in seconds.");
        out.counter(family, help, &by("mode", "user"), seconds(counts.user));
        out.counter(family, help, &by("mode", "system"), seconds(counts.system));
        let help = "Bytes that threads have read from storage and written to it.";
        let family = "namedprocess_namegroup_thread_io_bytes_total";
        out.counter(family, help, &by("iomode", "read"), counts.read_bytes);
        out.counter(family, help, &by("iomode", "write"), counts.write_bytes);
        let help = "Page faults of threads that had to read from storage.";
        out.counter("namedprocess_namegroup_thread_major_page_faults_total", help, &labels, counts.major_faults);
        let help = "Page faults of threads that had not to read from storage.";
        out.counter("namedprocess_namegroup_thread_minor_page_faults_total", help, &labels, counts.minor_faults);
        let (family, help) = ("namedprocess_namegroup_thread_context_switches_total", "Context switches of threads.");
        out.counter(family, help, &by("ctxswitchtype", "voluntary"), counts.voluntary);
        out.counter(family, help, &by("ctxswitchtype", "nonvoluntary"), counts.involuntary);
    }
}

/// What went wrong so far.
pub(crate) fn failures(out: &mut Families, failures: u64, mishaps: Mishaps) {
    out.counter("namedprocess_scrape_errors", "Looks that saw no process at all.", &[], failures);
    let help = "Processes that could not be read, counted at each look.";
    out.counter("namedprocess_scrape_procread_errors", help, &[], mishaps.unread);
    let help = "Followed processes of which something could not be read, counted at each look.";
    out.counter("namedprocess_scrape_partial_errors", help, &[], mishaps.partial);
}
