//! `dmi`: what the firmware says of the machine. It is read once.

use std::sync::{Arc, OnceLock};

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

/// Files and their labels.
const LABELS: &[(&str, &str)] = &[
    ("bios_date", "bios_date"),
    ("bios_release", "bios_release"),
    ("bios_vendor", "bios_vendor"),
    ("bios_version", "bios_version"),
    ("board_asset_tag", "board_asset_tag"),
    ("board_name", "board_name"),
    ("board_serial", "board_serial"),
    ("board_vendor", "board_vendor"),
    ("board_version", "board_version"),
    ("chassis_asset_tag", "chassis_asset_tag"),
    ("chassis_serial", "chassis_serial"),
    ("chassis_vendor", "chassis_vendor"),
    ("chassis_version", "chassis_version"),
    ("product_family", "product_family"),
    ("product_name", "product_name"),
    ("product_serial", "product_serial"),
    ("product_sku", "product_sku"),
    ("product_uuid", "product_uuid"),
    ("product_version", "product_version"),
    ("sys_vendor", "system_vendor"),
];

struct Dmi {
    roots: Arc<Roots>,
    known: OnceLock<Vec<(&'static str, String)>>,
}

pub(super) fn build(_: &UnixArguments, roots: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Dmi { roots: Arc::clone(roots), known: OnceLock::new() }))
}

impl Collector for Dmi {
    fn name(&self) -> &'static str {
        "dmi"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let known = self.known.get_or_init(|| {
            let dir = self.roots.sys("class/dmi/id");
            // Serial numbers are for root alone; a label without its file is left out.
            let read = |(file, label): &(&str, &'static str)| Some((*label, files::attribute(dir.join(file)).ok()?));
            LABELS.iter().filter_map(read).collect()
        });
        if known.is_empty() {
            return Err(Failure::no_data("the machine has no DMI"));
        }
        let labels: Vec<_> = known.iter().map(|(label, value)| (*label, &**value)).collect();
        out.gauge("node_dmi_info", "What the firmware says of the machine.", &labels, 1);
        Ok(())
    }
}
