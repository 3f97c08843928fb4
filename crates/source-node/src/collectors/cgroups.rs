//! `cgroups`: how many control groups each controller has.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    for line in files::read(roots.proc("cgroups"))?.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [name, _, groups, enabled, ..] = &*columns else {
            return Err(Failure::new(format!("cgroups: {line:?} has too few columns")));
        };
        let labels = [("subsys_name", *name)];
        let groups: i64 = parse::number(groups, "cgroups")?;
        out.gauge("node_cgroups_cgroups", "Control groups of a controller.", &labels, groups);
        let enabled: i64 = parse::number(enabled, "cgroups")?;
        out.gauge("node_cgroups_enabled", "Whether a controller is enabled.", &labels, enabled);
    }
    Ok(())
}
