//! The `corten` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    corten_pipeline::cli::main(std::env::args_os())
}
