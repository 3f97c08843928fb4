//! `tapestats`: tape drives.

use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::filter::Filter;
use crate::parse;
use crate::roots::Roots;

const FILES: &[(&str, &str, Kind, f64, &str)] = &[
    ("in_flight", "io_now", Kind::Gauge, 1.0, "Requests under way."),
    ("io_ns", "io_time_seconds_total", Kind::Counter, 1e-9, "Time that all requests took."),
    ("other_cnt", "io_others_total", Kind::Counter, 1.0, "Requests that were no reads or writes."),
    ("read_byte_cnt", "read_bytes_total", Kind::Counter, 1.0, "Bytes read."),
    ("read_cnt", "reads_completed_total", Kind::Counter, 1.0, "Reads."),
    ("read_ns", "read_time_seconds_total", Kind::Counter, 1e-9, "Time that reads took."),
    ("resid_cnt", "residual_total", Kind::Counter, 1.0, "Requests that moved not all of the data."),
    ("write_byte_cnt", "written_bytes_total", Kind::Counter, 1.0, "Bytes written."),
    ("write_cnt", "writes_completed_total", Kind::Counter, 1.0, "Writes."),
    ("write_ns", "write_time_seconds_total", Kind::Counter, 1e-9, "Time that writes took."),
];

struct Tapestats {
    roots: Arc<Roots>,
    ignored: Filter,
}

pub(super) fn build(args: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let ignored = Filter::without("tapestats.ignored_devices", &args.tapestats.ignored_devices)?;
    Ok(Box::new(Tapestats { roots: Arc::clone(roots), ignored }))
}

impl Collector for Tapestats {
    fn name(&self) -> &'static str {
        "tapestats"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let root = self.roots.sys("class/scsi_tape");
        for device in files::list(&root)? {
            // A drive has several names, for each way of using it.
            let plain = device
                .strip_prefix("st")
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit()));
            if !plain || self.ignored.ignores(&device) {
                continue;
            }
            for (file, metric, kind, unit, help) in FILES {
                let text = files::attribute(root.join(&device).join("stats").join(file))?;
                let value = parse::c_number(&text).ok_or_else(|| Failure::new(format!("{device}/{file}: {text:?}")))?;
                out.sample(*kind, &format!("node_tape_{metric}"), help, &[("device", &device)], value as f64 * unit);
            }
        }
        Ok(())
    }
}
