//! `scrape_failure_log_file`: failed scrapes, a line of JSON each.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

/// A file that is appended to.
#[derive(Debug)]
pub(crate) struct FailureLog {
    file: Mutex<File>,
    job: String,
}

impl FailureLog {
    /// Opens or makes the file.
    pub(crate) fn open(path: &str, job: &str) -> std::io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file: Mutex::new(file), job: job.to_owned() })
    }

    /// Writes a failure. What the file system refuses is lost: scraping is more important.
    pub(crate) fn write(&self, when: i64, url: &str, why: &str) {
        let since = std::time::Duration::from_millis(u64::try_from(when).unwrap_or_default());
        let time = humantime::format_rfc3339_millis(std::time::SystemTime::UNIX_EPOCH + since).to_string();
        let line = json!({ "time": time, "level": "ERROR", "msg": why, "job_name": self.job, "target": url });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            tracing::debug!(err = %error, "writing to scrape_failure_log_file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_lines_of_json() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("failures");
        let log = FailureLog::open(path.to_str().unwrap(), "j").unwrap();
        log.write(1500, "http://h/metrics", "a \"b\"\nc");
        log.write(1501, "http://h/metrics", "d");
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["msg"], &lines[0]["job_name"]), (&json!("a \"b\"\nc"), &json!("j")));
    }
}
