//! Prometheus: the one that is installed, with its receiver for remote write, asked over its query API.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::program::{Program, free_addresses, http};
use crate::{process, test, workspace};

const SERIES: u64 = 400;

pub(super) fn run() -> Result<()> {
    test::toolchain::c_compiler()?;
    let Some(version) = process::says("prometheus", &["--version"]) else {
        bail!("Prometheus is not installed; your distribution has it as prometheus");
    };
    println!("peer | {}", version.lines().next().unwrap_or_default());
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--package", "corten-pipeline", "--bins"]);
    process::run(&mut cargo)?;
    let corten = workspace::target()?.join("debug").join("corten");
    let folder = workspace::target()?.join("peers").join("prometheus");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let [server, own, ..] = free_addresses::<2>()?;
    let target = target()?;
    let (address, scrapes) = &target;
    write_files(&folder, *address, server)?;

    let mut prometheus = start_prometheus(&folder, server)?;
    let mut collector = start_corten(&corten, &folder, own)?;
    let wait = |program: &mut Program, count: u64| {
        let wanted = scrapes.load(Ordering::SeqCst) + count;
        program.until("it scrapes", || (scrapes.load(Ordering::SeqCst) >= wanted).then_some(()))
    };
    wait(&mut collector, 5)?;
    // Killed, both of them: neither has a chance to finish anything.
    drop(prometheus);
    wait(&mut collector, 5)?;
    drop(collector);
    collector = start_corten(&corten, &folder, own)?;
    wait(&mut collector, 5)?;
    prometheus = start_prometheus(&folder, server)?;
    wait(&mut collector, 5)?;
    collector.stop()?;
    let newest = scrapes.load(Ordering::SeqCst);
    let series =
        prometheus.until("it has every series", || stored(server).ok().filter(|all| all.len() as u64 == SERIES))?;
    for (name, values) in &series {
        let missing: Vec<u64> = (1..newest).filter(|value| !values.contains(value)).collect();
        // The kill may hit one scrape between its answer and the disk.
        ensure!(missing.len() <= 1, "series {name} lacks {missing:?} of {newest} values");
    }
    prometheus.stop()?;
    println!("peer | {SERIES} series with {newest} values each are in Prometheus, though both were killed in between");
    Ok(())
}

/// Something to scrape: every answer has the next number as the value of all series.
fn target() -> Result<(SocketAddr, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, answered) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&answered);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut reader, mut stream) = (BufReader::new(&stream), &stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let value = count.load(Ordering::SeqCst) + 1;
            let body: String = (0..SERIES).map(|n| format!("peer{{n=\"{n}\"}} {value}\n")).collect();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            if write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).is_ok() {
                count.store(value, Ordering::SeqCst);
            }
        }
    });
    Ok((address, answered))
}

fn write_files(folder: &Path, target: SocketAddr, server: SocketAddr) -> Result<()> {
    let text = format!(
        r#"prometheus.scrape "peer" {{
  targets         = [{{ __address__ = "{target}" }}]
  scrape_interval = "250ms"
  scrape_timeout  = "250ms"
  forward_to      = [prometheus.remote_write.peer.receiver]
}}

prometheus.remote_write "peer" {{
  endpoint {{
    url = "http://{server}/api/v1/write"

    queue_config {{
      min_shards           = 3
      max_samples_per_send = 150
      batch_send_deadline  = "500ms"
    }}
  }}
}}
"#
    );
    std::fs::write(folder.join("peer.alloy"), text).context("writing peer.alloy")
}

pub(super) fn start_prometheus(folder: &Path, server: SocketAddr) -> Result<Program> {
    std::fs::write(folder.join("prometheus.yml"), "global: {}\n").context("writing prometheus.yml")?;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={server}"))
        .arg("--web.enable-remote-write-receiver");
    let mut program = Program::start("prometheus", &mut command, &folder.join("prometheus.log"))?;
    program.until("it is ready", || http(server, "GET", "/-/ready", "").ok())?;
    Ok(program)
}

fn start_corten(binary: &Path, folder: &Path, own: SocketAddr) -> Result<Program> {
    let mut command = Command::new(binary);
    command.arg("run").arg(folder.join("peer.alloy")).arg(format!("--server.http.listen-addr={own}"));
    command.arg(format!("--storage.path={}", folder.join("corten-data").display()));
    let mut program = Program::start("corten", &mut command, &folder.join("corten.log"))?;
    program.until("it is ready", || http(own, "GET", "/-/ready", "").ok())?;
    Ok(program)
}

/// The values of every series.
fn stored(server: SocketAddr) -> Result<Vec<(String, BTreeSet<u64>)>> {
    let answer = http(server, "GET", "/api/v1/query?query=peer%5B1h%5D", "")?;
    let answer: Value = serde_json::from_str(&answer)?;
    let series = workspace::list(&answer["data"], "result").iter().map(|series| {
        let values = workspace::list(series, "values").iter();
        // A marker of staleness is no value.
        let values = values.filter_map(|pair| pair[1].as_str()?.parse().ok());
        (series["metric"]["n"].to_string(), values.collect())
    });
    Ok(series.collect())
}
