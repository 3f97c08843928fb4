//! `cpu_vulnerabilities`: weaknesses of the CPUs and what is done about them.

use crate::collector::Outcome;
use crate::families::Families;
use crate::files;
use crate::roots::Roots;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let dir = roots.sys("devices/system/cpu/vulnerabilities");
    for name in files::list_if_present(&dir)? {
        let text = files::read(dir.join(&name))?;
        let (state, mitigation) = assess(text.trim());
        let labels = [("codename", &*name), ("state", state), ("mitigation", &*mitigation)];
        let help = "A weakness, whether the CPUs have it, and what is done about it.";
        out.gauge("node_cpu_vulnerabilities_info", help, &labels, 1);
    }
    Ok(())
}

/// The first word is the state, the rest what is done. Text that begins otherwise stands as it is.
fn assess(text: &str) -> (&'static str, String) {
    let rest = || text.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    let lower = text.to_lowercase();
    match () {
        () if lower.starts_with("not affected") => ("not affected", String::new()),
        () if lower.starts_with("vulnerable") => ("vulnerable", rest()),
        () if lower.starts_with("mitigation") => ("mitigation", rest()),
        () if lower.starts_with("unknown") => ("unknown", rest()),
        () => ("unknown", text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_the_state() {
        assert_eq!(assess("Mitigation: Clear  buffers"), ("mitigation", "Clear buffers".into()));
        assert_eq!(assess("Not affected"), ("not affected", String::new()));
        assert_eq!(assess("Processor vulnerable"), ("unknown", "Processor vulnerable".into()));
    }
}
