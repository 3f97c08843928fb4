//! What libbpf says while it works, kept for whoever asks why something failed instead of printed.

use std::cell::RefCell;

use libbpf_rs::{PrintLevel, set_print};

/// More than this is not kept of one piece of work.
const MOST: usize = 64 * 1024;

thread_local! {
    // libbpf calls back on the thread that called it.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn keep(level: PrintLevel, text: String) {
    WORDS.with_borrow_mut(|words| {
        if let Some(words) = words
            && words.len() + text.len() < MOST
            && !matches!(level, PrintLevel::Debug)
        {
            words.push_str(&text);
        }
    });
}

/// Does something with libbpf, and gives what it said meanwhile.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, String) {
    set_print(Some((PrintLevel::Warn, keep)));
    WORDS.set(Some(String::new()));
    let result = work();
    (result, WORDS.take().unwrap_or_default())
}

/// Of all that libbpf said, the one line that says most: the verifier's complaint, else the first warning.
pub(crate) fn reason(words: &str) -> Option<String> {
    if let Some(log) = words.split("BEGIN PROG LOAD LOG --").nth(1)
        && let Some(log) = log.split("-- END PROG LOAD LOG").next()
    {
        // The last lines are statistics.
        let told = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with("processed ") && !line.starts_with("max_states")
        };
        if let Some(line) = log.lines().rev().find(told) {
            return Some(line.trim().to_owned());
        }
    }
    let line = words.lines().find(|line| !line.trim().is_empty())?;
    Some(line.trim().trim_start_matches("libbpf: ").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_most_is_found() {
        let words = "libbpf: prog 'send4': BPF program load failed: -13\n\
                     libbpf: prog 'send4': -- BEGIN PROG LOAD LOG --\n0: R1=ctx()\n5: (85) call bpf_x#1\n\
                     unknown func bpf_x#1\nprocessed 3 insns (limit 1000000)\n-- END PROG LOAD LOG --\n";
        assert_eq!(reason(words).as_deref(), Some("unknown func bpf_x#1"));
        assert_eq!(reason("libbpf: one\nlibbpf: two\n").as_deref(), Some("one"));
        assert_eq!(reason("  \n"), None);
        let quiet = "libbpf: prog 'a': BPF program load failed: Operation not permitted\n\
                     libbpf: prog 'a': -- BEGIN PROG LOAD LOG --\n-- END PROG LOAD LOG --\n";
        assert!(reason(quiet).is_some_and(|line| line.contains("not permitted")));
    }
}
