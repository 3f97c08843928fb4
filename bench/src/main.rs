//! `corten-bench`: the table of what collectors cost; and the floor itself.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use corten_bench::floor::{self, Floor};
use corten_bench::report::{self, Cell};
use corten_bench::{CORTEN, FLOOR, Options, Peer, QUICK, Row, rows, run, scrape};
use corten_net::codec::Encoding;
use lexopt::prelude::{Long, Value, ValueExt};

const USAGE: &str = "\
Usage: corten-bench --corten PATH [OPTIONS]
       corten-bench scrape --corten PATH [--prometheus PATH] [OPTIONS]       (scrape --help)
       corten-bench floor --listen ADDRESS --to ADDRESS... [--compression NAME] [--batch ITEMS]

  --corten PATH       the collector's program
  --peer FILE=PATH    one more collector: its description (as bench/peers/*.toml) and its program; may be repeated
  --peers DIR         all whose descriptions are in bench/peers and whose programs are in DIR, by the same names
  --rows A,B,...      only these rows, or those that begin so (`traces-`); all without it
  --quick             a few rows, once there and back, in less than a minute
  --rounds N          times there and back: A B B A is one (1)
  --scale F           F times as many items (1)
  --check-every N     one body in so many is checked strictly at the sinks (8)
  --no-pin            do not part the cores between collector and load
  --profile DIR       perf record on the collectors; the data and the most expensive symbols go there
  --json FILE         write everything there
  --list              print the rows
";

struct Asked {
    corten: Option<PathBuf>,
    peers: Vec<(PathBuf, PathBuf)>,
    rows: Vec<Row>,
    rounds: usize,
    json: Option<PathBuf>,
    pin: bool,
    check_every: u64,
    profile: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("floor") => relay(),
        Some("scrape") => scrapes(),
        _ => table(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corten-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Option<Asked>> {
    let (mut only, mut scale): (Option<Vec<String>>, f64) = (None, 1.0);
    let mut asked = Asked {
        corten: None,
        peers: Vec::new(),
        rows: Vec::new(),
        rounds: 1,
        json: None,
        pin: true,
        check_every: 8,
        profile: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("corten") => asked.corten = Some(parser.value()?.into()),
            Long("peer") => {
                let word = parser.value()?.string()?;
                let (file, program) = word.split_once('=').context("--peer FILE=PATH")?;
                asked.peers.push((file.into(), program.into()));
            }
            Long("peers") => {
                let directory = PathBuf::from(parser.value()?);
                for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))? {
                    let file = entry?.path();
                    let program = directory.join(file.file_stem().unwrap_or_default());
                    if program.is_file() {
                        asked.peers.push((file, program));
                    }
                }
                asked.peers.sort();
            }
            Long("rows") => only = Some(parser.value()?.string()?.split(',').map(str::to_owned).collect()),
            Long("quick") => only = Some(QUICK.iter().map(|name| (*name).to_owned()).collect()),
            Long("rounds") => asked.rounds = parser.value()?.parse()?,
            Long("scale") => scale = parser.value()?.parse()?,
            Long("check-every") => asked.check_every = parser.value()?.parse()?,
            Long("no-pin") => asked.pin = false,
            Long("profile") => asked.profile = Some(parser.value()?.into()),
            Long("json") => asked.json = Some(parser.value()?.into()),
            Long("list") => {
                rows().iter().for_each(|row| println!("{}", row.name));
                return Ok(None);
            }
            Long("help") => {
                print!("{USAGE}");
                return Ok(None);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut known = rows();
    if let Some(only) = only {
        for name in &only {
            ensure!(known.iter().any(|row| row.name.starts_with(name)), "there is no row {name:?}; see --list");
        }
        known.retain(|row| only.iter().any(|name| row.name.starts_with(name)));
    }
    for row in &mut known {
        row.items = ((row.requests() as f64 * scale) as u64).max(1) * row.per_request * u64::from(row.items > 0);
    }
    asked.rows = known;
    Ok(Some(asked))
}

fn scrapes() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    // The word that led here.
    parser.next()?;
    scrape::main(&mut parser)
}

fn table() -> Result<()> {
    let Some(asked) = parse()? else { return Ok(()) };
    let corten = asked.corten.context("--corten PATH is needed; `cargo xtask bench` builds and gives it")?;
    let mut peers = vec![Peer::parse("floor", &std::env::current_exe()?, FLOOR)?];
    peers.push(Peer::parse("corten", &corten, CORTEN)?);
    for (file, program) in &asked.peers {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        peers.push(Peer::parse(&name, program, &text)?);
    }
    let options = Options::new(asked.pin, asked.check_every, asked.profile)?;
    if asked.pin && !options.pinned() {
        eprintln!("one core only: collector and load share it");
    }
    let (mut cells, mut number, mut failed): (Vec<Cell>, u32, Vec<String>) = (Vec::new(), 0, Vec::new());
    for row in &asked.rows {
        let able: Vec<&Peer> = peers.iter().filter(|peer| peer.can(row)).collect();
        let first = cells.len();
        for peer in &able {
            cells.push(Cell { row: row.clone(), peer: peer.name.clone(), runs: Vec::new() });
        }
        let there = 0..able.len();
        for at in (0..asked.rounds).flat_map(|_| there.clone().chain(there.clone().rev())) {
            number += 1;
            let outcome = match run(row, able[at], number, &options) {
                Ok(outcome) => outcome,
                // The others are measured all the same.
                Err(error) => {
                    eprintln!("{error:#}");
                    failed.push(format!("{} with {}", row.name, able[at].name));
                    continue;
                }
            };
            eprintln!(
                "{:24} {:8} {:.3} CPU s, {:.2} s, {:?}",
                row.name, able[at].name, outcome.cpu_seconds, outcome.seconds, outcome.verdict
            );
            cells[first + at].runs.push(outcome);
        }
    }
    println!("{}", report::table(&cells, "floor"));
    print!("{}", report::outages(&cells));
    for peer in &peers {
        let mine: Vec<&Cell> = cells.iter().filter(|cell| cell.peer == peer.name).collect();
        let mut listening: Vec<f64> = mine.iter().map(|cell| cell.median(|run| run.listening)).collect();
        listening.sort_by(f64::total_cmp);
        let size = std::fs::metadata(&peer.binary).map_or(0.0, |file| file.len() as f64 / 1e6);
        let listening = listening.get(listening.len() / 2).copied().unwrap_or(0.0) * 1e3;
        println!("{}: program {size:.1} MB, exec to listening {listening:.1} ms", peer.name);
    }
    if let Some(file) = asked.json {
        std::fs::write(&file, format!("{:#}\n", report::json(&cells)))?;
    }
    let wrong = cells.iter().filter(|cell| cell.faults() != [0; 4]);
    let wrong: Vec<String> = wrong.map(|cell| format!("{} with {}", cell.row.name, cell.peer)).collect();
    ensure!(failed.is_empty(), "these could not be measured: {}", failed.join(", "));
    ensure!(wrong.is_empty(), "items were lost, doubled or foreign in: {}", wrong.join(", "));
    Ok(())
}

fn relay() -> Result<()> {
    let (mut listen, mut destinations): (Option<SocketAddr>, Vec<SocketAddr>) = (None, Vec::new());
    let (mut encoding, mut batch) = (Encoding::Identity, 1000);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(word) if word == "floor" => {}
            Long("listen") => listen = Some(parser.value()?.parse()?),
            Long("to") => destinations.push(parser.value()?.parse()?),
            Long("compression") => {
                let name = parser.value()?.string()?;
                encoding = Encoding::from_http(&name).with_context(|| format!("no compression {name:?}"))?;
            }
            Long("batch") => batch = parser.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(listen) = listen else { bail!("floor needs --listen") };
    let floor = Floor { listen, destinations, encoding, batch, timeout: Duration::from_millis(200) };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(floor::run(floor))
}
