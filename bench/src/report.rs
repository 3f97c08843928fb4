//! The table, and the same as JSON.

use serde_json::{Value, json};

use crate::row::{Job, Row};
use crate::run::Outcome;

/// All runs of one row with one collector.
pub struct Cell {
    /// The row.
    pub row: Row,
    /// The collector's name.
    pub peer: String,
    /// Its runs, in the order in which they were made.
    pub runs: Vec<Outcome>,
}

impl Cell {
    /// The median of a figure over the runs.
    pub fn median(&self, figure: impl Fn(&Outcome) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        }
    }

    /// CPU seconds per million items; over idle rows, per second.
    pub fn cost(&self) -> f64 {
        let items = |run: &Outcome| run.verdict.acknowledged as f64 / 1e6;
        match self.row.job {
            Job::Idle(_) => self.median(|run| run.cpu_seconds / run.seconds),
            _ => self.median(|run| if items(run) > 0.0 { run.cpu_seconds / items(run) } else { 0.0 }),
        }
    }

    /// Items lost, doubled, foreign, and bodies malformed, over all runs.
    pub fn faults(&self) -> [u64; 4] {
        self.runs
            .iter()
            .map(|run| run.verdict)
            .fold([0; 4], |sum, v| [sum[0] + v.lost, sum[1] + v.duplicated, sum[2] + v.foreign, sum[3] + v.malformed])
    }
}

const HEAD: [&str; 13] = [
    "row",
    "collector",
    "CPU s/M",
    "ratio",
    "k items/s",
    "RSS MB",
    "peak MB",
    "switches/s",
    "answer p99 ms",
    "arrival p50/p99 ms",
    "wire B/item",
    "refused",
    "lost/twice/foreign/bad",
];

fn line(cell: &Cell, base: Option<f64>) -> [String; 13] {
    let mega = |bytes: f64| format!("{:.1}", bytes / 1e6);
    let milli = |seconds: f64| format!("{:.1}", seconds * 1e3);
    let cost = cell.cost();
    let ratio = base.filter(|base| *base > 0.0).map_or_else(|| "-".to_owned(), |base| format!("{:.2}", cost / base));
    let acknowledged = |run: &Outcome| run.verdict.acknowledged as f64;
    let faults = cell.faults().map(|count| count.to_string()).join("/");
    [
        cell.row.name.clone(),
        cell.peer.clone(),
        match cell.row.job {
            Job::Idle(_) => format!("{:.2} % CPU", cost * 100.0),
            _ => format!("{cost:.3}"),
        },
        ratio,
        format!("{:.0}", cell.median(|run| acknowledged(run) / run.seconds.max(1e-9) / 1e3)),
        mega(cell.median(|run| run.resident as f64)),
        mega(cell.median(|run| run.peak as f64)),
        format!("{:.0}", cell.median(|run| run.context_switches as f64 / run.seconds.max(1e-9))),
        milli(cell.median(|run| run.answer_p99)),
        format!("{}/{}", milli(cell.median(|run| run.arrival_p50)), milli(cell.median(|run| run.arrival_p99))),
        format!("{:.1}", cell.median(|run| run.verdict.wire_bytes as f64 / acknowledged(run).max(1.0))),
        format!("{:.0}", cell.median(|run| run.refused as f64)),
        faults,
    ]
}

/// The table as Markdown. Ratios are to the collector `base` in the same row.
pub fn table(cells: &[Cell], base: &str) -> String {
    let of_base = |cell: &Cell| cells.iter().find(|other| other.peer == base && other.row.name == cell.row.name);
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(cells.iter().map(|cell| line(cell, of_base(cell).map(Cell::cost))));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (text, width) in line.iter().zip(&widths) {
            out.push_str(&format!("| {text:width$} "));
        }
        out.push_str("|\n");
        if number == 0 {
            for width in &widths {
                out.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            out.push_str("|\n");
        }
    }
    out
}

/// What the table has no column for: how outages ended.
pub fn outages(cells: &[Cell]) -> String {
    let after = cells.iter().filter(|cell| matches!(cell.row.job, Job::Outage(_)));
    after.fold(String::new(), |out, cell| {
        let (first, drained) = (cell.median(|run| run.first_send), cell.median(|run| run.drained / 1e6));
        let Cell { row, peer, .. } = cell;
        out + &format!("{}, {peer}: first send {first:.2} s after the return, then {drained:.0} MB/s\n", row.name)
    })
}

/// Everything, run by run.
pub fn json(cells: &[Cell]) -> Value {
    let run = |run: &Outcome| {
        let verdict = &run.verdict;
        json!({
            "acknowledged": verdict.acknowledged, "lost": verdict.lost, "duplicated": verdict.duplicated,
            "foreign": verdict.foreign, "malformed": verdict.malformed, "refused_requests": run.refused,
            "wire_bytes": verdict.wire_bytes, "requests_out": verdict.requests, "cpu_seconds": run.cpu_seconds,
            "seconds": run.seconds, "resident_bytes": run.resident, "peak_bytes": run.peak,
            "resident_before_bytes": run.before, "context_switches": run.context_switches,
            "exec_to_listening_seconds": run.listening, "answer_p50_seconds": run.answer_p50,
            "answer_p99_seconds": run.answer_p99, "arrival_p50_seconds": run.arrival_p50,
            "arrival_p99_seconds": run.arrival_p99, "first_send_seconds": run.first_send,
            "drained_bytes_a_second": run.drained,
        })
    };
    let cell = |cell: &Cell| {
        let runs: Vec<Value> = cell.runs.iter().map(run).collect();
        let cost = cell.cost();
        json!({ "row": cell.row.name, "collector": cell.peer, "cpu_seconds_per_million_items": cost, "runs": runs })
    };
    Value::Array(cells.iter().map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Verdict;

    #[test]
    fn ratios_are_to_the_base_of_the_same_row_and_medians_of_the_runs() {
        let run = |cpu_seconds| Outcome {
            cpu_seconds,
            verdict: Verdict { acknowledged: 1_000_000, ..Verdict::default() },
            ..Outcome::default()
        };
        let row = crate::row::all().remove(0);
        let cell = |peer: &str, cpu: [f64; 3]| Cell {
            row: row.clone(),
            peer: peer.to_owned(),
            runs: cpu.into_iter().map(run).collect(),
        };
        let cells = [cell("floor", [1.0, 9.0, 2.0]), cell("corten", [3.0, 2.5, 0.1])];
        let table = table(&cells, "floor");
        assert!(table.lines().nth(3).is_some_and(|line| line.contains("2.500") && line.contains("1.25")), "{table}");
        assert_eq!(json(&cells)[0]["runs"].as_array().map(Vec::len), Some(3));
    }
}
