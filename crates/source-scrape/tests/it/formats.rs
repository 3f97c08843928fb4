//! Expositions and what becomes of them.

use bytes::Bytes;
use corten_signal::labels::Labels;
use corten_signal::samples::{MetricKind, SampleValue, Samples};
use corten_source_scrape::{NameScheme, Reader, ScrapeArguments};

use proptest::prelude::*;

use crate::bench::text;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

fn reader(change: impl FnOnce(&mut ScrapeArguments)) -> Reader {
    let mut args = ScrapeArguments::default();
    change(&mut args);
    Reader::new(&args, Labels::from_pairs([("job", "j")]))
}

fn read(reader: &mut Reader, body: &str, kind: &str) -> Samples {
    let (samples, result) = reader.read(Bytes::copy_from_slice(body.as_bytes()), kind, 1000);
    result.unwrap_or_else(|why| panic!("{body}: {why}"));
    samples
}

fn rows(change: impl FnOnce(&mut ScrapeArguments), body: &str, kind: &str) -> String {
    text(read(&mut reader(change), body, kind).rows())
}

#[test]
fn labels_that_collide_are_moved_or_honoured() {
    let body = "a{job=\"own\",exported_job=\"x\"} 1\n";
    assert_eq!(rows(|_| {}, body, "text/plain"), "a{exported_exported_job=\"own\", exported_job=\"x\", job=\"j\"} 1\n");
    let honoured = rows(|args| args.honor_labels = true, body, "text/plain");
    assert_eq!(honoured, "a{exported_job=\"x\", job=\"own\"} 1\n");
    // An empty label is none, and takes the target's.
    assert_eq!(rows(|args| args.honor_labels = true, "a{job=\"\"} 1\n", "text/plain"), "a{job=\"j\"} 1\n");
}

#[test]
fn times_are_honoured_or_not_and_series_with_times_do_not_end() {
    let mut with = reader(|_| {});
    assert_eq!(read(&mut with, "a 1 500\n", "text/plain").rows()[0].timestamp, 500);
    assert!(read(&mut with, "b 1\n", "text/plain").rows().iter().all(|row| !row.value.is_stale()));
    let mut tracked = reader(|args| args.track_timestamps_staleness = true);
    read(&mut tracked, "a 1 500\n", "text/plain");
    assert!(read(&mut tracked, "b 1\n", "text/plain").rows()[1].value.is_stale());
    let mut without = reader(|args| args.honor_timestamps = false);
    assert_eq!(read(&mut without, "a 1 500\n", "text/plain").rows()[0].timestamp, 1000);
    // Ten minutes ahead is the most.
    assert!(read(&mut with, "a 1 601001\n", "text/plain").rows().iter().all(|row| row.timestamp < 601_000));
}

#[test]
fn openmetrics_has_exemplars_and_starts() {
    let body = "# TYPE a counter\n# HELP a Text\na_total{x=\"1\"} 5 # {trace_id=\"t\"} 0.5 1.5\n\
        a_created{x=\"1\"} 0.25\n# EOF\n";
    let mut plain = reader(|_| {});
    let samples = read(&mut plain, body, OPENMETRICS);
    assert_eq!(text(samples.rows()), "a_total{job=\"j\", x=\"1\"} 5\na_created{job=\"j\", x=\"1\"} 0.25\n");
    let exemplar = &samples.exemplars()[0];
    assert_eq!((exemplar.row, exemplar.exemplar.value, exemplar.exemplar.timestamp), (0, 0.5, 1500));
    assert_eq!(exemplar.exemplar.labels.get("trace_id"), Some("t"));
    let mut starts = reader(|args| args.start_timestamp_zero_ingestion = true);
    let samples = read(&mut starts, body, OPENMETRICS);
    assert_eq!(text(samples.rows()), "a_total{job=\"j\", x=\"1\"} 0\na_total{job=\"j\", x=\"1\"} 5\n");
    assert_eq!((samples.rows()[0].timestamp, samples.rows()[1].start), (250, 250));
    assert_eq!(samples.exemplars()[0].row, 1);
    // The zero comes once for each beginning.
    assert_eq!(read(&mut starts, body, OPENMETRICS).rows().len(), 1);
    let again = body.replace("0.25", "0.75");
    assert_eq!(read(&mut starts, &again, OPENMETRICS).rows().len(), 2);
}

#[test]
fn metadata_is_passed_on_if_it_is_wanted() {
    let body = "# HELP a What a is\n# TYPE a counter\na_total 1\nother 2\n";
    let mut wanted = reader(|args| args.honor_metadata = true);
    let samples = read(&mut wanted, body, "text/plain");
    let metadata = samples.rows()[0].metadata.as_ref().unwrap();
    assert_eq!((&*metadata.family, metadata.kind.as_str(), &*metadata.help), ("a", "counter", "What a is"));
    assert!(samples.rows()[1].metadata.is_none());
    let typed = rows(|args| args.enable_type_and_unit_labels = true, body, "text/plain");
    assert_eq!(typed, "a_total{__type__=\"counter\", job=\"j\"} 1\nother{job=\"j\"} 2\n");
}

#[test]
fn names_beyond_the_old_scheme_are_valid_if_the_file_says_so() {
    let body = "{\"a.b\",\"label with.dots\"=\"x\"} 1\n";
    let found = rows(|args| args.metric_name_validation_scheme = NameScheme::Utf8, body, "text/plain");
    assert_eq!(found, "a.b{job=\"j\", label with.dots=\"x\"} 1\n");
    let (_, refused) = reader(|_| {}).read(Bytes::from(body), "text/plain", 1000);
    assert!(refused.unwrap_err().contains("invalid metric name or label names"));
}

#[test]
fn classic_histograms_become_native_ones() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n\
        # TYPE g gauge\ng 1\n";
    let convert = |args: &mut ScrapeArguments| args.convert_classic_histograms_to_nhcb = true;
    assert_eq!(rows(convert, body, "text/plain"), "h{job=\"j\"} histogram of 3\ng{job=\"j\"} 1\n");
    let both = |args: &mut ScrapeArguments| {
        args.convert_classic_histograms_to_nhcb = true;
        args.scrape_classic_histograms = true;
    };
    let found = rows(both, body, "text/plain");
    assert_eq!(found.lines().count(), 6, "{found}");
    // Boundaries have one form, however they are written.
    assert!(found.contains("le=\"1.0\""), "{found}");
    let mut last = reader(convert);
    let at_end = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_count 3\n";
    let samples = read(&mut last, at_end, "text/plain");
    let SampleValue::Histogram(histogram) = &samples.rows()[0].value else { panic!("a histogram") };
    assert_eq!((histogram.count(), histogram.custom_values.as_slice()), (3.0, &[1.0][..]));
}

#[test]
fn times_of_creation_are_samples_unless_they_are_wanted_as_times() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_created 0.25\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n\
        # EOF\n";
    let convert = |args: &mut ScrapeArguments| args.convert_classic_histograms_to_nhcb = true;
    assert_eq!(rows(convert, body, OPENMETRICS), "h_created{job=\"j\"} 0.25\nh{job=\"j\"} histogram of 3\n");
    let mut timed = reader(|args| {
        convert(args);
        args.start_timestamp_zero_ingestion = true;
    });
    let samples = read(&mut timed, body, OPENMETRICS);
    assert_eq!(
        samples.rows().iter().map(|row| (row.timestamp, row.start)).collect::<Vec<_>>(),
        [(250, 0), (1000, 250)]
    );
}

#[test]
fn exemplars_of_native_histograms_need_a_time() {
    let body = |time: &str| {
        format!(
            "# TYPE h histogram\nh_bucket{{le=\"1.0\"}} 2 # {{id=\"x\"}} 0.5{time}\nh_bucket{{le=\"+Inf\"}} 3\nh_sum 4\n\
             h_count 3\n# EOF\n"
        )
    };
    let count =
        |change: fn(&mut ScrapeArguments), time| read(&mut reader(change), &body(time), OPENMETRICS).exemplars().len();
    let convert = |args: &mut ScrapeArguments| args.convert_classic_histograms_to_nhcb = true;
    assert_eq!([count(|_| {}, ""), count(|_| {}, " 1")], [1, 1]);
    assert_eq!([count(convert, ""), count(convert, " 1")], [0, 1]);
}

#[test]
fn what_ends_keeps_its_type() {
    let mut reader = reader(|_| {});
    read(&mut reader, "# HELP a Text\n# TYPE a counter\na 1\nb 1\n", "text/plain");
    let ended = read(&mut reader, "c 1\n", "text/plain");
    let mut about: Vec<_> = ended.rows().iter().filter(|row| row.value.is_stale()).collect();
    about.sort_by_key(|row| row.labels.name().to_owned());
    let kinds: Vec<_> = about.iter().map(|row| row.metadata.as_ref().map(|about| about.kind)).collect();
    assert_eq!(kinds, [Some(MetricKind::Counter), None]);
    // The same text again is the same allocation, whatever came in between.
    let about = |samples: &Samples| samples.rows()[0].metadata.clone().unwrap();
    let body = "# HELP a Text\n# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n";
    let (first, second) = (read(&mut reader, body, "text/plain"), read(&mut reader, body, "text/plain"));
    assert!(std::sync::Arc::ptr_eq(&about(&first), &about(&second)));
    let other = read(&mut reader, "# HELP a Other\n# TYPE a counter\na 1\n", "text/plain");
    assert_eq!(&*about(&other).help, "Other");
}

#[test]
fn a_known_series_is_recognised_in_any_order_and_form() {
    let mut reader = reader(|_| {});
    let first = read(&mut reader, "a 1\nb{x=\"1\"} 2\nab 3\n", "text/plain");
    assert_eq!(text(first.rows()), "a{job=\"j\"} 1\nb{job=\"j\", x=\"1\"} 2\nab{job=\"j\"} 3\n");
    // `a` is expected first, and is the beginning of others.
    for (body, expected) in [
        ("ab 4\na 5\nb{x=\"1\"} 6\n", "ab{job=\"j\"} 4\na{job=\"j\"} 5\nb{job=\"j\", x=\"1\"} 6\n"),
        ("a {y=\"2\"} 7\na 8\n", "a{job=\"j\", y=\"2\"} 7\na{job=\"j\"} 8\n"),
        ("a{y=\"2\"} 7\nb{x=\"1\"}9\nab\t4", "a{job=\"j\", y=\"2\"} 7\nb{job=\"j\", x=\"1\"} 9\nab{job=\"j\"} 4\n"),
    ] {
        let found = read(&mut reader, body, "text/plain");
        let alive: Vec<_> = found.rows().iter().filter(|row| !row.value.is_stale()).cloned().collect();
        assert_eq!(text(&alive), expected, "{body}");
    }
    let samples = read(&mut reader, "a 1\na 2\n", "text/plain");
    assert_eq!(samples.rows().iter().filter(|row| row.labels.name() == "a" && !row.value.is_stale()).count(), 1);
}

#[test]
fn a_series_with_a_label_twice_fails() {
    let (_, refused) = reader(|_| {}).read(Bytes::from_static(b"a{x=\"1\",x=\"2\"} 1\n"), "text/plain", 1000);
    assert!(refused.unwrap_err().contains("not unique"));
}

/// Lines as expositions have them, and some that they do not.
fn lines() -> impl Strategy<Value = String> {
    let name = "[a-c]{1,2}(_total|_bucket|_sum|_created)?";
    let label = "(le|x|y)=\"(0\\.5|1\\.0|[+]Inf|a\\\\n|é)\"";
    let labels = proptest::collection::vec(label, 0..3).prop_map(|labels| format!("{{{}}}", labels.join(",")));
    let sample =
        (name, proptest::option::of(labels), "-?[0-9]{1,3}(\\.[0-9])?|NaN|[+-]Inf", proptest::option::of("[0-9]{1,4}"))
            .prop_map(|(name, labels, value, time)| {
                format!(
                    "{name}{} {value}{}",
                    labels.unwrap_or_default(),
                    time.map_or(String::new(), |time| format!(" {time}"))
                )
            });
    let about = (name, "(TYPE|HELP)", "(counter|histogram|summary|gauge|text)")
        .prop_map(|(name, what, text)| format!("# {what} {name} {text}"));
    let line = prop_oneof![6 => sample, 2 => about, 1 => "[ -~]{0,12}"];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect())
}

proptest! {
    /// Whatever was read before, a body gives what it gives to a reader that knows nothing, besides ends.
    #[test]
    fn what_is_known_changes_nothing(first in lines(), second in lines(), openmetrics: bool, convert: bool) {
        let (kind, end) = if openmetrics { (OPENMETRICS, "# EOF\n") } else { ("text/plain", "") };
        let change = |args: &mut ScrapeArguments| args.convert_classic_histograms_to_nhcb = convert;
        let read = |reader: &mut Reader, body: &str| {
            let (samples, result) = reader.read(Bytes::from(format!("{body}{end}")), kind, 5000);
            let alive: Vec<_> = samples.rows().iter().filter(|row| !row.value.is_stale()).cloned().collect();
            (format!("{alive:?}"), result)
        };
        let mut knowing = reader(change);
        let _ = read(&mut knowing, &first);
        prop_assert_eq!(read(&mut knowing, &second), read(&mut reader(change), &second));
    }

    #[test]
    fn anything_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..3) {
        let kind = ["text/plain", OPENMETRICS, "application/vnd.google.protobuf"][kind];
        let native = |args: &mut ScrapeArguments| args.scrape_native_histograms = true;
        let _ = reader(native).read(Bytes::from(body), kind, 5000);
    }
}
