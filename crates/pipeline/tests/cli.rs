//! The command line through the real binary: what is printed, where, and how it ends.

use std::path::Path;
use std::process::{Command, Output, Stdio};

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn corten(args: &[&str]) -> Ended {
    ended(Command::new(env!("CARGO_BIN_EXE_corten")).args(args).stdin(Stdio::null()).output().expect("it starts"))
}

fn corten_reading(args: &[&str], input: &str) -> Ended {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_corten"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("standard input").write_all(input.as_bytes()).expect("it reads");
    ended(child.wait_with_output().expect("it ends"))
}

fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(path)).expect("a file")
}

#[test]
fn without_arguments_the_usage_is_printed() {
    let ended = corten(&[]);
    assert_eq!(ended.code, Some(0));
    for word in ["Usage:", "run", "fmt", "validate", "completion", "Start here"] {
        assert!(ended.out.contains(word), "{word} is missing in {}", ended.out);
    }
    assert_eq!(ended.err, "");
}

#[test]
fn the_version_names_the_product() {
    for flag in ["--version", "-v"] {
        let ended = corten(&[flag]);
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.out.starts_with(concat!("corten, version v", env!("CARGO_PKG_VERSION"), " (revision: ")),
            "{}",
            ended.out
        );
    }
}

#[test]
fn every_mistake_on_the_command_line_is_one_error_and_code_1() {
    let cases: &[(&[&str], &str)] = &[
        (&["serve"], "Error: unknown command \"serve\" for \"corten\"\n"),
        (&["run", "--nonsense"], "Error: unknown flag: --nonsense\n"),
        (&["validate"], "Error: missing argument: <PATH>\n"),
        (&["fmt", "-w"], "Error: cannot use -w with standard input\n"),
        (
            &["run", "--server.http.enable-graphql", "x"],
            "Error: '--server.http.enable-graphql' can only be used at experimental stability level. \
             Use --stability.level=experimental to enable.\n",
        ),
        (
            &["run", "--config.format=otelcol", "x"],
            "Error: --config.format=otelcol is not implemented by Corten\n\
             help: write the file in the Alloy syntax; `alloy convert` can do it once\n",
        ),
    ];
    for (args, expected) in cases {
        let ended = corten(args);
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert_eq!(ended.err, *expected, "{args:?}");
        assert_eq!(ended.out, "", "{args:?}");
    }
}

#[test]
fn completions_know_the_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = corten(&["completion", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains("server.http.listen-addr") && ended.out.contains("validate"), "{shell}");
    }
}

#[test]
fn fmt_prints_writes_and_tests() {
    let directory = tempfile::tempdir().expect("a directory");
    let (messy, neat) = ("logging{level=\"info\"}\n", "logging {\n\tlevel = \"info\"\n}\n");
    let path = file(&directory, "x.alloy", messy);
    assert_eq!(corten(&["fmt", &path]).out, neat);
    assert_eq!(corten_reading(&["format"], messy).out, neat);
    assert_eq!(corten_reading(&["fmt", "-"], messy).out, neat);

    let tested = corten(&["fmt", "--test", &path]);
    assert_eq!((tested.code, tested.err), (Some(1), format!("Error: file {path} is not formatted correctly\n")));
    assert_eq!(read(&path), messy);
    assert_eq!(corten(&["fmt", "--write", &path]).code, Some(0));
    assert_eq!(read(&path), neat);
    assert_eq!(corten(&["fmt", "-t", &path]).code, Some(0));
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1);

    let directory_name = directory.path().to_str().expect("UTF-8");
    assert_eq!(corten(&["fmt", directory_name]).err, "Error: cannot format a directory\n");
}

#[test]
fn fmt_names_every_syntax_error() {
    let ended = corten_reading(&["fmt"], "a {\n  b = \n}\nc = = 1\n");
    assert_eq!(ended.code, Some(1));
    let lines: Vec<&str> = ended.err.lines().collect();
    assert!(lines.len() >= 3 && lines[0].starts_with("<stdin>:3:1: "), "{}", ended.err);
    assert_eq!(lines.last(), Some(&"Error: encountered errors during formatting"));
    assert_eq!(ended.out, "");
}

#[test]
fn a_missing_file_is_said() {
    for command in ["run", "validate"] {
        let ended = corten(&[
            command,
            "/nonexistent/x.alloy",
            if command == "run" { "--server.http.listen-addr=127.0.0.1:0" } else { "--allow-warnings" },
        ]);
        assert_eq!(ended.code, Some(1));
        let last = ended.err.lines().last().expect("a line");
        assert!(last.starts_with("Error: reading config path \"/nonexistent/x.alloy\": "), "{}", ended.err);
        assert!(last.to_lowercase().contains("no such file"), "{last}");
    }
}
