//! What lives and what ends: series, targets, instances.

use std::sync::Arc;

use corten_component::{BoxFuture, Handle, NodeId};
use corten_signal::exposition::{self, Expose, Exposition, ScrapeRequest};
use corten_signal::labels::Labels;
use corten_signal::targets::Targets;
use corten_testkit::Target;

use crate::bench::{Scraper, text, values};

const FAST: &str = "scrape_interval = \"100ms\"\nscrape_timeout = \"100ms\"";

pub(crate) fn targets(targets: &[&Target]) -> Targets {
    let labels = |target: &&Target| {
        let address = target.address().to_string();
        Labels::from_pairs([("__address__", address.as_str()), ("job", "j"), ("instance", "i")])
    };
    // Each has an instance of its own.
    Targets::new(targets.iter().enumerate().map(|(at, target)| {
        let mut labels = labels(target).edit().build();
        if at > 0 {
            let mut edit = labels.edit();
            edit.set("instance", format!("i{at}"));
            labels = edit.build();
        }
        labels
    }))
}

#[tokio::test]
async fn a_series_that_vanishes_is_ended_and_the_report_goes_on() {
    let target = Target::start("a 1\nb{x=\"y\"} 2\n");
    let scraper = Scraper::start(FAST, &targets(&[&target])).await;
    let rows = scraper.kept.until("a first scrape", |rows| !values(rows, "up").is_empty()).await;
    assert_eq!(rows[0].labels.to_string(), r#"a{instance="i", job="j"}"#);
    assert_eq!(rows[1].labels.to_string(), r#"b{instance="i", job="j", x="y"}"#);
    let reports: Vec<&str> = rows[2..7].iter().map(|row| row.labels.name()).collect();
    assert_eq!(
        reports,
        [
            "up",
            "scrape_duration_seconds",
            "scrape_samples_scraped",
            "scrape_samples_post_metric_relabeling",
            "scrape_series_added"
        ]
    );
    assert!(rows[..7].iter().all(|row| row.timestamp == rows[0].timestamp), "one time for one scrape");
    assert_eq!(values(&rows[..7], "scrape_series_added"), ["2"]);
    target.show("a 3\n");
    let rows = scraper.kept.until("the end of b", |rows| values(rows, "b").contains(&"stale".into())).await;
    assert_eq!(values(&rows, "b").iter().filter(|value| *value == "stale").count(), 1);
    target.show("a 3\nb{x=\"y\"} 4\n");
    let rows = scraper.kept.until("b again", |rows| values(rows, "b").contains(&"4".into())).await;
    assert!(!values(&rows, "a").contains(&"stale".into()), "{}", text(&rows));
    assert!(values(&rows, "up").iter().all(|up| up == "1"));
    scraper.stop().await;
}

#[tokio::test]
async fn a_scrape_that_fails_ends_all_series_and_says_down() {
    let target = Target::start("a 1\n");
    let scraper = Scraper::start(FAST, &targets(&[&target])).await;
    scraper.kept.until("a first scrape", |rows| !values(rows, "up").is_empty()).await;
    target.answer(503, &[], b"a 1\n");
    let rows = scraper.kept.until("down", |rows| values(rows, "up").contains(&"0".into())).await;
    assert_eq!(values(&rows, "a").last().unwrap(), "stale");
    // What cannot be read counts the same; nothing of it is sent.
    target.show("a 2\nb 3\n}\n");
    scraper.kept.until("down again", |rows| values(rows, "scrape_samples_scraped").contains(&"2".into())).await;
    target.show("a 5\n");
    let rows = scraper.kept.until("up again", |rows| values(rows, "a").contains(&"5".into())).await;
    assert!(values(&rows, "b").is_empty(), "{}", text(&rows));
    let a: Vec<_> = values(&rows, "a").into_iter().filter(|value| value != "1").collect();
    assert_eq!(a, ["stale", "5"], "ended once");
    scraper.stop().await;
}

#[tokio::test]
async fn targets_come_and_go_and_leave_the_others_alone() {
    let (first, second) = (Target::start("a 1\n"), Target::start("b 2\n"));
    let scraper = Scraper::start(FAST, &targets(&[&first, &second])).await;
    let both = |rows: &[_]| !values(rows, "a").is_empty() && !values(rows, "b").is_empty();
    scraper.kept.until("both", both).await;
    scraper.retarget(FAST, &targets(&[&first]));
    let rows = scraper.kept.until("the end of b", |rows| values(rows, "b").contains(&"stale".into())).await;
    let ended = rows.iter().filter(|row| row.value.is_stale());
    assert!(ended.clone().all(|row| row.labels.get("instance") == Some("i1")), "{}", text(&rows));
    assert_eq!(ended.count(), 6, "b and five of the report: {}", text(&rows));
    assert_eq!(scraper.metric("prometheus_target_scrape_pool_targets"), 1.0);
    scraper.retarget(FAST, &targets(&[&first, &second]));
    let back = |rows: &[_]| values(rows, "b").last().is_some_and(|last| last == "2");
    scraper.kept.until("b again", back).await;
    let rows = scraper.stop().await;
    assert_eq!(values(&rows, "a").iter().filter(|value| *value == "stale").count(), 1, "ended at the end alone");
    assert_eq!(values(&rows, "a").last().unwrap(), "stale");
}

#[tokio::test]
async fn a_reload_that_keeps_a_target_ends_nothing() {
    let target = Target::start("a 1\nexported 2\n");
    let scraper = Scraper::start(FAST, &targets(&[&target])).await;
    scraper.kept.until("a first scrape", |rows| !values(rows, "up").is_empty()).await;
    let scraper = scraper.replace(&format!("{FAST}\nsample_limit = 10"), &targets(&[&target])).await;
    let seen = scraper.kept.rows().len();
    let rows = scraper.kept.until("another scrape", |rows| values(&rows[seen..], "up").contains(&"1".into())).await;
    assert!(rows.iter().all(|row| !row.value.is_stale()), "{}", text(&rows));
    assert_eq!(values(&rows[seen..], "scrape_series_added").first().unwrap(), "0", "the series are known");
    let scraper = scraper.replace(&format!("{FAST}\nhonor_labels = true"), &targets(&[&target])).await;
    let seen = scraper.kept.rows().len();
    let rows = scraper.kept.until("another scrape", |rows| values(&rows[seen..], "up").contains(&"1".into())).await;
    assert!(rows.iter().all(|row| !row.value.is_stale()), "{}", text(&rows));
    assert_eq!(scraper.metric("prometheus_target_scrape_pool_reloads_total"), 2.0);
    assert_eq!(scraper.health(), "1 of 1 scraped targets are up");
    target.answer(500, &[], b"");
    scraper.kept.until("down", |rows| values(rows, "up").last().is_some_and(|up| up == "0")).await;
    assert_eq!(scraper.health(), "0 of 1 scraped targets are up");
    target.show("a 1\nexported 2\n");
    let seen = scraper.kept.rows().len();
    scraper.kept.until("up again", |rows| values(&rows[seen..], "up").contains(&"1".into())).await;
    // A target that the new arguments leave out is ended.
    let scraper = scraper.replace(FAST, &Targets::default()).await;
    let rows = scraper.kept.until("the end", |rows| values(rows, "up").contains(&"stale".into())).await;
    assert_eq!(rows[seen..].iter().filter(|row| row.value.is_stale()).count(), 7, "{}", text(&rows));
    assert_eq!(scraper.health(), "0 of 0 scraped targets are up");
    scraper.stop().await;
}

#[tokio::test]
async fn components_are_scraped_without_a_socket() {
    struct Own;
    impl Expose for Own {
        fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
            Box::pin(async move { Ok(Exposition::text(format!("own{{params=\"{}\"}} 1\n", request.params.len()))) })
        }
    }
    let id = NodeId::root("prometheus.exporter.x.y");
    let labels = |job: &str| {
        let path = exposition::path(&id);
        Labels::from_pairs([
            ("__address__", exposition::ADDRESS),
            ("__metrics_path__", path.as_str()),
            ("__param_collect", "a"),
            ("job", job),
            ("instance", "host"),
        ])
    };
    let scraper = Scraper::start(FAST, &Targets::new([labels("integrations/x")])).await;
    // Nobody is there yet.
    scraper.kept.until("down", |rows| values(rows, "up").contains(&"0".into())).await;
    scraper.routes.offer(&id, Handle::to(Arc::new(Own) as Arc<dyn Expose>));
    let rows = scraper.kept.until("up", |rows| values(rows, "own").contains(&"1".into())).await;
    let own = rows.iter().find(|row| row.labels.name() == "own").unwrap();
    assert_eq!(own.labels.to_string(), r#"own{instance="host", job="integrations/x", params="1"}"#);
    scraper.stop().await;
}
