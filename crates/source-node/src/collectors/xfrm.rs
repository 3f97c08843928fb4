//! `xfrm`: packets that IPsec could not handle.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// The kernel's names; the metrics' follow from them. What the file lacks is 0.
const NAMES: [&str; 28] = [
    "InError",
    "InBufferError",
    "InHdrError",
    "InNoStates",
    "InStateProtoError",
    "InStateModeError",
    "InStateSeqError",
    "InStateExpired",
    "InStateMismatch",
    "InStateInvalid",
    "InTmplMismatch",
    "InNoPols",
    "InPolBlock",
    "InPolError",
    "OutError",
    "OutBundleGenError",
    "OutBundleCheckError",
    "OutNoStates",
    "OutStateProtoError",
    "OutStateModeError",
    "OutStateSeqError",
    "OutStateExpired",
    "OutPolBlock",
    "OutPolDead",
    "OutPolError",
    "FwdHdrError",
    "OutStateInvalid",
    "AcquireError",
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let text = files::read(roots.proc("net/xfrm_stat"))?;
    let mut values = [0; NAMES.len()];
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else {
            return Err(Failure::new(format!("xfrm_stat: {line:?} is no name with a number")));
        };
        let value: i64 = parse::number(value, "xfrm_stat")?;
        if let Some(at) = name.strip_prefix("Xfrm").and_then(|name| NAMES.iter().position(|known| *known == name)) {
            values[at] = value;
        }
    }
    for (name, value) in NAMES.iter().zip(values) {
        let help = format_args!("Packets counted as {name}.");
        out.counter(&format!("node_xfrm_{}_packets_total", snake(name)), help, &[], value);
    }
    Ok(())
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 6);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_after_the_kernels_counters() {
        assert_eq!(snake("InHdrError"), "in_hdr_error");
        assert_eq!(snake("OutNoStates"), "out_no_states");
    }
}
