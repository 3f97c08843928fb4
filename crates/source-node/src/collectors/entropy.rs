//! `entropy`: what the kernel's source of random numbers holds.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let of = |file: &str| files::number::<u64>(roots.proc("sys/kernel/random").join(file));
    out.gauge("node_entropy_available_bits", "Entropy that is there.", &[], of("entropy_avail")?);
    out.gauge("node_entropy_pool_size_bits", "Entropy that the pool can hold.", &[], of("poolsize")?);
    Ok(())
}
