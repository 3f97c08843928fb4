//! `nvmesubsystem`: NVMe disks that are reached by several paths.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/nvme-subsystem");
    for name in files::list(&root)?.iter().filter(|name| name.starts_with("nvme-subsys")) {
        let dir = root.join(name);
        let text = |file: &str| files::attribute(dir.join(file));
        let (nqn, model, serial, policy) = (text("subsysnqn")?, text("model")?, text("serial")?, text("iopolicy")?);
        let info =
            [("iopolicy", &*policy), ("model", &*model), ("nqn", &*nqn), ("serial", &*serial), ("subsystem", &**name)];
        out.gauge("node_nvmesubsystem_info", "A subsystem.", &info, 1);
        let (mut paths, mut live) = (0, 0);
        for entry in files::list(&dir)? {
            let Some(rest) = entry.strip_prefix("nvme") else { continue };
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits(rest) {
                let raw = files::attribute(dir.join(&entry).join("state"))?;
                let transport = files::attribute(dir.join(&entry).join("transport"))?;
                let raw = if raw == "deleting (no IO)" { "deleting" } else { &raw };
                let state = STATES.into_iter().find(|known| *known == raw).unwrap_or("unknown");
                paths += 1;
                live += i32::from(state == "live");
                for each in STATES {
                    let labels =
                        [("controller", &*entry), ("state", each), ("subsystem", &**name), ("transport", &*transport)];
                    let help = "The state of a path: 1 for the one that holds.";
                    out.gauge("node_nvmesubsystem_path_state", help, &labels, each == state);
                }
            } else if rest.split_once('n').is_some_and(|(device, number)| digits(device) && digits(number)) {
                let labels = [("device", &*entry), ("subsystem", &**name)];
                out.gauge("node_nvmesubsystem_namespace_info", "A namespace of a subsystem.", &labels, 1);
            }
        }
        let labels = [("subsystem", &**name)];
        out.gauge("node_nvmesubsystem_paths", "Paths to a subsystem.", &labels, paths);
        out.gauge("node_nvmesubsystem_paths_live", "Paths to a subsystem that work.", &labels, live);
    }
    Ok(())
}
