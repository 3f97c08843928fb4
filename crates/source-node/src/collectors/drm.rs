//! `drm`: graphics cards of AMD.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

const NUMBERS: &[(&str, &str, &str)] = &[
    ("gpu_busy_percent", "gpu_busy_percent", "How busy the card is."),
    ("mem_info_gtt_total", "memory_gtt_size_bytes", "Memory of the machine that the card can use."),
    ("mem_info_gtt_used", "memory_gtt_used_bytes", "Memory of the machine that the card uses."),
    ("mem_info_vis_vram_total", "memory_vis_vram_size_bytes", "Memory of the card that the machine can see."),
    ("mem_info_vis_vram_used", "memory_vis_vram_used_bytes", "What is used of the memory that the machine can see."),
    ("mem_info_vram_total", "memory_vram_size_bytes", "Memory of the card."),
    ("mem_info_vram_used", "memory_vram_used_bytes", "What is used of the card's memory."),
];

pub(crate) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/drm");
    for card in files::numbered(&root, "card")? {
        // Connectors are named after their cards.
        if card.contains('-') {
            continue;
        }
        let dir = root.join(&card).join("device");
        let driver = files::read_if_present(dir.join("uevent"))?.unwrap_or_default();
        if !driver.lines().any(|line| line == "DRIVER=amdgpu") {
            continue;
        }
        let text = |file: &str| files::attribute(dir.join(file)).unwrap_or_default();
        let (vendor, level, id) =
            (text("mem_info_vram_vendor"), text("power_dpm_force_performance_level"), text("unique_id"));
        let info = [
            ("card", &*card),
            ("memory_vendor", &*vendor),
            ("power_performance_level", &*level),
            ("unique_id", &*id),
            ("vendor", "amd"),
        ];
        out.gauge("node_drm_card_info", "A graphics card.", &info, 1);
        for (file, metric, help) in NUMBERS {
            let value = files::number::<u64>(dir.join(file)).unwrap_or(0);
            out.gauge(&format!("node_drm_{metric}"), help, &[("card", &card)], value);
        }
    }
    Ok(())
}
