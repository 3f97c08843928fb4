//! `corten validate` through the real binary.

use std::process::{Command, Stdio};

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn validate(text: &str, flags: &[&str]) -> Ended {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("x.alloy"), text).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_corten"))
        .current_dir(directory.path())
        .arg("validate")
        .args(flags)
        .arg("x.alloy")
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing is written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_good_file_is_silent() {
    let ended = validate(include_str!("../src/default.alloy"), &[]);
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "", ""));
}

#[test]
fn all_mistakes_are_shown_at_once_with_help() {
    let ended = validate(
        "loging {\n\tlevel = \"debug\"\n}\n\notelcol.exporter.otlphttp \"x\" {\n\tclient {\n\t\tendpont = \"http://x\"\n\t}\n}\n",
        &[],
    );
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.out, "\n");
    for part in [
        "Error: x.alloy:1:1: cannot find the definition of component name \"loging\"",
        "help: did you mean \"logging\"?",
        "Error: x.alloy:7:3: unrecognized attribute name \"endpont\"",
        "help: did you mean \"endpoint\"?",
        "missing required attribute \"endpoint\"",
    ] {
        assert!(ended.err.contains(part), "{part} is missing in {}", ended.err);
    }
    assert!(ended.err.ends_with("Error: validation failed\n"), "{}", ended.err);
}

#[test]
fn what_alloy_has_and_corten_lacks_is_named() {
    let ended = validate("prometheus.exporter.snowflake \"x\" {\n}\n", &["--allow-warnings"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("not implemented by Corten"), "{}", ended.err);
}

#[test]
fn process_blocks_are_checked_too() {
    let ended = validate(
        "remotecfg {\n\turl = \"http://x\"\n\tpol_frequency = \"1m\"\n}\nlogging {\n\tlevel = \"inof\"\n}\n",
        &[],
    );
    assert_eq!(ended.code, Some(1));
    for part in [
        "\"pol_frequency\"",
        "did you mean \"poll_frequency\"?",
        "is not one of debug, info, warn, error",
        "did you mean \"info\"?",
    ] {
        assert!(ended.err.contains(part), "{part} is missing in {}", ended.err);
    }
}

#[test]
fn notes_say_what_a_default_means_and_cost_nothing() {
    let file = |http: &str| {
        format!(
            "otelcol.receiver.otlp \"x\" {{\n\thttp {{ {http} }}\n\toutput {{\n\t\tlogs = [otelcol.exporter.debug.d.input]\n\t}}\n}}\n\n\
             otelcol.exporter.debug \"d\" {{ }}\n"
        )
    };
    let ended = validate(&file(""), &[]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
    for part in ["Note: x.alloy:2:2: http listens on 127.0.0.1:4318, for this machine only", "help: write endpoint = "]
    {
        assert!(ended.err.contains(part), "{part} is missing in {}", ended.err);
    }
    let ended = validate(&file("endpoint = \"0.0.0.0:4318\""), &[]);
    assert!(ended.code == Some(0) && ended.err.contains("Note: ") && ended.err.contains("neither TLS nor auth"));
    for quiet in ["endpoint = \"127.0.0.1:4318\"", "endpoint = sys.env(\"DOOR\")"] {
        let ended = validate(&file(quiet), &[]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    }
}
