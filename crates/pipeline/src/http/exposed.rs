//! `/api/v0/component/{id}/metrics`: the metrics of exporters, for a Prometheus that comes by itself.

use std::time::Duration;

use corten_net::codec::{Encoding, Level, encode_aside};
use corten_signal::exposition::{Expose, Exposition, ScrapeRequest};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request};

use super::reply::Reply;
use super::router::decoded;

/// How long a scraper waits that does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(120);

/// Answers a scrape.
pub(super) async fn answer(exporter: &dyn Expose, request: &request::Parts) -> Reply {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n")
            .with(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let timeout = timeout(request);
    let scrape = ScrapeRequest { params: parameters(request.uri.query().unwrap_or_default()), timeout };
    match tokio::time::timeout(timeout, exporter.expose(scrape)).await {
        Ok(Ok(metrics)) => found(metrics, &request.headers).await,
        Ok(Err(why)) => {
            Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics could not be had: {why}\n"))
        }
        Err(_) => Reply::text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the metrics were not there within {timeout:?}, which is how long the scraper waits\n"),
        ),
    }
}

/// Compressed if the scraper takes that, which Prometheus always does.
async fn found(metrics: Exposition, headers: &HeaderMap) -> Reply {
    let vary = (header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if takes_gzip(headers) {
        match encode_aside(Encoding::Gzip, Level::Default, vec![metrics.body.clone()]).await {
            Ok(body) => {
                return Reply::bytes(metrics.content_type, body.concat().into())
                    .with(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))
                    .with(vary.0, vary.1);
            }
            Err(error) => tracing::debug!("the metrics go out as they are: {error}"),
        }
    }
    Reply::bytes(metrics.content_type, metrics.body).with(vary.0, vary.1)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut offers = values.flat_map(|value| value.split(','));
    offers.any(|offer| {
        let (name, parameter) = offer.split_once(';').unwrap_or((offer, ""));
        let quality = parameter.trim().strip_prefix("q=").and_then(|text| text.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && quality != Some(0.0)
    })
}

/// As Prometheus says it.
fn timeout(request: &request::Parts) -> Duration {
    let header = request.headers.get("x-prometheus-scrape-timeout-seconds");
    let seconds = header.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<f64>().ok());
    let wanted = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wanted.filter(|wanted| !wanted.is_zero()).unwrap_or(TIMEOUT).min(LONGEST)
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let text = |part: &str| decoded(&part.replace('+', " "));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_keep_their_order() {
        let expected = [("collect[]", "cpu"), ("collect[]", "a b"), ("flag", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parameters("collect[]=cpu&collect%5B%5D=a+b&&flag"), expected);
    }

    #[test]
    fn who_takes_gzip_gets_it() {
        let takes = |text: &str| {
            takes_gzip(&HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_str(text).expect("a value"),
            )]))
        };
        assert!(takes("gzip") && takes("deflate, GZIP;q=0.5") && takes("gzip;q=1"));
        assert!(!takes("identity") && !takes("") && !takes("gzip;q=0, br") && !takes("x-gzip-not"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn the_scraper_says_how_long_it_waits() {
        for (header, expected) in [("0.5", 500), ("0", 10_000), ("-1", 10_000), ("NaN", 10_000), ("1e9", 120_000)] {
            let request = http::Request::get("/").header("X-Prometheus-Scrape-Timeout-Seconds", header).body(());
            let (parts, ()) = request.expect("a request").into_parts();
            assert_eq!(timeout(&parts), Duration::from_millis(expected), "{header}");
        }
    }
}
