//! What an event cost when somebody last agreed to it, in instructions for each kernel; and the gate: from there it does
//! not move without being said.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use crate::workspace;

const FILE: &str = "crates/ebpf-beyla/tests/kernel/instructions.txt";
/// Of a figure, in either direction: what is cheaper by more is worth keeping.
const TOLERANCE: f64 = 0.03;
const HEADING: &str = "# What an event costs the observed process, in instructions: `cargo xtask vm-test --count` holds to it within \
3 %,\n# `--accept` writes it anew. Kernel, what, how many.\n";

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) kernel: String,
    pub(super) what: String,
    pub(super) instructions: f64,
}

/// Compares what was measured with what is agreed to, or agrees to it.
pub(super) fn check(measured: &[Figure], accept: bool) -> Result<()> {
    let path = workspace::root().join(FILE);
    let agreed = parse(&std::fs::read_to_string(&path).unwrap_or_default())?;
    println!("\n{:14} {:10} {:>8} {:>8} {:>8}", "kernel", "event", "agreed", "now", "");
    for figure in measured {
        let before = find(&agreed, figure);
        let share =
            before.map_or(String::new(), |before| format!("{:+.1} %", (figure.instructions / before - 1.0) * 100.0));
        let before = before.map_or("-".to_owned(), |before| format!("{before:.0}"));
        println!("{:14} {:10} {before:>8} {:>8.0} {share:>8}", figure.kernel, figure.what, figure.instructions);
    }
    if accept {
        std::fs::write(&path, text(&merge(agreed, measured))).with_context(|| path.display().to_string())?;
        println!("{FILE} is written");
        return Ok(());
    }
    let off: Vec<String> = measured.iter().filter_map(|figure| problem(&agreed, figure)).collect();
    ensure!(off.is_empty(), "{}; if that is meant, `cargo xtask vm-test --count --accept`", off.join("; "));
    Ok(())
}

fn find(figures: &[Figure], like: &Figure) -> Option<f64> {
    let found = figures.iter().find(|figure| figure.kernel == like.kernel && figure.what == like.what);
    found.map(|figure| figure.instructions)
}

fn problem(agreed: &[Figure], now: &Figure) -> Option<String> {
    let Figure { kernel, what, instructions } = now;
    let Some(before) = find(agreed, now) else { return Some(format!("{kernel}: nothing is agreed for {what}")) };
    let off = instructions / before - 1.0;
    (off.abs() > TOLERANCE)
        .then(|| format!("{kernel}: {what} takes {instructions:.0} instructions, agreed are {before:.0}"))
}

fn merge(agreed: Vec<Figure>, measured: &[Figure]) -> Vec<Figure> {
    let mut all: Vec<Figure> = agreed.into_iter().filter(|figure| find(measured, figure).is_none()).collect();
    all.extend_from_slice(measured);
    all.sort_by(|a, b| (&a.kernel, &a.what).cmp(&(&b.kernel, &b.what)));
    all
}

fn text(figures: &[Figure]) -> String {
    let mut text = HEADING.to_owned();
    for figure in figures {
        let _ = writeln!(text, "{} {} {:.0}", figure.kernel, figure.what, figure.instructions);
    }
    text
}

fn parse(text: &str) -> Result<Vec<Figure>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| figure(line).with_context(|| format!("{FILE}: {line:?} is no figure"))).collect()
}

/// `KERNEL WHAT NUMBER`
fn figure(line: &str) -> Option<Figure> {
    let mut words = line.split(' ');
    let (kernel, what) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Figure { kernel, what, instructions: words.next()?.parse().ok()? })
}

impl Figure {
    /// As a test prints it: `@@count WHAT NUMBER`.
    pub(super) fn printed(kernel: &str, line: &str) -> Option<Self> {
        figure(&format!("{kernel} {}", line.strip_prefix("@@count ")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_hold_within_three_percent_in_both_directions() {
        let agreed = parse("# a word\n6.12 captured 1000\n").expect("figures");
        let now = |number: f64| Figure::printed("6.12", &format!("@@count captured {number}")).expect("a figure");
        assert_eq!(problem(&agreed, &now(1029.0)), None);
        assert_eq!(problem(&agreed, &now(971.0)), None);
        assert!(problem(&agreed, &now(1031.0)).is_some_and(|text| text.contains("1031") && text.contains("1000")));
        assert!(problem(&agreed, &now(969.0)).is_some());
        let other = Figure { kernel: "5.10".into(), ..now(1000.0) };
        assert!(problem(&agreed, &other).is_some_and(|text| text.contains("nothing is agreed")));
    }

    #[test]
    fn what_is_agreed_to_replaces_its_like_alone() {
        let agreed = parse("6.12 captured 1000\n5.10 captured 900\n").expect("figures");
        let now = Figure { kernel: "6.12".into(), what: "captured".into(), instructions: 1100.4 };
        let written = text(&merge(agreed, &[now]));
        assert!(written.ends_with("5.10 captured 900\n6.12 captured 1100\n"), "{written}");
        assert_eq!(parse(&written).expect("figures").len(), 2);
        assert!(parse("6.12 captured\n").is_err());
    }
}
