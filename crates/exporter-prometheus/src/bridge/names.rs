//! Names of metrics and labels, and units, in the words of either world.
//!
//! Source: "Prometheus and OpenMetrics Compatibility" of OpenTelemetry, in the form that Alloy's exporter gives it.

use std::borrow::Cow;

/// What matters of a metric's type for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// A sum that never falls.
    Counter,
    /// A value as it is now.
    Gauge,
    /// Anything else.
    Other,
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric()
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(char::is_numeric)
}

/// The name of a metric: with unit and type at its end, or only without what may not stand in names.
pub(super) fn metric_name(name: &str, unit: &str, naming: Naming, suffixes: bool) -> String {
    let name = if suffixes { with_suffixes(name, unit, naming) } else { plain(name) };
    if begins_with_digit(&name) { format!("_{name}") } else { name }
}

fn plain(name: &str) -> String {
    let allowed = |letter: char| is_word(letter) || letter == '_' || letter == ':';
    name.split(|letter| !allowed(letter)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

fn with_suffixes(name: &str, unit: &str, naming: Naming) -> String {
    let mut words: Vec<&str> = name.split(|letter| !is_word(letter)).filter(|word| !word.is_empty()).collect();
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let (main, per) = (unit_words(main, &UNITS), unit_words(per, &RATES));
    if !main.is_empty() && !words.contains(&main.as_str()) {
        words.push(&main);
    }
    if !per.is_empty() && !words.contains(&per.as_str()) {
        words.extend(["per", &per]);
    }
    if naming == Naming::Counter {
        words.retain(|word| *word != "total");
        words.push("total");
    }
    // Counters of things have the unit 1 too, and are no ratios.
    if unit == "1" && naming == Naming::Gauge {
        words.retain(|word| *word != "ratio");
        words.push("ratio");
    }
    words.join("_")
}

/// A part of a unit as words; none for what is in braces.
fn unit_words(unit: &str, known: &[(&str, &str)]) -> String {
    let unit = unit.trim();
    if unit.contains(['{', '}']) {
        return String::new();
    }
    let word = known.iter().find(|(short, _)| *short == unit).map_or(unit, |(_, word)| word);
    word.split(|letter| !is_word(letter)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

/// The unit that words at the end of a name stand for: `By/s` for `bytes_per_second`.
pub(super) fn ucum(words: &str) -> String {
    let short = |word: &str, known: &[(&'static str, &'static str)]| {
        known.iter().find(|(_, long)| *long == word).map_or_else(|| word.to_owned(), |(short, _)| (*short).to_owned())
    };
    let main = |word: &str| match word {
        "" => String::new(),
        "ratio" => "1".to_owned(),
        _ => short(word, &UNITS),
    };
    match words.split_once("_per_") {
        Some((unit, per)) if !per.is_empty() => format!("{}/{}", main(unit), short(per, &RATES)),
        Some((unit, _)) => main(unit),
        None => main(words),
    }
}

/// The name of a label.
pub(super) fn label_name(name: &str) -> Cow<'_, str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(is_fine) {
        return Cow::Borrowed(name);
    }
    let clean: String = name.chars().map(|letter| if is_word(letter) { letter } else { '_' }).collect();
    if begins_with_digit(&clean) {
        Cow::Owned(format!("key_{clean}"))
    } else if clean.starts_with('_') && !clean.starts_with("__") {
        Cow::Owned(format!("key{clean}"))
    } else {
        Cow::Owned(clean)
    }
}

const UNITS: [(&str, &str); 26] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

const RATES: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(name: &str, unit: &str) -> String {
        metric_name(name, unit, Naming::Gauge, true)
    }

    fn counter(name: &str, unit: &str) -> String {
        metric_name(name, unit, Naming::Counter, true)
    }

    #[test]
    fn names_end_in_unit_and_type() {
        let cases = [
            (gauge("system.filesystem.usage", "By"), "system_filesystem_usage_bytes"),
            (counter("system.io", "By"), "system_io_bytes_total"),
            (counter("network_transmitted_bytes_total", "By"), "network_transmitted_bytes_total"),
            (gauge("\t system.filesystem.usage       ", "  By\t"), "system_filesystem_usage_bytes"),
            (gauge("system.network.dropped", "{packets}"), "system_network_dropped"),
            (counter("system.network.dropped", "{packets}"), "system_network_dropped_total"),
            (gauge("system.network.dropped", "packets"), "system_network_dropped_packets"),
            (gauge("system.network.packets.dropped", "packets"), "system_network_packets_dropped"),
            (gauge("hw.gpu.memory.utilization", "1"), "hw_gpu_memory_utilization_ratio"),
            (gauge("hw.fan.speed_ratio", "1"), "hw_fan_speed_ratio"),
            (counter("objects", "1"), "objects_total"),
            (gauge("unsupported.metric.temperature", "°F"), "unsupported_metric_temperature_F"),
            (gauge("unsupported.metric.weird", "+=.:,!* & #"), "unsupported_metric_weird"),
            (gauge("unsupported.metric.redundant", "__test $/°C"), "unsupported_metric_redundant_test_per_C"),
            (
                gauge("active_directory.ds.replication.object.rate", "{objects}/s"),
                "active_directory_ds_replication_object_rate_per_second",
            ),
            (gauge("mongodbatlas.process.oplog.rate", "GiBy/h"), "mongodbatlas_process_oplog_rate_gibibytes_per_hour"),
            (gauge("scanned_per_returned", "{scanned}/{returned}"), "scanned_per_returned"),
            (gauge("system.cpu.load_average.15m", "1"), "system_cpu_load_average_15m_ratio"),
            (gauge("3.14 digits", ""), "_3_14_digits"),
            (gauge("envoy__rule_engine_zlib_buf_error", ""), "envoy_rule_engine_zlib_buf_error"),
            (gauge(":foo::bar", ""), "foo_bar"),
            (counter(":foo::bar", ""), "foo_bar_total"),
            (
                metric_name("traces.span.metrics.duration", "ms", Naming::Other, true),
                "traces_span_metrics_duration_milliseconds",
            ),
            (metric_name("a", "1", Naming::Other, true), "a"),
        ];
        for (got, expected) in cases {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn without_suffixes_names_only_lose_what_may_not_stand() {
        let name = |name| metric_name(name, "By", Naming::Counter, false);
        assert_eq!([name("system.io"), name(":foo::bar"), name("0a-b")], ["system_io", ":foo::bar", "_0a_b"]);
    }

    #[test]
    fn labels_begin_with_a_letter() {
        let cases = [
            ("", ""),
            ("_test", "key_test"),
            ("0test", "key_0test"),
            ("test", "test"),
            ("test_/", "test__"),
            ("__test", "__test"),
            ("http.method", "http_method"),
            ("größe", "größe"),
        ];
        for (name, expected) in cases {
            assert_eq!(label_name(name), expected);
        }
    }

    #[test]
    fn words_are_units_again() {
        let cases = [
            ("seconds", "s"),
            ("bytes_per_second", "By/s"),
            ("ratio", "1"),
            ("percent", "%"),
            ("packets", "packets"),
            ("meters_per_minute", "m/m"),
            ("", ""),
        ];
        for (words, unit) in cases {
            assert_eq!(ucum(words), unit);
        }
    }
}
