//! `meminfo_numa`: what the memory of each node is used for.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

use super::meminfo;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("devices/system/node");
    for name in files::numbered(&root, "node")? {
        let node = name.trim_start_matches("node");
        for line in files::read(root.join(&name).join("meminfo"))?.lines().filter(|line| !line.trim().is_empty()) {
            // "Node 0 MemTotal: 16042172 kB".
            let field = line.trim_start().strip_prefix("Node ").and_then(|rest| rest.split_once(' '));
            let (number, field) = field.ok_or_else(|| Failure::new(format!("{name}/meminfo: {line:?} is no field")))?;
            let (name, value, unit) = meminfo::field(field)?;
            let mut metric = String::from("node_memory_numa_");
            meminfo::push_name(&mut metric, name);
            let help = format_args!("Field {name} of a node's meminfo, in bytes where it is a size.");
            out.gauge(&metric, help, &[("node", number)], value * unit);
        }
        for line in files::read(root.join(&name).join("numastat"))?.lines().filter(|line| !line.trim().is_empty()) {
            let pair = line.trim().split_once(' ');
            let (field, value) = pair.ok_or_else(|| Failure::new(format!("{name}/numastat: {line:?} is no field")))?;
            let value: f64 = parse::number(value, "numastat")?;
            let help = format_args!("Field {field} of a node's numastat.");
            out.counter(&format!("node_memory_numa_{field}_total"), help, &[("node", node)], value);
        }
    }
    Ok(())
}
