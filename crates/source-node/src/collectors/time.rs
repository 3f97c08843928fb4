//! `time`: the clock, its zone and its sources.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use tz::TimeZone;

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    out.gauge("node_time_seconds", "The clock: seconds since 1970.", &[], now.as_secs_f64());
    let (zone, offset) = zone(i64::try_from(now.as_secs()).unwrap_or(0));
    let help = "How far the local time is ahead of UTC.";
    out.gauge("node_time_zone_offset_seconds", help, &[("time_zone", &*zone)], offset);
    let root = roots.sys("devices/system/clocksource");
    for (index, name) in files::numbered(&root, "clocksource")?.iter().enumerate() {
        let (dir, device) = (root.join(name), index.to_string());
        for source in files::attribute(dir.join("available_clocksource"))?.split_whitespace() {
            let labels = [("clocksource", source), ("device", &*device)];
            out.gauge("node_time_clocksource_available_info", "Sources that the clock can have.", &labels, 1);
        }
        let source = files::attribute(dir.join("current_clocksource"))?;
        let labels = [("clocksource", &*source), ("device", &*device)];
        out.gauge("node_time_clocksource_current_info", "The source that the clock has.", &labels, 1);
    }
    Ok(())
}

/// The local zone's name and its distance from UTC. The zone's file is read once.
fn zone(now: i64) -> (String, i32) {
    static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();
    let zone = ZONE.get_or_init(|| {
        let set = std::env::var("TZ").ok().filter(|name| !name.is_empty());
        set.map_or_else(TimeZone::local, |name| TimeZone::from_posix_tz(&name)).ok()
    });
    let local = zone.as_ref().and_then(|zone| zone.find_local_time_type(now).ok());
    local.map_or_else(|| ("UTC".into(), 0), |local| (local.time_zone_designation().to_owned(), local.ut_offset()))
}
