//! An exposition is read or refused, whatever it holds; read a second time, with its series known, it gives the same.

#![no_main]

use bytes::Bytes;
use corten_signal::labels::Labels;
use corten_source_scrape::{NameScheme, Reader, ScrapeArguments};
use libfuzzer_sys::fuzz_target;

const KINDS: [&str; 3] = ["text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"];

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let kind = KINDS[usize::from(first % 3)];
    let mut args = ScrapeArguments::default();
    args.scrape_native_histograms = first & 4 != 0;
    args.convert_classic_histograms_to_nhcb = first & 8 != 0;
    args.scrape_classic_histograms = first & 16 != 0;
    args.honor_labels = first & 32 != 0;
    if first & 64 != 0 {
        args.metric_name_validation_scheme = NameScheme::Utf8;
    }
    if first & 128 != 0 {
        args.native_histogram_bucket_limit = 4;
    }
    let mut reader = Reader::new(&args, Labels::from_pairs([("job", "j"), ("instance", "i")]));
    let body = Bytes::copy_from_slice(body);
    let (before, first) = reader.read(body.clone(), kind, 1000);
    let (after, second) = reader.read(body, kind, 1000);
    assert_eq!(first, second);
    if first.is_ok() {
        // As text: a histogram's sum may be a NaN, which equals nothing.
        assert_eq!(format!("{:?}", before.rows()), format!("{:?}", after.rows()));
    } else {
        assert!(before.rows().is_empty() && after.rows().is_empty());
    }
});
