//! `selinux`: whether access is controlled by labels.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let enforcing = files::attribute(roots.sys("fs/selinux/enforce")).ok();
    // The kernel's own label means that no policy is loaded.
    let label = files::attribute(roots.proc("self/attr/current")).unwrap_or_default();
    let enabled = enforcing.is_some() && label.trim_end_matches('\0') != "kernel";
    out.gauge("node_selinux_enabled", "Whether SELinux is on.", &[], enabled);
    let Some(enforcing) = enforcing.filter(|_| enabled) else { return Ok(()) };
    let config = files::read(roots.rootfs("etc/selinux/config")).unwrap_or_default();
    let help = "The mode that is configured: 1 enforcing, 0 permissive, -1 off.";
    out.gauge("node_selinux_config_mode", help, &[], configured(&config));
    let help = "The mode that holds: 1 enforcing, 0 permissive, -1 off.";
    out.gauge("node_selinux_current_mode", help, &[], enforcing.parse::<i32>().unwrap_or(-1));
    Ok(())
}

fn configured(text: &str) -> i32 {
    let mode = text.lines().filter_map(|line| line.trim().strip_prefix("SELINUX=")).next_back();
    match mode.map(str::trim) {
        Some("enforcing") => 1,
        Some("permissive") => 0,
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_a_mode() {
        assert_eq!(configured("# SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"), 1);
        assert_eq!(configured("SELINUX=permissive"), 0);
        assert_eq!(configured(""), -1);
    }
}
