//! `nvme`: disks of that kind and their namespaces.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/nvme");
    for device in files::list(&root)? {
        let dir = root.join(&device);
        let text = |file: &str| files::attribute(dir.join(file));
        let (firmware, model, serial) = (text("firmware_rev")?, text("model")?, text("serial")?);
        let (state, controller) = (text("state")?, text("cntlid")?);
        let info = [
            ("cntlid", &*controller),
            ("device", &*device),
            ("firmware_revision", &*firmware),
            ("model", &*model),
            ("serial", &*serial),
            ("state", &*state),
        ];
        out.gauge("node_nvme_info", "A disk.", &info, 1);
        for name in files::list(&dir)? {
            if let Some(namespace) = namespace(&name) {
                self::report(&dir.join(&name), &device, namespace, out)?;
            }
        }
    }
    Ok(())
}

/// `nvme0n1` is number 1.
fn namespace(name: &str) -> Option<&str> {
    let (device, number) = name.strip_prefix("nvme")?.split_once('n')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(device) && digits(number)).then_some(number)
}

fn report(dir: &Path, device: &str, namespace: &str, out: &mut Families) -> Outcome {
    let number = |file: &str| Ok::<_, Failure>(files::attribute(dir.join(file))?.parse::<u64>().unwrap_or(0));
    let (used, size, block) = (number("nuse")?, number("size")?, number("queue/logical_block_size")?);
    let state = files::attribute(dir.join("ana_state")).unwrap_or_else(|_| "unknown".into());
    let labels = [("device", device), ("nsid", namespace)];
    let info = [("ana_state", &*state), ("device", device), ("nsid", namespace)];
    out.gauge("node_nvme_namespace_info", "A namespace of a disk.", &info, 1);
    for (metric, help, value) in [
        ("capacity_bytes", "Capacity of a namespace.", size.wrapping_mul(block)),
        ("size_bytes", "Size of a namespace.", size.wrapping_mul(block)),
        ("used_bytes", "What is used of a namespace.", used.wrapping_mul(block)),
        ("logical_block_size_bytes", "Size of a block.", block),
    ] {
        out.gauge(&format!("node_nvme_namespace_{metric}"), help, &labels, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_told_by_their_names() {
        assert_eq!(namespace("nvme0c0n1"), None);
        assert_eq!(namespace("nvme1n12"), Some("12"));
        assert_eq!(namespace("nvme0"), None);
        assert_eq!(namespace("nvme0n1p2"), None);
        assert_eq!(namespace("power"), None);
    }
}
