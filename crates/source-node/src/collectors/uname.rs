//! `uname`: the kernel's name and version, and the machine's.

use crate::collector::Outcome;
use crate::families::Families;
use crate::roots::Roots;

pub(super) fn collect(_: &Roots, out: &mut Families) -> Outcome {
    let uname = rustix::system::uname();
    let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
    let (domain, machine, node) = (text(uname.domainname()), text(uname.machine()), text(uname.nodename()));
    let (release, system, version) = (text(uname.release()), text(uname.sysname()), text(uname.version()));
    let labels = [
        ("domainname", &*domain),
        ("machine", &*machine),
        ("nodename", &*node),
        ("release", &*release),
        ("sysname", &*system),
        ("version", &*version),
    ];
    out.gauge("node_uname_info", "The kernel and the machine.", &labels, 1);
    Ok(())
}
