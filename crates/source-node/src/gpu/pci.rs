//! Which cards of NVIDIA there are, and whether one is awake.

use crate::files;
use crate::roots::Roots;

/// What can be told without waking a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cards {
    /// The bus cannot be seen, or has none.
    None,
    /// All sleep; a question would wake them.
    Asleep,
    /// At least one is awake.
    Awake,
}

/// Looks at the PCI bus.
pub(super) fn nvidia(roots: &Roots) -> Cards {
    let devices = roots.sys("bus/pci/devices");
    let mut found = Cards::None;
    for name in files::list(&devices).unwrap_or_default() {
        let attribute = |file: &str| files::attribute(devices.join(&name).join(file)).unwrap_or_default();
        // Classes that begin with 3 are displays and accelerators of graphics.
        if attribute("vendor") != "0x10de" || !attribute("class").starts_with("0x03") {
            continue;
        }
        match attribute("power/runtime_status").as_str() {
            "suspended" | "suspending" => found = Cards::Asleep,
            _ => return Cards::Awake,
        }
    }
    found
}
