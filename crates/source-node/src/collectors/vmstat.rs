//! `vmstat`: counters of the kernel's memory management.

use std::sync::Arc;

use corten_component::BuildError;
use regex::Regex;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::files;
use crate::filter;
use crate::parse;
use crate::roots::Roots;

struct Vmstat {
    roots: Arc<Roots>,
    fields: Option<Regex>,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Vmstat { roots: Arc::clone(roots), fields: filter::pattern("vmstat.fields", &args.vmstat.fields)? }))
}

impl Collector for Vmstat {
    fn name(&self) -> &'static str {
        "vmstat"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let mut metric = String::new();
        for line in files::read(self.roots.proc("vmstat"))?.lines() {
            let Some((name, value)) = line.split_once(' ') else { continue };
            if self.fields.as_ref().is_some_and(|fields| !fields.is_match(name)) {
                continue;
            }
            metric.clear();
            metric.extend(["node_vmstat_", name]);
            out.untyped(&metric, format_args!("Field {name} of vmstat."), &[], parse::number::<f64>(value, name)?);
        }
        Ok(())
    }
}
