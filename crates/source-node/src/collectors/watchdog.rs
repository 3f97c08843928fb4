//! `watchdog`: devices that restart a machine which hangs.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

const NUMBERS: &[(&str, &str, &str)] = &[
    ("bootstatus", "bootstatus", "Why the machine was started last."),
    ("fw_version", "fw_version", "Version of the firmware."),
    ("nowayout", "nowayout", "Whether it can no longer be switched off."),
    ("timeleft", "timeleft_seconds", "Time until it restarts the machine."),
    ("timeout", "timeout_seconds", "Time after which it restarts the machine."),
    ("pretimeout", "pretimeout_seconds", "Time before that at which it warns."),
    ("access_cs0", "access_cs0", "Whether the first boot device is used."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/watchdog");
    for name in files::list(&root)? {
        let dir = root.join(&name);
        for (file, metric, help) in NUMBERS {
            let text = files::optional(dir.join(file))?;
            if let Some(value) = text.as_deref().and_then(parse::c_number) {
                out.gauge(&format!("node_watchdog_{metric}"), help, &[("name", &name)], value as f64);
            }
        }
        let text = |file: &str| Ok::<_, files::ReadError>(files::optional(dir.join(file))?.unwrap_or_default());
        let (identity, options, governor) = (text("identity")?, text("options")?, text("pretimeout_governor")?);
        let (state, status) = (text("state")?, text("status")?);
        let labels = [
            ("identity", &*identity),
            ("name", &*name),
            ("options", &*options),
            ("pretimeout_governor", &*governor),
            ("state", &*state),
            ("status", &*status),
        ];
        out.gauge("node_watchdog_info", "A watchdog.", &labels, 1);
    }
    Ok(())
}
