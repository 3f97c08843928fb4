//! `discovery.http`: lists of targets from a server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_component::metrics::{Counter, MetricDoc, Metrics as _, Scope};
use corten_component::{Arguments, BuildError, Health, Invalid, Metrics};
use corten_net::args::HttpClient;
use corten_net::client::{ConfiguredClient, Outgoing};
use corten_net::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use corten_signal::labels::Labels;

use crate::groups::{self, Language};
use crate::source::Source;

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Corten/", env!("CARGO_PKG_VERSION")));
const INTERVAL: HeaderName = HeaderName::from_static("x-prometheus-refresh-interval-seconds");
/// An answer may have at most this many bytes.
const LARGEST: usize = 64 << 20;

/// The arguments of `discovery.http`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct HttpArguments {
    /// The address of the list.
    #[arg(required)]
    pub url: String,
    /// How often it is asked for, and how long an answer may take.
    pub refresh_interval: Duration,
    /// Settings of the client.
    #[arg(flatten)]
    pub client: HttpClient,
}

impl Default for HttpArguments {
    fn default() -> Self {
        Self { url: String::new(), refresh_interval: Duration::from_secs(60), client: HttpClient::default() }
    }
}

impl HttpArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.refresh_interval.is_zero() {
            return Err(Invalid::at("refresh_interval", "refresh_interval must be greater than zero"));
        }
        let uri: Option<Uri> = self.url.parse().ok();
        match uri.as_ref().map(|uri| (uri.scheme_str(), uri.host())) {
            Some((Some("http" | "https"), Some(host))) if !host.is_empty() => Ok(()),
            _ => Err(Invalid::at("url", format!("{:?} is not an address", self.url))
                .with_help("write http://host:port/path or https://host/path")),
        }
    }
}

/// What the component counts.
#[derive(Debug, Clone, Metrics)]
struct Meters {
    /// Lists that could not be had.
    #[metric(name = "prometheus_sd_http_failures_total")]
    failures: Counter,
}

/// `discovery.http`.
pub struct Http {
    args: Arc<HttpArguments>,
    client: ConfiguredClient,
    meters: Meters,
    health: Health,
}

impl Http {
    async fn ask(&self) -> Result<Vec<Labels>, String> {
        let HttpArguments { url, refresh_interval, .. } = &*self.args;
        let uri = url.parse().map_err(|error| format!("{url:?} is not an address: {error}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(seconds) = HeaderValue::from_str(&refresh_interval.as_secs_f64().to_string()) {
            headers.insert(INTERVAL, seconds);
        }
        let request = Outgoing { method: Method::GET, uri, headers, body: Bytes::new() };
        let answer = self.client.send(request, *refresh_interval, LARGEST).await.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("server returned HTTP status {}", answer.status));
        }
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !is_json(kind) {
            return Err(format!("unsupported content type {kind:?}"));
        }
        if answer.truncated {
            return Err(format!("the answer is larger than {LARGEST} bytes"));
        }
        let text = std::str::from_utf8(&answer.body).map_err(|_| "the answer is not UTF-8".to_owned())?;
        groups::read(text, Language::Json, "__meta_url", url)
    }
}

fn is_json(kind: &str) -> bool {
    let (media, parameter) = kind.split_once(';').map_or((kind, None), |(media, rest)| (media, Some(rest)));
    let utf8 = |text: &str| matches!(text.trim().to_ascii_lowercase().as_str(), "charset=utf-8" | "charset=\"utf-8\"");
    media.trim().eq_ignore_ascii_case("application/json") && parameter.is_none_or(utf8)
}

impl Source for Http {
    const NAME: &'static str = "discovery.http";
    const DOC: &'static str = "Asks a server for a list of targets, in JSON.\n\n\
        While it cannot be had, the targets stay as they were. Each target gets `__meta_url`.";
    const METRICS: &'static [MetricDoc] = Meters::DOCS;
    type Arguments = HttpArguments;

    fn new(args: Arc<HttpArguments>, metrics: &Scope, health: &Health) -> Result<Self, BuildError> {
        let client = ConfiguredClient::new(&args.client).map_err(|error| BuildError::new(error.to_string()))?;
        Ok(Self { args, client, meters: Meters::register(metrics, &[]), health: health.clone() })
    }

    async fn look(&mut self) -> Option<Vec<Labels>> {
        match self.ask().await {
            Ok(targets) => {
                self.health.healthy(format!("{} targets have been found", targets.len()));
                Some(targets)
            }
            Err(why) => {
                self.meters.failures.inc();
                tracing::error!(url = self.args.url, err = why, "the list of targets could not be had");
                self.health.unhealthy(format!("the list of targets could not be had: {why}"));
                None
            }
        }
    }

    fn update(&mut self, args: Arc<HttpArguments>) {
        match ConfiguredClient::new(&args.client) {
            Ok(client) => self.client = client,
            Err(error) => {
                tracing::error!(err = %error, "the new settings of the client cannot be used; the old ones stay");
            }
        }
        self.args = args;
    }

    fn interval(&self) -> Duration {
        self.args.refresh_interval
    }
}

#[cfg(test)]
mod tests {
    use corten_component::NodeId;
    use corten_component::metrics::Registry;
    use corten_testkit::Target;

    use super::*;

    #[test]
    fn only_json_is_read() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=\"UTF-8\""] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/json",
            "application/json; charset=latin1",
            "application/jsonp",
            "application /json;charset=UTF-8",
            "application/ json",
            "application/json;",
            "charset=UTF-8",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    fn lists(url: &str) -> Http {
        let args = HttpArguments { url: url.to_owned(), ..HttpArguments::default() };
        let scope = Registry::new().node(&NodeId::root("discovery.http.x"));
        Http::new(Arc::new(args), &scope, &Health::default()).unwrap()
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[tokio::test]
    async fn lists_come_with_the_address_of_their_server_and_groups_go() {
        let server = Target::start("");
        let url = format!("http://{}/list.json", server.address());
        let mut lists = lists(&url);
        let both = r#"[{"labels": {"k": "1"}, "targets": ["127.0.0.1:9090"]}, {"labels": {"k": "2"}, "targets": ["127.0.0.1"]}]"#;
        let one = r#"[{"labels": {"__meta_datacenter": "bru1"}, "targets": ["127.0.0.1:9090"]}]"#;
        let target = |address: &str, label: &str, value: &str| {
            Labels::from_pairs([("__address__", address), ("__meta_url", &*url), (label, value)])
        };
        for (body, expected) in [
            ("[]", vec![]),
            (both, vec![target("127.0.0.1:9090", "k", "1"), target("127.0.0.1", "k", "2")]),
            (one, vec![target("127.0.0.1:9090", "__meta_datacenter", "bru1")]),
            ("[]", vec![]),
        ] {
            server.answer(200, &[JSON], body.as_bytes());
            assert_eq!(lists.look().await.unwrap(), expected, "{body}");
        }
        let asked = server.requests().concat().to_ascii_lowercase();
        for header in ["accept: application/json", "x-prometheus-refresh-interval-seconds: 60"] {
            assert!(asked.contains(header), "{header} in {asked}");
        }
        assert_eq!(lists.meters.failures.get(), 0);
    }

    #[tokio::test]
    async fn what_is_no_list_is_said_and_keeps_what_was_found() {
        let server = Target::start("");
        let mut lists = lists(&format!("http://{}/", server.address()));
        for (count, (status, kind, body, why)) in [
            (400, "application/json", "[]", "server returned HTTP status 400 Bad Request"),
            (200, "text/plain; charset=utf-8", "{}", "unsupported content type \"text/plain; charset=utf-8\""),
            (200, "application/json", "{}", "expected a list"),
            (200, "application/json", "[null]", "expected groups"),
        ]
        .into_iter()
        .enumerate()
        {
            server.answer(status, &[("content-type", kind)], body.as_bytes());
            assert_eq!(lists.look().await, None);
            let message = lists.health.report().unwrap().message;
            assert!(message.contains(why), "{message}");
            assert_eq!(lists.meters.failures.get(), count as u64 + 1);
        }
    }

    #[test]
    fn an_address_is_needed() {
        let validate = |url: &str| HttpArguments { url: url.to_owned(), ..HttpArguments::default() }.validate();
        assert!(validate("http://h:1/x").is_ok());
        for bad in ["", "/x", "ftp://h/x", "h:1"] {
            assert!(validate(bad).is_err(), "{bad}");
        }
    }
}
