//! `kernel_hung`: tasks that hung.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let count: u64 = files::number(roots.proc("sys/kernel/hung_task_detect_count"))?;
    out.counter("node_kernel_hung_tasks_total", "Tasks that were seen to hang.", &[], count);
    Ok(())
}
