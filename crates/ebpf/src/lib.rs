//! What both eBPF crates share: loading programs, what the kernel and our capabilities allow, pumping rings, and the
//! processes of the machine.
