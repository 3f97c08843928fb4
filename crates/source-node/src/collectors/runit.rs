//! `runit`: services of that supervisor.

use std::sync::Arc;

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::UnixArguments;
use crate::collector::{Collector, Outcome};
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

/// Seconds of TAI at 1970, with the ten that it was ahead of UTC.
const TAI: u64 = (1 << 62) + 10;

struct Runit {
    dir: std::path::PathBuf,
}

pub(super) fn build(args: &UnixArguments, _: &Arc<Roots>) -> Result<Boxed, BuildError> {
    Ok(Box::new(Runit { dir: (&args.runit.service_dir).into() }))
}

impl Collector for Runit {
    fn name(&self) -> &'static str {
        "runit"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        for service in files::list(&self.dir)?.iter().filter(|name| !name.starts_with('.')) {
            let dir = self.dir.join(service);
            let Some(status) = std::fs::read(dir.join("supervise/status")).ok().as_deref().and_then(parse) else {
                continue;
            };
            let labels = [("service", &**service), ("supervisor", "runit")];
            let help = "State of a service: 0 down, 1 running, 2 finishing.";
            out.gauge("node_service_state", help, &labels, status.state);
            let help = "What a service should be: 0 down, 1 up.";
            out.gauge("node_service_desired_state", help, &labels, status.wanted);
            let help = "When the service's state changed last.";
            out.gauge("node_service_state_last_change_timestamp_seconds", help, &labels, status.since);
            let help = "Whether a service is started with the supervisor.";
            out.gauge("node_service_normal_state", help, &labels, !dir.join("down").exists());
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Status {
    state: u8,
    wanted: bool,
    since: i64,
}

/// Twenty bytes: time as TAI64N, process number, paused, wanted, terminated, state.
fn parse(bytes: &[u8]) -> Option<Status> {
    let bytes: [u8; 20] = bytes.try_into().ok()?;
    let tai = u64::from_be_bytes(bytes[..8].try_into().ok()?);
    let since = i64::try_from(tai.checked_sub(TAI)?).ok()?;
    Some(Status { state: bytes[19], wanted: bytes[17] == b'u', since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_twenty_bytes() {
        let mut bytes = (TAI + 1_700_000_000).to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 0, 1, 2, 3, 4, 0, b'u', 0, 1]);
        assert_eq!(parse(&bytes), Some(Status { state: 1, wanted: true, since: 1_700_000_000 }));
        assert_eq!(parse(&bytes[1..]), None);
    }
}
