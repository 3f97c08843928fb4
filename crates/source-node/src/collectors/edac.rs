//! `edac`: errors of memory that were detected and corrected.

use std::path::Path;

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("devices/system/edac/mc");
    for name in files::numbered(&root, "mc")? {
        let dir = root.join(&name);
        let controller = name.trim_start_matches("mc");
        let count = |file: &str| files::number::<u64>(dir.join(file));
        let labels = [("controller", controller)];
        let (corrected, not) = ("Memory errors that were corrected.", "Memory errors that could not be corrected.");
        out.counter("node_edac_correctable_errors_total", corrected, &labels, count("ce_count")?);
        out.counter("node_edac_uncorrectable_errors_total", not, &labels, count("ue_count")?);
        let unknown = ["ce_noinfo_count", "ue_noinfo_count"];
        row(controller, "unknown", count(unknown[0])?, count(unknown[1])?, out);
        for csrow in files::numbered(&dir, "csrow")? {
            let dir = dir.join(&csrow);
            let number = csrow.trim_start_matches("csrow");
            row(controller, number, files::number(dir.join("ce_count"))?, files::number(dir.join("ue_count"))?, out);
            channels(&dir, controller, number, out)?;
        }
    }
    Ok(())
}

fn row(controller: &str, csrow: &str, corrected: u64, not: u64, out: &mut Families) {
    let labels = [("controller", controller), ("csrow", csrow)];
    let help = "Memory errors of a row that were corrected.";
    out.counter("node_edac_csrow_correctable_errors_total", help, &labels, corrected);
    let help = "Memory errors of a row that could not be corrected.";
    out.counter("node_edac_csrow_uncorrectable_errors_total", help, &labels, not);
}

fn channels(dir: &Path, controller: &str, csrow: &str, out: &mut Families) -> Outcome {
    for file in files::numbered(dir, "ch")? {
        let Some(channel) = file.strip_prefix("ch").and_then(|name| name.strip_suffix("_ce_count")) else { continue };
        let label = match files::attribute(dir.join(format!("ch{channel}_dimm_label"))) {
            Ok(text) => text.replace('#', "").replace("csrow", "_csrow").replace("channel", "_channel"),
            Err(_) => "unknown".into(),
        };
        let labels = [("controller", controller), ("csrow", csrow), ("channel", channel), ("dimm_label", &*label)];
        let help = "Memory errors of a channel that were corrected.";
        let corrected: u64 = files::number(dir.join(&file))?;
        out.counter("node_edac_channel_correctable_errors_total", help, &labels, corrected);
        if let Ok(count) = files::number::<u64>(dir.join(format!("ch{channel}_ue_count"))) {
            let help = "Memory errors of a channel that could not be corrected.";
            out.counter("node_edac_channel_uncorrectable_errors_total", help, &labels, count);
        }
    }
    Ok(())
}
