//! A collector as `peers/NAME.toml` describes it: how it is started and configured; and one that runs.

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use corten_net::codec::Encoding;
use corten_testkit::free_address;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::row::{Input, Job, Row};
use crate::usage::Usage;

const PATIENCE: Duration = Duration::from_secs(30);

/// A collector that can be started.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What the table calls it.
    pub name: String,
    /// Its program.
    pub binary: PathBuf,
    command: Vec<String>,
    config_name: String,
    config: String,
    destination: String,
    output: String,
    name_of_output: String,
    separator: String,
    /// What a queue on disk takes: a block, and a line of the destination.
    storage: String,
    stored: String,
    /// Its command tells it how many cores to use.
    takes_cores: bool,
    inputs: Vec<String>,
    compressions: Vec<String>,
    /// It goes on without its back end.
    retries: bool,
}

impl Peer {
    /// Reads a description.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, binary: &Path, text: &str) -> Result<Self> {
        let table: toml::Table = text.parse().with_context(|| format!("the description of {name}"))?;
        let string = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let list = |key: &str| -> Vec<String> {
            let values = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
            values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let command = list("command");
        if command.is_empty() {
            bail!("the description of {name} has no command");
        }
        Ok(Self {
            name: name.to_owned(),
            binary: binary.to_owned(),
            command,
            config_name: string("config_name"),
            config: string("config"),
            destination: string("destination"),
            output: string("output"),
            name_of_output: string("name"),
            separator: string("separator"),
            storage: string("storage"),
            stored: string("stored"),
            takes_cores: table.get("cores").and_then(toml::Value::as_bool).unwrap_or(false),
            inputs: list("inputs"),
            compressions: list("compressions"),
            retries: table.get("retries").and_then(toml::Value::as_bool).unwrap_or(false),
        })
    }

    /// Whether it can do what a row asks.
    pub fn can(&self, row: &Row) -> bool {
        let input = if row.input == Input::Http { "http" } else { "grpc" };
        let has = |list: &[String], word: &str| list.iter().any(|known| known == word);
        let lives = self.retries || row.dead == 0 && !matches!(row.job, Job::Dead(_) | Job::Outage(_));
        let stores = !row.durable || !self.storage.is_empty();
        let spreads = row.cores.is_none() || self.takes_cores;
        lives && stores && spreads && has(&self.inputs, input) && has(&self.compressions, compression(row.encoding))
    }

    /// Starts it on a core (counted among those that this process may use) and waits until it listens.
    ///
    /// # Errors
    /// It cannot be started, or ends, or does not listen in half a minute.
    pub(crate) fn start(&self, row: &Row, sinks: &[SocketAddr], cores: Option<&Cores>) -> Result<Running> {
        let directory = tempfile::tempdir()?;
        let (http, grpc) = (free_address(), free_address());
        let mut words: HashMap<&str, String> = HashMap::new();
        words.insert("binary", self.binary.display().to_string());
        words.insert("dir", directory.path().display().to_string());
        words.insert("config", directory.path().join(&self.config_name).display().to_string());
        words.insert("http", http.port().to_string());
        words.insert("grpc", grpc.port().to_string());
        words.insert("batch", row.batch().to_string());
        words.insert("compression", compression(row.encoding).to_owned());
        words.insert("cores", row.cores.unwrap_or(1).to_string());
        let storage = if row.durable { fill(&self.storage, &words) } else { String::new() };
        words.insert("storage", storage);
        let stored = if row.durable { self.stored.as_str() } else { "" };
        let overflow = if row.drops_oldest() { "drop_oldest" } else { "reject" };
        let each = |template: &str, separator: &str| {
            let one = |(number, sink): (usize, &SocketAddr)| {
                let compression = compression(row.encoding).to_owned();
                let words = [
                    ("number", number.to_string()),
                    ("port", sink.port().to_string()),
                    ("compression", compression),
                    ("stored", stored.to_owned()),
                    ("overflow", overflow.to_owned()),
                ];
                fill(template, &words.into())
            };
            sinks.iter().enumerate().map(one).collect::<Vec<_>>().join(separator)
        };
        words.insert("outputs", each(&self.output, &self.separator));
        words.insert("names", each(&self.name_of_output, &self.separator));
        words.insert("destinations", each(&self.destination, "\n"));
        if !self.config_name.is_empty() {
            fs::write(directory.path().join(&self.config_name), fill(&self.config, &words))?;
        }
        // A word that stands for the destinations becomes as many words.
        let mut line: Vec<String> = Vec::new();
        for word in &self.command {
            if word == "@destinations@" {
                line.extend(words["destinations"].lines().filter(|word| !word.is_empty()).map(str::to_owned));
            } else {
                line.push(fill(word, &words));
            }
        }
        let log = directory.path().join("log");
        let file = File::create(&log)?;
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let begun = Instant::now();
        let child = match cores.filter(|_| row.cores.is_none()) {
            Some(cores) => cores.spawn(&mut command),
            None => command.spawn(),
        };
        let child = child.with_context(|| format!("starting {}", self.name))?;
        let to = if row.input == Input::Http { http } else { grpc };
        let mut running = Running { child, to, listening: Duration::ZERO, log, _directory: directory };
        while TcpStream::connect(to).is_err() {
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, running.output());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{} does not listen:\n{}", self.name, running.output());
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when another process listens")]
            std::thread::sleep(Duration::from_micros(200));
        }
        running.listening = begun.elapsed();
        Ok(running)
    }
}

fn compression(encoding: Encoding) -> &'static str {
    if encoding == Encoding::Identity { "none" } else { encoding.http_name() }
}

fn fill(template: &str, words: &HashMap<&str, String>) -> String {
    let mut text = template.to_owned();
    for (name, value) in words {
        text = text.replace(&format!("@{name}@"), value);
    }
    text
}

/// A collector that runs; it is killed with this value.
pub(crate) struct Running {
    child: Child,
    /// Where clients send to.
    pub(crate) to: SocketAddr,
    /// From its start until it listened.
    pub(crate) listening: Duration,
    log: PathBuf,
    _directory: tempfile::TempDir,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid()).with_context(|| format!("its output:\n{}", self.output()))
    }

    /// What it printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A core for the collector and another for this process.
pub(crate) struct Cores {
    collector: CpuSet,
    load: CpuSet,
}

impl Cores {
    /// Takes the first two that this process may use and moves it to the second; `None` with a single one.
    pub(crate) fn part() -> Result<Option<Self>> {
        let all = sched_getaffinity(None)?;
        let mut each = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).map(|cpu| {
            let mut one = CpuSet::new();
            one.set(cpu);
            one
        });
        let (Some(collector), Some(load)) = (each.next(), each.next()) else { return Ok(None) };
        sched_setaffinity(None, &load)?;
        Ok(Some(Self { collector, load }))
    }

    /// A child takes the cores of the thread that starts it.
    pub(crate) fn spawn(&self, command: &mut Command) -> std::io::Result<Child> {
        sched_setaffinity(None, &self.collector)?;
        let child = command.spawn();
        sched_setaffinity(None, &self.load)?;
        child
    }
}
