//! `corten doctor ebpf` through the real program, as a user without rights but a few: right after right taken away, it
//! says what is lost by it and what would bring it back.
#![cfg(feature = "ebpf")]
#![allow(clippy::print_stdout, reason = "a test that cannot run says why")]

use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_corten");
/// What all features need where probes need nothing more (6.6 and newer).
const ALL: &str = "+bpf,+perfmon,+sys_ptrace,+dac_read_search";

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Told {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The line of a feature, and those that belong to it.
    fn about(&self, feature: &str) -> String {
        let mut lines = self.out.lines().skip_while(|line| line.split_whitespace().nth(1) != Some(feature));
        let first = lines.next().unwrap_or_else(|| panic!("nothing about {feature}: {}", self.out));
        let rest = lines.take_while(|line| line.starts_with("      "));
        std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n")
    }

    fn works(&self, feature: &str) -> bool {
        self.about(feature).starts_with("works")
    }
}

/// The program as nobody, with these rights.
fn doctor(rights: &str, args: &[&str]) -> Told {
    let rights = if rights.is_empty() { "-all".to_owned() } else { format!("-all,{rights}") };
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args([format!("--inh-caps={rights}"), format!("--ambient-caps={rights}")]);
    let output = command.arg(BINARY).args(["doctor", "ebpf"]).args(args).output().expect("setpriv");
    let told = Told::of(output);
    println!("--- {rights} {args:?}: {:?}\n{}{}", told.code, told.out, told.err);
    told
}

/// Whether we may become somebody else, who can run the program.
fn possible() -> bool {
    let mut command = Command::new("setpriv");
    let became = command.args(["--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "--version"]).output();
    let possible = became.is_ok_and(|output| output.status.success());
    if !possible {
        println!("skipped: this test cannot run the program as another user");
    }
    possible
}

/// Kernels of guests forbid nothing that two rights do not bring back.
fn in_a_guest() -> bool {
    std::env::var_os("CORTEN_KERNEL_TESTS").is_some()
}

/// `/proc/sys/kernel/osrelease` as numbers.
fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[test]
fn with_all_rights_all_works() {
    if !possible() {
        return;
    }
    let told = doctor(ALL, &[]);
    if !in_a_guest() && told.code != Some(0) {
        println!("skipped: this platform refuses: {}", told.out);
        return;
    }
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(["processes", "details"].iter().all(|feature| told.works(feature)));
    if in_a_guest() {
        assert!(["trampolines", "system-calls", "ipv6", "unix"].iter().all(|feature| told.works(feature)));
        assert_eq!(told.works("tracepoints"), kernel() >= (6, 3));
    }
    let probes = kernel() >= (6, 6);
    assert_eq!(told.works("tls"), probes, "{}", told.about("tls"));
    let required = doctor(ALL, &["--require", "tls"]);
    assert_eq!(required.code == Some(0), probes);
    assert!(probes || required.err.contains("\"tls\""), "{}", required.err);
    assert!(probes || told.about("tls").contains("needs   CAP_"), "{}", told.about("tls"));
}

#[test]
fn without_one_of_the_two_nothing_is_seen_and_it_is_named() {
    if !possible() {
        return;
    }
    for (rights, lacking) in [
        ("+perfmon,+sys_ptrace,+dac_read_search", "CAP_BPF"),
        ("+bpf,+sys_ptrace,+dac_read_search", "CAP_PERFMON"),
        ("", "CAP_BPF CAP_PERFMON"),
    ] {
        let told = doctor(rights, &[]);
        assert_eq!(told.code, Some(1), "{rights}: {}", told.out);
        assert!(told.err.contains("requests cannot be seen"), "{}", told.err);
        assert!(!told.works("trampolines") && !told.works("system-calls"));
        assert!(told.about("trampolines").ends_with(&format!("needs   {lacking}")), "{}", told.about("trampolines"));
        assert!(told.about("processes").contains(lacking), "{}", told.about("processes"));
    }
}

#[test]
fn without_the_others_requests_are_seen_and_names_are_not() {
    if !possible() {
        return;
    }
    for (rights, lacking) in [
        ("+bpf,+perfmon,+dac_read_search", "CAP_SYS_PTRACE"),
        ("+bpf,+perfmon,+sys_ptrace", "CAP_DAC_READ_SEARCH"),
        ("+bpf,+perfmon", "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"),
    ] {
        let told = doctor(rights, &[]);
        if !in_a_guest() && told.code != Some(0) {
            println!("skipped: this platform refuses: {}", told.out);
            return;
        }
        assert_eq!(told.code, Some(0), "{rights}: {}", told.out);
        assert!(told.works("processes"));
        assert!(told.about("details").ends_with(&format!("needs   {lacking}")), "{}", told.about("details"));
        let required = doctor(rights, &["--require", "processes", "--require", "details"]);
        assert_eq!(required.code, Some(1));
        assert!(required.err.contains("the feature \"details\" does not work"), "{}", required.err);
    }
}

#[test]
fn what_is_printed_to_fix_it_does() {
    if !possible() {
        return;
    }
    // Whoever asks has nothing yet.
    let fix = doctor("", &["--fix"]);
    assert_eq!(fix.code, Some(0), "{}", fix.err);
    let line = fix.out.lines().find_map(|line| line.strip_prefix("AmbientCapabilities=")).expect("capabilities");
    assert!(fix.out.contains(&format!("CapabilityBoundingSet={line}\n")), "{}", fix.out);
    let rights: Vec<String> =
        line.split(' ').map(|name| format!("+{}", name.trim_start_matches("CAP_").to_lowercase())).collect();
    let told = doctor(&rights.join(","), &["--require", "tls", "--require", "details", "--require", "processes"]);
    if !in_a_guest() && told.code != Some(0) {
        println!("skipped: this platform refuses: {}", told.out);
        return;
    }
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
}
