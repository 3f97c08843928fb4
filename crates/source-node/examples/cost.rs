//! What a scrape costs: gathers many times and prints the CPU time of one, or with `--print` what is gathered.
//!
//! ```sh
//! cargo run --release --package corten-source-node --example cost -- 1000
//! ```

use std::time::Duration;

use corten_source_node::{Choice, Unix, UnixArguments};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let unix = Unix::new(&UnixArguments::default())?;
    let word = std::env::args().nth(1).unwrap_or_default();
    let deadline = Duration::from_secs(10);
    if word == "--print" {
        print(&unix.gather(&Choice::default(), deadline));
        return Ok(());
    }
    let rounds: u32 = word.parse().unwrap_or(100);
    let text = unix.gather(&Choice::default(), deadline);
    let before = cpu()?;
    for _ in 0..rounds {
        unix.gather(&Choice::default(), deadline);
    }
    let each = (cpu()? - before) * 1000.0 / f64::from(rounds);
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    print(&format!(
        "{each:.3} ms of CPU a scrape, {lines} samples, {} bytes, {} kB resident\n",
        text.len(),
        resident()?
    ));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn print(text: &str) {
    print!("{text}");
}

/// Seconds of CPU that this process has used; in hundredths, so many rounds are worth it.
fn cpu() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
