//! The `corten` program once more: cargo gives tests the paths of their own package's programs only, and building
//! those of another from within a test would build its dependencies anew.

use std::process::ExitCode;

fn main() -> ExitCode {
    corten_pipeline::cli::main(std::env::args_os())
}
