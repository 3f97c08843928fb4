//! Rules for the text of source files.

use super::{Report, TextFile};

/// Longer files are hard to hold in one's head.
const LONGEST: usize = 600;
/// Half of all files must be shorter.
const MEDIAN: usize = 200;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

pub(super) fn check(files: &[TextFile], report: &mut Report) {
    let mut lengths = Vec::new();
    for file in files {
        clean(file, report);
        if !file.name.ends_with(".rs") {
            continue;
        }
        let lines = file.text.lines().count();
        lengths.push(lines);
        if !file.text.starts_with("//!") {
            report.add(&file.name, "does not open with `//!`: say in one line what the file is for");
        }
        let excepted = LONGER.iter().any(|(name, _)| *name == file.name);
        if lines > LONGEST && !excepted {
            report.add(&file.name, format_args!("{lines} lines; split what is longer than {LONGEST}"));
        }
        if excepted && lines <= LONGEST {
            report.add(&file.name, "is short enough now; take it from the list of exceptions");
        }
    }
    for (name, _) in LONGER.iter().filter(|(name, _)| !files.iter().any(|file| file.name == *name)) {
        report.add(name, "is on the list of long files and does not exist");
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    let longest = lengths.last().copied().unwrap_or_default();
    println!("{} Rust files, median {median} lines, longest {longest}", lengths.len());
    if median > MEDIAN {
        report.add("median", format_args!("{median} lines; half of all files stay below {MEDIAN}"));
    }
}

fn clean(file: &TextFile, report: &mut Report) {
    for (number, line) in file.text.lines().enumerate() {
        let place = || format!("{}:{}", file.name, number + 1);
        // In Rust only string literals can have it and mean it; rustfmt sees to the rest.
        if line.ends_with([' ', '\t']) && !file.name.ends_with(".rs") {
            report.add(place(), "space at the end of the line");
        }
        // Two ends of a merge that was not finished; seven characters, then a space.
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
            report.add(place(), "conflict marker");
        }
        if let Some(path) = private_path(line) {
            report.add(place(), format_args!("names a folder of somebody's machine: {path}"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        report.add(&file.name, "does not end with a line end");
    }
    if file.text.ends_with("\n\n") {
        report.add(&file.name, "ends with an empty line");
    }
    if file.text.contains('\r') && !file.name.ends_with(".rs") {
        report.add(&file.name, "has carriage returns");
    }
}

/// A path that exists on one machine only. `/home/` and `/root/` followed by a name; examples use `/home/user`.
fn private_path(line: &str) -> Option<&str> {
    let start = ["/home/", "/root/", "/work/", "/Users/"].iter().find_map(|prefix| {
        let at = line.find(prefix)?;
        let alone = at == 0 || !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}/".contains(c));
        let name = line[at + prefix.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
        (alone && name && !line[at..].starts_with("/home/user")).then_some(at)
    })?;
    line[start..].split([' ', '"', '\'', '`', ')', ',']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(&[TextFile { name: name.into(), text: text.into() }], &mut report);
        report.0
    }

    #[test]
    fn clean_files_pass() {
        assert!(problems("a.rs", "//! What it is for.\n\nfn f() {}\n").is_empty());
    }

    #[test]
    fn each_rule_is_seen() {
        let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LONGEST));
        let cases = [
            ("a.rs", "fn f() {}\n", "a.rs: does not open with"),
            ("a.rs", long.as_str(), "a.rs: 601 lines"),
            ("a.md", "one \n", "a.md:1: space at the end"),
            ("a.md", "one", "a.md: does not end with a line end"),
            ("a.md", "one\n\n", "a.md: ends with an empty line"),
            ("a.md", concat!("see /ho", "me/anna/x.\n"), "a.md:1: names a folder"),
        ];
        for (name, text, expected) in cases {
            let found = problems(name, text);
            assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn paths_of_examples_and_urls_are_fine() {
        for line in ["ls /home/user/x", "https://example.com/home/anna", "\"/home/\"", "a/work/b"] {
            assert_eq!(private_path(line), None, "{line}");
        }
        assert_eq!(private_path(concat!("cd /wo", "rk/main, then")), Some(concat!("/wo", "rk/main")));
    }
}
