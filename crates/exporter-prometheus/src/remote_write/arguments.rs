//! What the user writes.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::arguments::ByteSize;
use corten_component::{Arguments, Enumeration, Exports, Invalid, Port};
use corten_net::args::HttpClient;
use corten_net::http::{HeaderName, HeaderValue, Uri};
use corten_signal::relabel::RuleArguments;
use corten_signal::samples::Samples;

use super::cloud::{AzureAd, GoogleIam, SigV4};

/// Sends samples to Prometheus, or to what speaks its remote write protocol.
#[derive(Debug, Clone, PartialEq, Default, Arguments)]
pub struct RemoteWriteArguments {
    /// Labels for every sample that has none of the same name.
    pub external_labels: BTreeMap<String, String>,
    /// Where samples go. Each has a queue of its own.
    #[arg(block)]
    pub endpoint: Vec<Endpoint>,
    /// What waits on disk.
    #[arg(block)]
    pub wal: Wal,
}

/// What others refer to.
#[derive(Exports)]
pub struct RemoteWriteExports {
    /// Takes samples.
    pub receiver: Port<Samples>,
}

/// The protocol's versions, by the name of their message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumeration)]
pub enum Protocol {
    /// 1.0.
    #[default]
    #[arg(name = "prometheus.WriteRequest")]
    V1,
    /// 2.0: smaller, with metadata and times of creation beside each sample.
    #[arg(name = "io.prometheus.write.v2.Request")]
    V2,
}

/// Where samples go.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct Endpoint {
    /// The address that takes samples.
    #[arg(required)]
    pub url: String,
    /// What the endpoint is called in metrics, and on disk; by default a hash, and the address.
    pub name: String,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// The message: `prometheus.WriteRequest` (1.0) or `io.prometheus.write.v2.Request` (2.0).
    pub protobuf_message: Protocol,
    /// How long a request may take.
    pub remote_timeout: Duration,
    /// Use the host's addresses in turn, one for each connection.
    pub round_robin_dns: bool,
    /// Whether exemplars are sent.
    pub send_exemplars: bool,
    /// Whether native histograms are sent; otherwise they are dropped and counted.
    pub send_native_histograms: bool,
    /// The connection.
    #[arg(flatten)]
    pub http: HttpClient,
    /// Requests signed for Amazon's services.
    #[arg(block)]
    pub sigv4: Option<SigV4>,
    /// Not implemented.
    #[arg(block)]
    pub azuread: Option<AzureAd>,
    /// Not implemented.
    #[arg(block)]
    pub google_iam: Option<GoogleIam>,
    /// How samples are sent.
    #[arg(block)]
    pub queue_config: QueueConfig,
    /// How types, help and units are sent.
    #[arg(block)]
    pub metadata_config: MetadataConfig,
    /// Changes labels, or drops series, for this endpoint alone.
    #[arg(block)]
    pub write_relabel_config: Vec<RuleArguments>,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            url: String::new(),
            name: String::new(),
            headers: BTreeMap::new(),
            protobuf_message: Protocol::default(),
            remote_timeout: Duration::from_secs(30),
            round_robin_dns: false,
            send_exemplars: true,
            send_native_histograms: false,
            http: HttpClient { enable_http2: false, ..HttpClient::default() },
            sigv4: None,
            azuread: None,
            google_iam: None,
            queue_config: QueueConfig::default(),
            metadata_config: MetadataConfig::default(),
            write_relabel_config: Vec::new(),
        }
    }
}

impl Endpoint {
    /// The address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn address(&self) -> Result<Uri, Invalid> {
        let help = "an address has a scheme, a host and a path: \"http://localhost:9090/api/v1/write\"";
        let wrong = |why: &str| Err(Invalid::at("url", format!("{:?} {why}", self.url)).with_help(help));
        if !self.url.contains("://") {
            return wrong("does not begin with http:// or https://");
        }
        let Ok(uri) = self.url.parse::<Uri>() else { return wrong("is not an address") };
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                Err(Invalid::at("url", "an address must not hold a password")
                    .with_help("write a basic_auth block instead"))
            }
            Some(_) => Ok(uri),
            None => wrong("has no host"),
        }
    }

    /// Whether samples can be sent there. Others accept any scheme, so that a file with another one loads: its samples
    /// wait.
    pub(crate) fn is_http(&self) -> bool {
        self.address().is_ok_and(|address| matches!(address.scheme_str(), Some("http" | "https")))
    }

    fn validate(&self) -> Result<(), Invalid> {
        self.address()?;
        let http = &self.http;
        let plain = http.basic_auth.is_some()
            || http.oauth2.is_some()
            || http.authorization.is_some()
            || !http.bearer_token.is_empty()
            || !http.bearer_token_file.is_empty();
        let ways = [plain, self.sigv4.is_some(), self.azuread.is_some(), self.google_iam.is_some()];
        if ways.into_iter().filter(|used| *used).count() > 1 {
            return Err(Invalid::new(
                "at most one of sigv4, azuread, google_iam, basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            ));
        }
        for (block, written) in [("azuread", self.azuread.is_some()), ("google_iam", self.google_iam.is_some())] {
            if written {
                return Err(Invalid::at(block, format!("{block} is not implemented by Corten")).with_help(
                    "implemented are basic_auth, authorization, bearer_token, oauth2, and sigv4 with keys",
                ));
            }
        }
        for (name, value) in &self.headers {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(Invalid::at("headers", format!("{name:?} is not a header's name")));
            }
            // The value may be a secret, so it is not shown.
            if HeaderValue::from_str(value).is_err() {
                return Err(Invalid::at("headers", format!("the value of {name:?} cannot stand in a header")));
            }
            if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
                return Err(Invalid::at("headers", format!("{name} is a reserved header. It must not be changed")));
            }
        }
        Ok(())
    }
}

/// What the protocol sets itself. (`Authorization` may be written here; a block is the better place.)
const RESERVED: [&str; 4] = ["content-encoding", "content-length", "content-type", "x-prometheus-remote-write-version"];

/// How samples are sent.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct QueueConfig {
    /// Samples that wait in memory for each shard; what comes besides waits on disk.
    pub capacity: i64,
    /// The most shards, which send side by side.
    pub max_shards: i64,
    /// The fewest shards, and how many there are at first.
    pub min_shards: i64,
    /// The most samples of a request.
    pub max_samples_per_send: i64,
    /// The longest time that a sample waits for others.
    pub batch_send_deadline: Duration,
    /// The pause after the first failure; it doubles with each.
    pub min_backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// Whether a request is made again that was answered with 429.
    pub retry_on_http_429: bool,
    /// Samples older than this are dropped instead of sent; 0 for never.
    pub sample_age_limit: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2_000,
            batch_send_deadline: Duration::from_secs(5),
            min_backoff: Duration::from_millis(30),
            max_backoff: Duration::from_secs(5),
            retry_on_http_429: true,
            sample_age_limit: Duration::ZERO,
        }
    }
}

impl QueueConfig {
    fn validate(&self) -> Result<(), Invalid> {
        for (name, number) in [
            ("capacity", self.capacity),
            ("max_shards", self.max_shards),
            ("min_shards", self.min_shards),
            ("max_samples_per_send", self.max_samples_per_send),
        ] {
            if number < 1 {
                return Err(Invalid::at(name, format!("{name} must be at least 1")));
            }
        }
        if self.min_shards > self.max_shards {
            return Err(Invalid::at("min_shards", "min_shards must not be above max_shards"));
        }
        if self.batch_send_deadline.is_zero() {
            return Err(Invalid::at("batch_send_deadline", "batch_send_deadline must not be 0"));
        }
        Ok(())
    }
}

/// How types, help and units are sent. (2.0 sends them with the samples.)
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct MetadataConfig {
    /// The most families of a request.
    pub max_samples_per_send: i64,
    /// How often they are sent.
    pub send_interval: Duration,
    /// Whether they are sent.
    pub send: bool,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self { max_samples_per_send: 2_000, send_interval: Duration::from_secs(60), send: true }
    }
}

impl MetadataConfig {
    fn validate(&self) -> Result<(), Invalid> {
        if self.max_samples_per_send < 1 {
            return Err(Invalid::at("max_samples_per_send", "max_samples_per_send must be at least 1"));
        }
        if self.send_interval.is_zero() {
            return Err(Invalid::at("send_interval", "send_interval must not be 0"));
        }
        Ok(())
    }
}

/// What waits on disk.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct Wal {
    /// How often samples that are too old, and series that have ended, are looked for.
    pub truncate_frequency: Duration,
    /// How long a series without samples is remembered. What an endpoint has taken leaves the disk at once.
    pub min_keepalive_time: Duration,
    /// How long samples wait on disk for an endpoint that does not take them.
    pub max_keepalive_time: Duration,
    /// The most bytes on disk for each endpoint; the oldest samples make room, and are counted. An attribute of
    /// Corten's own.
    pub max_size: ByteSize,
    /// Whether samples must be on the disk, not only in the operating system's memory, before they count as written:
    /// then they survive a power cut. An attribute of Corten's own.
    pub fsync: bool,
}

impl Default for Wal {
    fn default() -> Self {
        Self {
            truncate_frequency: Duration::from_secs(2 * 3600),
            min_keepalive_time: Duration::from_secs(5 * 60),
            max_keepalive_time: Duration::from_secs(8 * 3600),
            max_size: ByteSize(1 << 30),
            fsync: false,
        }
    }
}

impl Wal {
    fn validate(&self) -> Result<(), Invalid> {
        if self.truncate_frequency.is_zero() {
            return Err(Invalid::at("truncate_frequency", "truncate_frequency must not be 0"));
        }
        if self.max_keepalive_time <= self.min_keepalive_time {
            return Err(Invalid::at(
                "min_keepalive_time",
                "min_keepalive_time must be smaller than max_keepalive_time",
            ));
        }
        if self.max_size.0 < LEAST_SIZE {
            return Err(Invalid::at("max_size", "max_size must be at least 1MiB"));
        }
        Ok(())
    }
}

/// Some segments must fit.
const LEAST_SIZE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(change: impl FnOnce(&mut Endpoint)) -> Result<(), Invalid> {
        let mut endpoint = Endpoint { url: "http://localhost:9090/api/v1/write".to_owned(), ..Endpoint::default() };
        change(&mut endpoint);
        endpoint.check()
    }

    #[test]
    fn addresses_are_checked() {
        assert!(endpoint(|_| {}).is_ok());
        for (url, part) in [("localhost:9090", "http://"), ("http://", "address"), ("http://u:pw@a/", "password")] {
            let invalid = endpoint(|endpoint| endpoint.url = url.to_owned()).unwrap_err();
            assert!(invalid.message.contains(part) && !invalid.message.contains("pw@"), "{url}: {invalid:?}");
        }
        let other = Endpoint { url: "tcp://localhost:9090".to_owned(), ..Endpoint::default() };
        assert!(other.check().is_ok() && !other.is_http());
    }

    #[test]
    fn one_way_to_authenticate_is_enough() {
        let both = endpoint(|endpoint| {
            endpoint.sigv4 = Some(SigV4::default());
            endpoint.http.bearer_token_file = "/x".to_owned();
        });
        assert!(both.unwrap_err().message.starts_with("at most one of sigv4, azuread, google_iam"));
        let azure = endpoint(|endpoint| endpoint.azuread = Some(AzureAd::default())).unwrap_err();
        assert_eq!(azure.message, "azuread is not implemented by Corten");
        let google = endpoint(|endpoint| endpoint.google_iam = Some(GoogleIam::default())).unwrap_err();
        assert_eq!(google.field.as_deref(), Some("google_iam"));
    }

    #[test]
    fn headers_of_the_protocol_stay() {
        let set = |name: &str| {
            let name = name.to_owned();
            endpoint(move |endpoint| {
                endpoint.headers.insert(name, "x".to_owned());
            })
        };
        assert!(set("X-Scope-OrgID").is_ok() && set("Content-Type").is_err() && set("a b").is_err());
        let secret = endpoint(|endpoint| {
            endpoint.headers.insert("x".to_owned(), "canary\n".to_owned());
        });
        assert!(!secret.unwrap_err().message.contains("canary"));
    }

    #[test]
    fn limits_make_sense() {
        assert!(QueueConfig { min_shards: 60, ..QueueConfig::default() }.check().is_err());
        assert!(QueueConfig { capacity: 0, ..QueueConfig::default() }.check().is_err());
        assert!(Wal { truncate_frequency: Duration::ZERO, ..Wal::default() }.check().is_err());
        let swapped = Wal { min_keepalive_time: Duration::from_secs(8 * 3600), ..Wal::default() }.check().unwrap_err();
        assert_eq!(swapped.message, "min_keepalive_time must be smaller than max_keepalive_time");
    }
}
