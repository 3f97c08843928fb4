//! Both sides are killed and come back: nothing that was scraped is missing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::peer::program::{Program, free_addresses, http};
use crate::workspace;

const SERIES: u64 = 400;

pub(super) fn run(program: &Path, corten: &Path) -> Result<()> {
    let folder = super::folder("restarts")?;
    let [server, own, ..] = free_addresses::<2>()?;
    let target = target()?;
    let (address, scrapes) = &target;
    write_files(&folder, *address, server)?;

    let mut prometheus = super::start(program, &folder, server, &[])?;
    let mut collector = super::start_corten(corten, &folder, own)?;
    let wait = |program: &mut Program, count: u64| {
        let wanted = scrapes.load(Ordering::SeqCst) + count;
        program.until("it scrapes", || (scrapes.load(Ordering::SeqCst) >= wanted).then_some(()))
    };
    wait(&mut collector, 5)?;
    // Killed, both of them: neither has a chance to finish anything.
    drop(prometheus);
    wait(&mut collector, 5)?;
    drop(collector);
    collector = super::start_corten(corten, &folder, own)?;
    wait(&mut collector, 5)?;
    prometheus = super::start(program, &folder, server, &[])?;
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
