//! `loadavg`: how many tasks want to run.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("loadavg"))?;
    let mut words = text.split_whitespace();
    for minutes in ["1", "5", "15"] {
        let word = words.next().ok_or_else(|| Failure::new(format!("loadavg: {text:?} has too few numbers")))?;
        let load: f64 = parse::number(word, "loadavg")?;
        let help = format_args!("Tasks that want to run, averaged over {minutes} min.");
        out.gauge(&format!("node_load{minutes}"), help, &[], load);
    }
    Ok(())
}
