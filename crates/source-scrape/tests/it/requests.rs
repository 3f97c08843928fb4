//! What is sent to a target, and what its answers mean.

use std::io::Write;

use corten_testkit::Target;

use crate::bench::{Kept, Scraper, decode, values};
use crate::life::targets;

const FAST: &str = "scrape_interval = \"200ms\"\nscrape_timeout = \"100ms\"";

async fn head(arguments: &str) -> String {
    let target = Target::start("a 1\n");
    let scraper = Scraper::start(&format!("{FAST}\n{arguments}"), &targets(&[&target])).await;
    scraper.kept.until("a scrape", |rows| values(rows, "up").contains(&"1".into())).await;
    scraper.stop().await;
    target.requests().remove(0).to_ascii_lowercase()
}

#[tokio::test]
async fn the_request_is_prometheus() {
    let head = head("params = { \"collect[]\" = [\"cpu\", \"m\"] }").await;
    assert!(head.starts_with("get /metrics?collect%5b%5d=cpu&collect%5b%5d=m http/1.1\r\n"), "{head}");
    for line in [
        "accept-encoding: gzip",
        "x-prometheus-scrape-timeout-seconds: 0.1",
        "accept: application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,",
        "user-agent: corten/",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
}

#[tokio::test]
async fn settings_of_the_client_are_used() {
    let head = head(
        "enable_compression = false\nmetrics_path = \"/x\"\nbasic_auth {\n username = \"u\"\n password = \"p\"\n}\n\
         http_headers = { \"X-Own\" = [\"1\"] }",
    )
    .await;
    for line in ["get /x http", "accept-encoding: identity", "authorization: basic dtpw", "x-own: 1"] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
}

#[tokio::test]
async fn compressed_answers_are_read_and_their_size_is_that_of_the_text() {
    let body = "a{l=\"x\"} 1\n".to_owned() + &"# a comment\n".repeat(1000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let target = Target::start("");
    target.answer(200, &[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], &packed);
    let arguments = format!("{FAST}\nextra_metrics = true\nbody_size_limit = \"100KiB\"");
    let scraper = Scraper::start(&arguments, &targets(&[&target])).await;
    let done = |rows: &[_]| !values(rows, "scrape_body_size_bytes").is_empty();
    let rows = scraper.kept.until("a scrape", done).await;
    assert_eq!(values(&rows, "scrape_body_size_bytes")[0], body.len().to_string());
    assert_eq!(values(&rows, "a")[0], "1");
    scraper.stop().await;
    // Small on the way, too large when it is unpacked.
    let arguments = format!("{FAST}\nextra_metrics = true\nbody_size_limit = \"1KiB\"");
    assert!(packed.len() < 1000 && body.len() > 1024);
    let scraper = Scraper::start(&arguments, &targets(&[&target])).await;
    let rows = scraper.kept.until("a scrape", done).await;
    assert_eq!(values(&rows, "scrape_body_size_bytes")[0], "-1");
    scraper.stop().await;
}

#[tokio::test]
async fn an_answer_without_a_type_is_read_by_the_fallback_or_not_at_all() {
    let target = Target::start("");
    target.answer(200, &[], b"a 1\n");
    let scraper = Scraper::start(FAST, &targets(&[&target])).await;
    scraper.kept.until("a scrape", |rows| values(rows, "a").contains(&"1".into())).await;
    scraper.stop().await;
    let scraper = Scraper::start(&format!("{FAST}\nscrape_fallback_protocol = \"\""), &targets(&[&target])).await;
    let rows = scraper.kept.until("a scrape", |rows| !values(rows, "up").is_empty()).await;
    assert_eq!(values(&rows, "up"), ["0"]);
    scraper.stop().await;
}

#[tokio::test]
async fn failures_are_written_to_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("failures.json");
    let target = Target::start("");
    target.answer(404, &[], b"");
    let arguments = format!("{FAST}\nscrape_failure_log_file = {:?}", path.to_str().unwrap());
    let scraper = Scraper::start(&arguments, &targets(&[&target])).await;
    scraper.kept.until("a scrape", |rows| !values(rows, "up").is_empty()).await;
    scraper.stop().await;
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("server returned HTTP status 404 Not Found") && text.contains("\"job_name\""), "{text}");
}

#[test]
fn mistakes_are_refused() {
    let kept = std::sync::Arc::new(Kept::default());
    for (text, why) in [
        ("scrape_protocols = [\"Nonsense\"]", "Nonsense"),
        ("scrape_timeout = \"2m\"", "scrape_timeout"),
        ("metric_name_validation_scheme = \"other\"", "other"),
        ("bearer_token = \"a\"\nbasic_auth { }", "at most one"),
        ("clustering { }", "enabled"),
    ] {
        let found = decode(text, &Default::default(), &kept).expect_err(text);
        assert!(found.contains(why), "{text}: {found}");
    }
}
