//! `cargo xtask vm-test`: test programs on real kernels, in QEMU. Software emulation is enough.
//!
//! Kernels, QEMU and what is in a guest are packages of Debian and Ubuntu, unpacked below the target folder; nothing is
//! installed. A guest is a whole machine in memory, with systemd and servers in it, up in some ten seconds; a bare one has
//! busybox and is up in three. It runs the test programs, says how they ended on its console, and is gone.

mod apt;
mod archive;
mod baseline;
mod guest;
mod kernels;
mod machine;
mod root;
mod suites;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use lexopt::Parser;
use lexopt::prelude::{Long, Value, ValueExt};

use crate::{process, services, workspace};
use baseline::Figure;
use guest::{Guest, How, Program};
use kernels::Kernel;
use machine::{Boot, Outcome, Qemu};
use root::Root;
use suites::Suite;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask vm-test [--kernel NAME]... [--all] [--servers | --bare] [--requests N] [--hooks NAME]
                           [--test NAME]... [FILTER]...
       cargo xtask vm-test --count [--accept] [--kernel NAME]... [--all]
       cargo xtask vm-test --list

Runs test programs as root in a guest for each kernel, one after the other, and prints a table: what the kernel does,
what `corten doctor` says, and the whole product with a server.

  --kernel NAME        one of those that --list names; may be repeated (default: 5.10 and 6.12)
  --all                all of them
  --servers            all servers that there are packages of, and all tests with servers
  --bare               a guest without systemd and servers, up in three seconds: what the kernel does, and that alone
  --requests N         how many requests each server is asked (default: as the tests have it)
  --hooks NAME         by this hook set, instead of the best: 'system calls', for example
  --test NAME          an integration test by name, in place of these; may be repeated
  --count              count instructions: what an event costs may not be more than 3 % off of what was agreed to
                       (default: on 6.12)
  --accept             agree to what is counted now
  --list               what there is
  FILTER               only tests whose name contains it
";

/// What CI runs.
const TWO: &[&str] = &["5.10", "6.12"];
/// Where CI counts.
const ONE: &[&str] = &["6.12"];
/// Emulated, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(480);

/// What to run where.
#[derive(Default)]
struct Wanted {
    kernels: Vec<&'static Kernel>,
    tests: Vec<Suite>,
    filters: Vec<String>,
    how: How,
    bare: bool,
    servers: bool,
    accept: bool,
}

pub(crate) fn run(parser: &mut Parser) -> Result<()> {
    let mut wanted = Wanted::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("kernel") => wanted.kernels.push(kernels::by_name(&parser.value()?.to_string_lossy())?),
            Long("all") => wanted.kernels = kernels::ALL.iter().collect(),
            Long("servers") => wanted.servers = true,
            Long("bare") => wanted.bare = true,
            Long("requests") => wanted.how.requests = Some(parser.value()?.parse()?),
            Long("hooks") => wanted.how.hooks = Some(parser.value()?.string()?),
            Long("count") => wanted.how.count = true,
            Long("accept") => wanted.accept = true,
            Long("test") => wanted.tests.push(Suite::by_name(&parser.value()?.string()?)),
            Long("list") => {
                kernels::ALL.iter().for_each(|kernel| println!("{:14} {}", kernel.name, kernel.suite));
                return Ok(());
            }
            Value(filter) => wanted.filters.push(filter.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    wanted.fill()?;
    test(&wanted)
}

/// What CI runs: all tests on two kernels, and the instructions of an event on one of them.
pub(crate) fn check() -> Result<()> {
    for count in [false, true] {
        let mut wanted = Wanted { how: How { count, ..How::default() }, ..Wanted::default() };
        wanted.fill()?;
        test(&wanted)?;
    }
    Ok(())
}

impl Wanted {
    /// What was not said.
    fn fill(&mut self) -> Result<()> {
        ensure!(!(self.bare && self.servers), "--bare and --servers exclude each other");
        ensure!(self.how.count || !self.accept, "--accept goes with --count");
        // Whatever else runs is counted too.
        self.bare |= self.how.count;
        if self.kernels.is_empty() {
            let names = if self.how.count { ONE } else { TWO };
            self.kernels = names.iter().map(|name| kernels::by_name(name)).collect::<Result<_>>()?;
        }
        if self.tests.is_empty() {
            self.tests.push(Suite::kernel());
            if !self.bare {
                self.tests.extend([Suite::doctor(), Suite::product()]);
                self.tests.extend(self.servers.then(Suite::servers));
            }
        }
        ensure!(!self.bare || !self.tests.iter().any(|suite| suite.whole), "corten itself is no test for a bare guest");
        Ok(())
    }

    fn root(&self) -> Option<Root> {
        match (self.bare, self.servers) {
            (true, _) => None,
            (false, true) => Some(Root::All),
            (false, false) => Some(Root::Few),
        }
    }
}

fn test(wanted: &Wanted) -> Result<()> {
    let store = workspace::target()?.join("vm");
    if wanted.tests.iter().any(|suite| suite.serves) {
        services::prepare_for_guests()?;
    }
    let (paths, corten) = suites::build(&wanted.tests)?;
    let corten = corten.filter(|_| wanted.tests.iter().any(|suite| suite.whole));
    let program = |(suite, path): (&Suite, PathBuf)| {
        let own = suite.filters.iter().map(|filter| (*filter).to_owned());
        let filters = if wanted.filters.is_empty() { own.collect() } else { wanted.filters.clone() };
        Program { path, filters }
    };
    let programs: Vec<Program> = wanted.tests.iter().zip(paths).map(program).collect();
    let qemu = machine::find(&store)?;
    let mut rows = Vec::new();
    for kernel in &wanted.kernels {
        println!("\n--- {} ---", kernel.name);
        let guest = Guest {
            store: &store,
            root: wanted.root(),
            programs: &programs,
            corten: corten.as_deref(),
            how: &wanted.how,
        };
        rows.push((kernel.name, boot(kernel, &guest, &qemu, &store)));
    }
    table(&rows)?;
    if !wanted.how.count {
        return Ok(());
    }
    let figures = rows.iter().filter_map(|(kernel, row)| Some((kernel, row.as_ref().ok()?)));
    let figures: Vec<Figure> = figures
        .flat_map(|(kernel, outcome)| outcome.counts.iter().filter_map(|line| Figure::printed(kernel, line)))
        .collect();
    baseline::check(&figures, wanted.accept)
}

fn boot(kernel: &Kernel, guest: &Guest<'_>, qemu: &Qemu, store: &Path) -> Result<Outcome> {
    let image = kernel.fetch(store)?;
    let initramfs: PathBuf = store.join(format!("initramfs-{}", std::process::id()));
    let written = guest.write(&initramfs);
    let boot = Boot {
        kernel: &image,
        initramfs: &initramfs,
        memory: guest.root.map_or(1024, Root::memory),
        words: guest.root.map_or("rdinit=/init", |_| root::BOOT),
        count: guest.how.count,
        deadline: DEADLINE,
    };
    let outcome = written.and_then(|()| machine::boot(qemu, &boot));
    std::fs::remove_file(&initramfs)?;
    outcome
}

/// One line for each kernel; a guest that said nothing at its end has failed.
fn table(rows: &[(&str, Result<Outcome>)]) -> Result<()> {
    println!(
        "\n{:14} {:28} {:>7} {:>7} {:>9} {:>14}  what failed",
        "kernel", "release", "passed", "failed", "left out", "took"
    );
    let mut failed = 0;
    for (name, row) in rows {
        match row {
            Ok(outcome) => {
                let took = process::duration(outcome.took);
                let why = outcome.failures.join(", ");
                println!(
                    "{name:14} {:28} {:>7} {:>7} {:>9} {took:>14}  {why}",
                    outcome.release,
                    outcome.passed,
                    outcome.failures.len(),
                    outcome.left_out
                );
                failed += usize::from(!outcome.good);
            }
            Err(error) => {
                println!("{name:14} {error:#}");
                failed += 1;
            }
        }
    }
    ensure!(failed == 0, "{failed} of {} kernels failed", rows.len());
    Ok(())
}
