//! Getting a target's exposition.

use std::sync::Arc;

use bytes::Bytes;
use corten_net::client::{ConfiguredClient, Outgoing};
use corten_net::codec::{Encoding, decode};
use corten_net::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use corten_signal::exposition::{Routes, ScrapeRequest};

use crate::target::{Place, Target};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Corten/", env!("CARGO_PKG_VERSION")));
const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// The largest body where the arguments name no limit: 1 GiB.
const LARGEST: usize = 1 << 30;

/// How expositions are had.
pub(crate) struct Fetcher {
    pub(crate) client: ConfiguredClient,
    /// Components of this process.
    pub(crate) routes: Option<Arc<Routes>>,
    pub(crate) accept: HeaderValue,
    pub(crate) compression: bool,
    /// A body of this size is too large; 0 is the default.
    pub(crate) limit: usize,
}

/// What a target has answered, perhaps compressed.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) content_type: String,
    body: Bytes,
    gzip: bool,
    limit: usize,
}

/// Why there is no exposition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// The body is too large.
    #[error("body size limit exceeded")]
    TooLarge,
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

impl Fetcher {
    /// Asks a target, within its timeout.
    pub(crate) async fn fetch(&self, target: &Target) -> Result<Fetched, FetchError> {
        let limit = if self.limit == 0 { LARGEST } else { self.limit };
        match &target.place {
            Place::Inside { path, params } => {
                let exporter = self.routes.as_ref().and_then(|routes| routes.find(path));
                let exporter = exporter.ok_or_else(|| failed(format!("no component offers metrics at {path}")))?;
                let request = ScrapeRequest { params: params.clone(), timeout: target.timeout };
                let answer = tokio::time::timeout(target.timeout, exporter.expose(request)).await;
                let answer = answer.map_err(|_| failed(format!("no answer within {:?}", target.timeout)))?;
                let metrics = answer.map_err(failed)?;
                let content_type = metrics.content_type.to_owned();
                Ok(Fetched { content_type, body: metrics.body, gzip: false, limit })
            }
            Place::Url(uri) => {
                let mut headers = HeaderMap::new();
                let encoding = if self.compression { "gzip" } else { "identity" };
                headers.insert(header::ACCEPT, self.accept.clone());
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
                headers.insert(header::USER_AGENT, USER_AGENT);
                if let Ok(seconds) = HeaderValue::from_str(&target.timeout.as_secs_f64().to_string()) {
                    headers.insert(TIMEOUT, seconds);
                }
                let request = Outgoing { method: Method::GET, uri: uri.clone(), headers, body: Bytes::new() };
                let answer = self.client.send(request, target.timeout, limit).await;
                let answer = answer.map_err(|error| failed(error.to_string()))?;
                if answer.status != StatusCode::OK {
                    return Err(failed(format!("server returned HTTP status {}", answer.status)));
                }
                if answer.truncated {
                    return Err(FetchError::TooLarge);
                }
                let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let gzip = text(header::CONTENT_ENCODING) == "gzip";
                let content_type = text(header::CONTENT_TYPE).to_owned();
                Ok(Fetched { content_type, body: answer.body, gzip, limit })
            }
        }
    }
}

fn failed(why: impl Into<String>) -> FetchError {
    FetchError::Failed(why.into())
}

impl Fetched {
    /// What somebody else has fetched.
    pub(crate) fn plain(body: Bytes, content_type: &str) -> Self {
        Self { content_type: content_type.to_owned(), body, gzip: false, limit: LARGEST }
    }

    /// Whether reading it takes so long that the loop should not wait.
    pub(crate) fn is_large(&self) -> bool {
        const LARGE: usize = 32 << 10;
        self.body.len() > if self.gzip { LARGE / 8 } else { LARGE }
    }

    /// The exposition.
    pub(crate) fn body(self) -> Result<Bytes, FetchError> {
        let body = if self.gzip {
            let decoded = decode(Encoding::Gzip, [self.body], self.limit, &mut |_| true);
            decoded.map(Bytes::from).map_err(|error| match error {
                corten_net::codec::DecodeError::TooLarge { .. } => FetchError::TooLarge,
                other => failed(other.to_string()),
            })?
        } else {
            self.body
        };
        // A body of exactly the limit is too large, too, as in Prometheus.
        if body.len() >= self.limit { Err(FetchError::TooLarge) } else { Ok(body) }
    }
}
