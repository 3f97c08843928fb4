//! Limits: what goes beyond one fails whole.

use corten_testkit::Target;

use crate::bench::{Scraper, text, values};
use crate::life::targets;

/// Scrapes a body once under a limit: the rows, and a metric.
async fn once(limit: &str, body: &str, metric: &str) -> (Vec<corten_signal::samples::Sample>, f64) {
    let target = Target::start(body);
    let arguments = format!("scrape_interval = \"200ms\"\nscrape_timeout = \"200ms\"\nextra_metrics = true\n{limit}");
    let scraper = Scraper::start(&arguments, &targets(&[&target])).await;
    let rows = scraper.kept.until("a report", |rows| !values(rows, "scrape_body_size_bytes").is_empty()).await;
    let end = rows.iter().position(|row| row.labels.name() == "scrape_body_size_bytes").unwrap();
    let counted = scraper.metric(metric);
    scraper.stop().await;
    (rows[..=end].to_vec(), counted)
}

#[tokio::test]
async fn what_goes_beyond_a_limit_fails_whole() {
    let body = "a 1\nb{l=\"long value\"} 2\nc 3\n";
    for (limit, metric, scraped, size) in [
        ("sample_limit = 2", "prometheus_target_scrapes_exceeded_sample_limit_total", "3", body.len()),
        ("label_limit = 3", "prometheus_target_scrape_pool_exceeded_label_limits_total", "2", body.len()),
        ("label_name_length_limit = 7", "prometheus_target_scrape_pool_exceeded_label_limits_total", "1", body.len()),
        ("label_value_length_limit = 9", "prometheus_target_scrape_pool_exceeded_label_limits_total", "2", body.len()),
    ] {
        let (rows, counted) = once(limit, body, metric).await;
        assert_eq!(values(&rows, "up"), ["0"], "{limit}: {}", text(&rows));
        assert!(values(&rows, "a").is_empty(), "{limit}: {}", text(&rows));
        assert_eq!(values(&rows, "scrape_samples_scraped"), [scraped], "{limit}");
        assert_eq!(values(&rows, "scrape_body_size_bytes"), [size.to_string()], "{limit}");
        assert!(counted >= 1.0, "{limit}");
    }
    let (rows, counted) =
        once("body_size_limit = \"20B\"", body, "prometheus_target_scrapes_exceeded_body_size_limit_total").await;
    assert_eq!((values(&rows, "up"), values(&rows, "scrape_body_size_bytes")), (vec!["0".into()], vec!["-1".into()]));
    assert!(counted >= 1.0);
    let (rows, counted) =
        once("target_limit = 1", body, "prometheus_target_scrape_pool_exceeded_target_limit_total").await;
    assert_eq!((values(&rows, "up"), counted), (vec!["1".into()], 0.0), "one target is within the limit");
}

#[tokio::test]
async fn within_the_limits_all_is_well() {
    let body = "a 1\nb{l=\"long value\"} 2\nc 3\n";
    let limits = "sample_limit = 3\nlabel_limit = 4\nlabel_name_length_limit = 8\nlabel_value_length_limit = 10\n\
        body_size_limit = \"1KiB\"";
    let (rows, counted) = once(limits, body, "prometheus_target_scrapes_exceeded_sample_limit_total").await;
    assert_eq!(values(&rows, "up"), ["1"], "{}", text(&rows));
    assert_eq!(values(&rows, "scrape_sample_limit"), ["3"]);
    assert_eq!(values(&rows, "scrape_timeout_seconds"), ["0.2"]);
    assert_eq!(counted, 0.0);
}

#[tokio::test]
async fn too_many_targets_are_not_scraped() {
    let (first, second) = (Target::start("a 1\n"), Target::start("b 1\n"));
    let arguments = "scrape_interval = \"200ms\"\nscrape_timeout = \"200ms\"\ntarget_limit = 1";
    let scraper = Scraper::start(arguments, &targets(&[&first, &second])).await;
    let rows = scraper.kept.until("two reports", |rows| values(rows, "up").len() >= 2).await;
    assert!(values(&rows, "up").iter().all(|up| up == "0") && values(&rows, "a").is_empty(), "{}", text(&rows));
    assert!(first.requests().is_empty() && second.requests().is_empty());
    scraper.stop().await;
}
