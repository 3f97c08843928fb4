//! `import.http`.

use corten_component::arguments::decode;
use corten_engine::{FetchClient, HttpRequest, HttpResponse};
use corten_net::args;
use corten_net::client::{ConfiguredClient, Outgoing};
use corten_syntax::Diagnostics;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::MODULE_LIMIT;

/// The `client` block's settings, or the defaults.
pub(super) fn settings(client: Option<&FetchClient>) -> Result<args::HttpClient, Diagnostics> {
    client.map_or_else(|| Ok(args::HttpClient::default()), |client| decode(&client.0))
}

pub(super) async fn fetch(request: HttpRequest) -> Result<HttpResponse, String> {
    let settings = settings(request.client.as_ref()).map_err(|diagnostics| {
        diagnostics.first().map_or_else(|| "the client block is wrong".to_owned(), |first| first.message.clone())
    })?;
    let client = ConfiguredClient::new(&settings).map_err(|error| error.to_string())?;
    let answer = client.send(outgoing(&request)?, request.timeout, MODULE_LIMIT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.truncated {
        return Err(format!("the answer is larger than {} MiB", MODULE_LIMIT >> 20));
    }
    Ok(HttpResponse { status: answer.status.as_u16(), body: answer.body.to_vec() })
}

fn outgoing(request: &HttpRequest) -> Result<Outgoing, String> {
    let uri: Uri = request.url.parse().map_err(|_| format!("{:?} is not a URL", request.url))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("{:?} begins with neither http:// nor https://", request.url));
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("Corten/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &request.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a header's name"))?;
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| format!("the value of the header {name:?} holds characters that a header cannot"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| format!("{:?} is not an HTTP method", request.method))?;
    Ok(Outgoing { method, uri, headers, body: request.body.clone().into() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use corten_syntax::Secret;

    use super::*;

    fn request(url: &str) -> HttpRequest {
        HttpRequest {
            url: url.to_owned(),
            method: "GET".to_owned(),
            headers: BTreeMap::from([("X-Token".to_owned(), Secret::new("canary"))]),
            body: String::new(),
            timeout: Duration::from_secs(5),
            client: None,
        }
    }

    #[test]
    fn headers_are_sent_and_not_printed() {
        let outgoing = outgoing(&request("http://x/y.alloy")).expect("a request");
        assert_eq!(outgoing.headers["x-token"], "canary");
        assert!(!format!("{outgoing:?}").contains("canary"));
    }

    #[test]
    fn what_is_no_address_is_said() {
        for url in ["x y", "ftp://x/y", "/y"] {
            assert!(outgoing(&request(url)).is_err(), "{url}");
        }
        let mut broken = request("http://x");
        broken.headers.insert("a".into(), Secret::new("line\nbreak canary"));
        let message = outgoing(&broken).expect_err("no header");
        assert!(!message.contains("canary"), "{message}");
    }
}
