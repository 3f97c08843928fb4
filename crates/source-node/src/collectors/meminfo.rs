//! `meminfo`: what memory is used for.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let mut metric = String::new();
    for line in files::read(roots.proc("meminfo"))?.lines() {
        let (name, value, unit) = field(line)?;
        metric.clear();
        metric.push_str("node_memory_");
        push_name(&mut metric, name);
        metric.push_str(if unit == 1.0 { "" } else { "_bytes" });
        out.gauge(&metric, format_args!("Field {name} of meminfo."), &[], value * unit);
    }
    Ok(())
}

/// `MemTotal:  16042172 kB`; without a unit it is no size.
pub(super) fn field(line: &str) -> Result<(&str, f64, f64), Failure> {
    let wrong = || Failure::new(format!("meminfo: {line:?} is no field"));
    let (name, rest) = line.split_once(':').ok_or_else(wrong)?;
    let mut words = rest.split_whitespace();
    let value = parse::number(words.next().ok_or_else(wrong)?, "meminfo")?;
    match (words.next(), words.next()) {
        (None, _) => Ok((name, value, 1.0)),
        (Some("kB"), None) => Ok((name, value, 1024.0)),
        _ => Err(wrong()),
    }
}

/// `Active(anon)` is `Active_anon`.
pub(super) fn push_name(out: &mut String, name: &str) {
    out.extend(name.chars().filter(|letter| *letter != ')').map(|letter| match letter {
        _ if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_make_bytes() {
        assert_eq!(field("Active(anon):  5 kB").unwrap(), ("Active(anon)", 5.0, 1024.0));
        assert_eq!(field("HugePages_Total:   7").unwrap(), ("HugePages_Total", 7.0, 1.0));
        assert!(field("MemTotal: 5 MB").is_err() && field("").is_err() && field("A: x kB").is_err());
        let mut name = String::new();
        push_name(&mut name, "Active(anon)");
        assert_eq!(name, "Active_anon");
    }
}
