//! `processes`: how many processes and threads there are, by state.

use std::collections::BTreeMap;
use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files::{self, ReadError};
use crate::parse;
use crate::roots::Roots;

const ESRCH: i32 = 3;

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let (mut pids, mut threads) = (0u64, 0u64);
    let (mut states, mut thread_states) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    for pid in numbers(&roots.proc)? {
        let dir = roots.proc(&pid);
        // Processes come and go meanwhile.
        let Some(stat) = vanishing(files::read(dir.join("stat")))? else { continue };
        let (state, count) = parse(&stat)?;
        pids += 1;
        threads += count;
        *states.entry(state.to_owned()).or_default() += 1;
        let tasks = dir.join("task");
        for task in vanishing(list(&tasks))?.unwrap_or_default() {
            let other;
            let state = if task == pid {
                state
            } else {
                let Some(stat) = vanishing(files::read(tasks.join(&task).join("stat")))? else { continue };
                other = stat;
                parse(&other)?.0
            };
            *thread_states.entry(state.to_owned()).or_default() += 1;
        }
    }
    let setting = |name: &str| files::number::<u64>(roots.proc("sys/kernel").join(name));
    out.gauge("node_processes_threads", "Threads.", &[], threads);
    out.gauge("node_processes_max_threads", "Threads that there may be.", &[], setting("threads-max")?);
    for (state, count) in &states {
        out.gauge("node_processes_state", "Processes by state.", &[("state", state)], *count);
    }
    for (state, count) in &thread_states {
        out.gauge("node_processes_threads_state", "Threads by state.", &[("thread_state", state)], *count);
    }
    out.gauge("node_processes_pids", "Processes.", &[], pids);
    out.gauge("node_processes_max_processes", "Process numbers that there may be.", &[], setting("pid_max")?);
    Ok(())
}

fn list(dir: &Path) -> Result<Vec<String>, ReadError> {
    let mut names = files::list(dir)?;
    names.retain(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    Ok(names)
}

fn numbers(dir: &Path) -> Result<Vec<String>, Failure> {
    Ok(list(dir)?)
}

fn vanishing<T>(result: Result<T, ReadError>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() || error.errno() == Some(ESRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The state and the number of threads. The name in parentheses may hold anything, parentheses too.
pub(super) fn parse(stat: &str) -> Result<(&str, u64), Failure> {
    let rest = stat.rfind(')').map(|end| &stat[end + 1..]);
    let rest = rest.ok_or_else(|| Failure::new("a process's stat has no name"))?;
    let mut words = rest.split_whitespace();
    let (Some(state), Some(threads)) = (words.next(), words.nth(16)) else {
        return Err(Failure::new(format!("a process's stat has too few numbers: {rest:?}")));
    };
    Ok((state, parse::number(threads, "stat")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_may_hold_parentheses() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 3 0 9";
        assert_eq!(parse(stat).unwrap(), ("S", 3));
        assert!(parse("7 (a) S 1").is_err() && parse("").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "([0-9]|\\(|\\)| |.){0,60}") {
            let _ = parse(&text);
        }
    }
}
