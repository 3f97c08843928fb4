//! `rapl`: energy that packages, cores and memory have used.

use std::collections::HashMap;
use std::io::ErrorKind;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/powercap");
    let mut used: HashMap<String, i64> = HashMap::new();
    for entry in files::list(&root)? {
        let dir = root.join(&entry);
        let Ok(name) = files::attribute(dir.join("name")) else { continue };
        // Where the name does not end with a number, those of the same name are counted.
        let numbered = name.split_once('-').filter(|(_, rest)| !rest.contains('-'));
        let (index, zone) = match numbered.and_then(|(zone, number)| Some((number.parse().ok()?, zone))) {
            Some(numbered) => numbered,
            None => (used.get(&name).copied().unwrap_or(0), &*name),
        };
        used.insert(zone.to_owned(), index + 1);
        let energy: u64 = match files::number(dir.join("energy_uj")) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(Failure::no_data("only root may read how much energy was used"));
            }
            // A domain that only limits, and does not count.
            Err(error) if error.is_absent() => continue,
            other => other?,
        };
        let (index, path) = (index.to_string(), dir.display().to_string());
        let metric = format!("node_rapl_{}_joules_total", parse::metric_name(zone));
        let help = format_args!("Energy that {zone} has used.");
        out.counter(&metric, help, &[("index", &*index), ("path", &*path)], energy as f64 / 1e6);
    }
    Ok(())
}
