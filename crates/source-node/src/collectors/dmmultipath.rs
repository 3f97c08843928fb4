//! `dmmultipath`: disks that are reached by several paths.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let block = roots.sys("block");
    for sysfs_name in files::list(&block)?.iter().filter(|name| name.starts_with("dm-")) {
        let dir = block.join(sysfs_name);
        let uuid = match files::attribute(dir.join("dm/uuid")) {
            Err(error) if error.is_absent() => continue,
            other => other?,
        };
        if !uuid.starts_with("mpath-") {
            continue;
        }
        let name = files::attribute(dir.join("dm/name"))?;
        let labels = [("device", &*name), ("sysfs_name", &**sysfs_name)];
        let suspended: u64 = files::number(dir.join("dm/suspended"))?;
        let sectors: u64 = files::number(dir.join("size"))?;
        let (mut active, mut failed) = (0, 0);
        for path in files::list_if_present(dir.join("slaves"))? {
            let state = files::attribute(block.join(&path).join("device/state"))?;
            *(if matches!(&*state, "running" | "live") { &mut active } else { &mut failed }) += 1;
            let labels = [("device", &*name), ("path", &*path), ("state", &*state)];
            out.gauge("node_dmmultipath_path_state", "The state of a path.", &labels, 1);
        }
        let info = [("device", &*name), ("sysfs_name", &**sysfs_name), ("uuid", &*uuid)];
        out.gauge("node_dmmultipath_device_info", "A disk with several paths.", &info, 1);
        let gauges = [
            ("active", "Whether the disk is active and not suspended.", u64::from(suspended != 1)),
            ("size_bytes", "Size of the disk.", sectors.wrapping_mul(512)),
            ("paths", "Paths of the disk.", active + failed),
            ("paths_active", "Paths that work.", active),
            ("paths_failed", "Paths that do not work.", failed),
        ];
        for (metric, help, value) in gauges {
            out.gauge(&format!("node_dmmultipath_device_{metric}"), help, &labels, value);
        }
    }
    Ok(())
}
