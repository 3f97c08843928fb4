//! `filefd`: file descriptors of the whole machine.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("sys/fs/file-nr"))?;
    // The second number is always 0.
    let mut columns = text.trim().split('\t');
    let (Some(allocated), Some(maximum)) = (columns.next(), columns.nth(1)) else {
        return Err(Failure::new(format!("sys/fs/file-nr: expected three numbers, found {text:?}")));
    };
    let (allocated, maximum): (f64, f64) = (parse::number(allocated, "file-nr")?, parse::number(maximum, "file-nr")?);
    out.gauge("node_filefd_allocated", "File descriptors in use.", &[], allocated);
    out.gauge("node_filefd_maximum", "File descriptors that may be in use.", &[], maximum);
    Ok(())
}
