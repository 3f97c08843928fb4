//! What the user writes.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::arguments::ByteSize;
use corten_component::{Arguments, Enumeration, Fanout, Invalid};
use corten_net::args::HttpClient;
use corten_signal::samples::Samples;
use corten_signal::targets::Targets;

use crate::histogram::Limits;
use crate::ingest::Rules;
use crate::names::{Escaping, NameScheme};
use crate::parse::{HistogramOptions, Protocol};
use crate::read::Reading;

/// What is asked for first to last.
const PROTOCOLS: [Protocol; 4] = [
    Protocol::OpenMetricsText100,
    Protocol::OpenMetricsText001,
    Protocol::PrometheusText100,
    Protocol::PrometheusText004,
];

/// `clustering`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Arguments)]
pub struct Clustering {
    /// Whether targets are divided among the members of a cluster. Corten has no clusters: it scrapes them all.
    #[arg(required)]
    pub enabled: bool,
}

/// The arguments of `prometheus.scrape`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct ScrapeArguments {
    /// What to scrape.
    #[arg(required)]
    pub targets: Targets,
    /// Where samples go.
    #[arg(required)]
    pub forward_to: Fanout<Samples>,
    /// The `job` label of targets that have none; the component's name if this is not written.
    pub job_name: String,
    /// Keep labels of the exposition that a target has too; otherwise they become `exported_NAME`.
    pub honor_labels: bool,
    /// Keep times of the exposition.
    pub honor_timestamps: bool,
    /// End series that vanish even if they came with times of their own.
    pub track_timestamps_staleness: bool,
    /// Parameters of the query.
    pub params: BTreeMap<String, Vec<String>>,
    /// Take the classic series of histograms that are native, too.
    pub scrape_classic_histograms: bool,
    /// Take native histograms. Puts protobuf first among `scrape_protocols` unless these are written.
    pub scrape_native_histograms: bool,
    /// A file to which failed scrapes are written, a line of JSON each.
    pub scrape_failure_log_file: String,
    /// How often each target is scraped.
    pub scrape_interval: Duration,
    /// How long a scrape may take.
    pub scrape_timeout: Duration,
    /// The formats to ask for, in order of preference.
    pub scrape_protocols: Vec<Protocol>,
    /// The path of targets that have none.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// A scrape whose body, decompressed, has this many bytes or more fails. 0 means 1 GiB.
    pub body_size_limit: ByteSize,
    /// A scrape with more samples than this fails; 0 is no limit.
    pub sample_limit: u64,
    /// With more targets than this, the scrapes of all fail; 0 is no limit.
    pub target_limit: u64,
    /// A scrape with a series that has more labels than this fails; 0 is no limit.
    pub label_limit: u64,
    /// A scrape with a label whose name has more bytes than this fails; 0 is no limit.
    pub label_name_length_limit: u64,
    /// A scrape with a label whose value has more bytes than this fails; 0 is no limit.
    pub label_value_length_limit: u64,
    /// Settings of the client.
    #[arg(flatten)]
    pub client: HttpClient,
    /// Report timeout, sample limit and body size of each scrape, too.
    pub extra_metrics: bool,
    /// Deprecated: puts protobuf first among the formats and takes native histograms.
    pub enable_protobuf_negotiation: bool,
    /// Which names are valid: `legacy` or `utf8`.
    pub metric_name_validation_scheme: NameScheme,
    /// How targets are asked to write names that older systems cannot have.
    pub metric_name_escaping_scheme: Escaping,
    /// The format of answers whose `Content-Type` says none; empty lets their scrapes fail.
    pub scrape_fallback_protocol: String,
    /// Make classic histograms native ones with buckets of their own.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Ask for gzip.
    pub enable_compression: bool,
    /// Buckets that a native histogram may have: they are joined until it fits, and if it cannot, the scrape fails.
    /// 0 is no limit.
    pub native_histogram_bucket_limit: u64,
    /// The least factor between the boundaries of two buckets of native histograms: buckets that are narrower are
    /// joined.
    pub native_histogram_min_bucket_factor: f64,
    /// Let types, help texts and units leave the process as metadata. Components that turn samples into something else
    /// are told types in any case.
    pub honor_metadata: bool,
    /// Add type and unit as labels `__type__` and `__unit__`.
    pub enable_type_and_unit_labels: bool,
    /// Put a zero where a counter or histogram says that it began to count.
    pub start_timestamp_zero_ingestion: bool,
    /// Dividing targets among the members of a cluster.
    #[arg(block)]
    pub clustering: Clustering,
}

impl Default for ScrapeArguments {
    fn default() -> Self {
        Self {
            targets: Targets::default(),
            forward_to: Fanout::default(),
            job_name: String::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            params: BTreeMap::new(),
            scrape_classic_histograms: false,
            scrape_native_histograms: false,
            scrape_failure_log_file: String::new(),
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            scrape_protocols: PROTOCOLS.to_vec(),
            metrics_path: "/metrics".to_owned(),
            scheme: "http".to_owned(),
            body_size_limit: ByteSize(0),
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            client: HttpClient::default(),
            extra_metrics: false,
            enable_protobuf_negotiation: false,
            metric_name_validation_scheme: NameScheme::Legacy,
            metric_name_escaping_scheme: Escaping::Unset,
            scrape_fallback_protocol: Protocol::PrometheusText004.as_str().to_owned(),
            convert_classic_histograms_to_nhcb: false,
            enable_compression: true,
            native_histogram_bucket_limit: 0,
            native_histogram_min_bucket_factor: 0.0,
            honor_metadata: false,
            enable_type_and_unit_labels: false,
            start_timestamp_zero_ingestion: false,
            clustering: Clustering::default(),
        }
    }
}

impl ScrapeArguments {
    fn validate(&self) -> Result<(), Invalid> {
        let (interval, timeout) = (self.scrape_interval, self.scrape_timeout);
        if timeout > interval {
            return Err(Invalid::at(
                "scrape_timeout",
                format!("scrape_timeout ({timeout:?}) greater than scrape_interval ({interval:?})"),
            )
            .with_help("scrape_timeout is 10s where it is not written"));
        }
        for (name, value) in [("scrape_interval", interval), ("scrape_timeout", timeout)] {
            if value < Duration::from_millis(1) {
                return Err(Invalid::at(name, format!("{name} must be at least 1ms")));
            }
        }
        if self.enable_protobuf_negotiation && self.scrape_protocols != PROTOCOLS {
            return Err(Invalid::at(
                "enable_protobuf_negotiation",
                "both enable_protobuf_negotiation and scrape_protocols are set, only one can be set at a time",
            ));
        }
        for (at, protocol) in self.scrape_protocols.iter().enumerate() {
            if self.scrape_protocols[..at].contains(protocol) {
                let name = protocol.as_str();
                return Err(Invalid::at("scrape_protocols", format!("duplicate scrape protocol {name:?}")));
            }
        }
        if self.takes_native() && !self.protocols().contains(&Protocol::PrometheusProto) {
            return Err(Invalid::at(
                "scrape_native_histograms",
                "scrape_native_histograms is set to true, but PrometheusProto is not in scrape_protocols",
            ));
        }
        if !self.scrape_fallback_protocol.is_empty() && self.fallback().is_none() {
            let known: Vec<&str> = Protocol::VARIANTS.iter().map(|(name, _)| *name).collect();
            return Err(Invalid::at(
                "scrape_fallback_protocol",
                format!("invalid scrape_fallback_protocol {:?}", self.scrape_fallback_protocol),
            )
            .with_help(format!("expected one of {}", known.join(", "))));
        }
        let legacy = self.metric_name_validation_scheme == NameScheme::Legacy;
        if legacy && self.metric_name_escaping_scheme == Escaping::AllowUtf8 {
            return Err(Invalid::at(
                "metric_name_escaping_scheme",
                "metric_name_escaping_scheme cannot be set to 'allow-utf-8' while metric_name_validation_scheme is not \
                 set to 'utf8'",
            ));
        }
        Ok(())
    }

    fn takes_native(&self) -> bool {
        self.scrape_native_histograms || self.enable_protobuf_negotiation
    }

    /// The formats to ask for.
    fn protocols(&self) -> Vec<Protocol> {
        let first = (self.takes_native() && self.scrape_protocols == PROTOCOLS).then_some(Protocol::PrometheusProto);
        first.into_iter().chain(self.scrape_protocols.iter().copied()).collect()
    }

    fn fallback(&self) -> Option<Protocol> {
        Protocol::VARIANTS
            .iter()
            .find(|(name, _)| *name == self.scrape_fallback_protocol)
            .map(|(_, protocol)| *protocol)
    }

    /// The `Accept` header, as Prometheus writes it.
    pub(crate) fn accept(&self) -> String {
        let escaping = match (self.metric_name_escaping_scheme, self.metric_name_validation_scheme) {
            (Escaping::Unset, NameScheme::Legacy) => Escaping::Underscores,
            (Escaping::Unset, NameScheme::Utf8) => Escaping::AllowUtf8,
            (written, _) => written,
        };
        let mut weight = Protocol::VARIANTS.len() + 1;
        let mut accept = String::new();
        for protocol in self.protocols() {
            accept.push_str(protocol.accept());
            if protocol.has_escaping() {
                accept.push_str(&format!(";escaping={}", escaping.as_str()));
            }
            accept.push_str(&format!(";q=0.{weight},"));
            weight -= 1;
        }
        accept + &format!("*/*;q=0.{weight}")
    }

    fn histograms(&self) -> HistogramOptions {
        HistogramOptions {
            native: self.takes_native(),
            keep_classic: self.scrape_classic_histograms,
            convert_classic: self.convert_classic_histograms_to_nhcb,
            starts: self.start_timestamp_zero_ingestion,
        }
    }

    /// How answers are read.
    pub(crate) fn reading(&self) -> Reading {
        Reading { rules: self.rules(), histograms: self.histograms(), fallback: self.fallback() }
    }

    fn rules(&self) -> Rules {
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Rules {
            honor_labels: self.honor_labels,
            honor_timestamps: self.honor_timestamps,
            track_timestamps: self.track_timestamps_staleness,
            type_and_unit: self.enable_type_and_unit_labels,
            starts: self.start_timestamp_zero_ingestion,
            names: self.metric_name_validation_scheme,
            samples: size(self.sample_limit),
            labels: size(self.label_limit),
            name_length: size(self.label_name_length_limit),
            value_length: size(self.label_value_length_limit),
            histograms: Limits::new(size(self.native_histogram_bucket_limit), self.native_histogram_min_bucket_factor),
        }
    }

    /// Whether series of the exposition have the same labels under these arguments.
    pub(crate) fn means_the_same(&self, other: &Self) -> bool {
        let essence = |args: &Self| Rules { samples: 0, ..args.rules() };
        essence(self) == essence(other) && self.histograms() == other.histograms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut ScrapeArguments)) -> ScrapeArguments {
        let mut args = ScrapeArguments::default();
        change(&mut args);
        args
    }

    #[test]
    fn formats_are_asked_for_as_prometheus_does() {
        assert_eq!(
            ScrapeArguments::default().accept(),
            "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        let native = with(|args| {
            args.scrape_native_histograms = true;
            args.metric_name_validation_scheme = NameScheme::Utf8;
        });
        assert_eq!(
            native.accept(),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        let one = with(|args| args.scrape_protocols = vec![Protocol::PrometheusText004]);
        assert_eq!(one.accept(), "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |change: fn(&mut ScrapeArguments)| with(change).validate().unwrap_err().message;
        assert!(refused(|args| args.scrape_timeout = Duration::from_secs(61)).contains("greater than"));
        assert!(refused(|args| args.scrape_protocols = vec![Protocol::PrometheusProto; 2]).contains("duplicate"));
        assert!(refused(|args| args.scrape_fallback_protocol = "html".into()).contains("html"));
        assert!(refused(|args| args.metric_name_escaping_scheme = Escaping::AllowUtf8).contains("allow-utf-8"));
        assert!(
            refused(|args| {
                args.enable_protobuf_negotiation = true;
                args.scrape_protocols = vec![Protocol::PrometheusProto];
            })
            .contains("only one")
        );
        assert!(
            refused(|args| {
                args.scrape_native_histograms = true;
                args.scrape_protocols = vec![Protocol::PrometheusText004];
            })
            .contains("PrometheusProto is not in")
        );
        assert!(with(|args| args.scrape_fallback_protocol.clear()).validate().is_ok());
    }
}
