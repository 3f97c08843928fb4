//! `bonding`: network interfaces that are joined to one.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/net");
    for master in files::read(root.join("bonding_masters"))?.split_whitespace() {
        let dir = root.join(master);
        let (mut all, mut active) = (0, 0);
        for slave in files::read(dir.join("bonding/slaves"))?.split_whitespace() {
            let state = |prefix: &str| files::attribute(dir.join(format!("{prefix}_{slave}/bonding_slave/mii_status")));
            let state = match state("lower") {
                // What older kernels call it.
                Err(error) if error.is_absent() => state("slave")?,
                other => other?,
            };
            all += 1;
            active += i32::from(state == "up");
        }
        let labels = [("master", master)];
        out.gauge("node_bonding_slaves", "Interfaces that a bond has.", &labels, all);
        out.gauge("node_bonding_active", "Interfaces of a bond that are up.", &labels, active);
    }
    Ok(())
}
