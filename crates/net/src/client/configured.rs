//! The client that the `S.http` settings describe: credentials, headers, redirects.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};

use super::{Answer, ClientError, ClientOptions, Failure, HttpClient, Proxy, Versions};
use crate::Body;
use crate::args;

/// As many redirects as Go's client follows.
const MAX_REDIRECTS: usize = 10;
/// A token's answer and a file with a secret may have at most this many bytes.
const SECRET_LIMIT: usize = 1 << 20;

/// A client made of an [`args::HttpClient`] block.
pub struct ConfiguredClient {
    client: HttpClient,
    headers: HeaderMap,
    credentials: Credentials,
    follow_redirects: bool,
}

enum Credentials {
    None,
    Fixed(HeaderValue),
    File { scheme: String, path: String },
    BasicFile { username: String, path: String },
    OAuth2(Box<OAuth2>),
}

struct OAuth2 {
    args: args::OAuth2,
    client: HttpClient,
    token: tokio::sync::Mutex<Option<(HeaderValue, Option<tokio::time::Instant>)>>,
}

/// A request that may be sent again, to where a redirect points.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The address.
    pub uri: Uri,
    /// Headers besides those of the settings; these win.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

fn invalid(message: impl Into<String>) -> ClientError {
    ClientError::new(Failure::Request, message)
}

fn secret_header(text: &str) -> Result<HeaderValue, ClientError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| invalid("the credentials hold characters that a header cannot"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, ClientError> {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    secret_header(&format!("Basic {text}"))
}

async fn read_secret(path: &str) -> Result<String, ClientError> {
    let fail = |why: &dyn std::fmt::Display| ClientError::new(Failure::Connect, format!("reading {path}: {why}"));
    let text = tokio::fs::read(path).await.map_err(|error| fail(&error))?;
    if text.len() > SECRET_LIMIT {
        return Err(fail(&"the file is too large"));
    }
    let text = String::from_utf8(text).map_err(|_| fail(&"the file is not text"))?;
    Ok(text.trim().to_owned())
}

impl ConfiguredClient {
    /// From a block.
    ///
    /// # Errors
    /// If certificates cannot be loaded, or something cannot stand in a header.
    pub fn new(args: &args::HttpClient) -> Result<Self, ClientError> {
        Self::with(args, false)
    }

    /// From a block; `rotate` as in [`ClientOptions`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(args: &args::HttpClient, rotate: bool) -> Result<Self, ClientError> {
        let client = plain(&args.proxy, args.tls_config.as_ref(), args.enable_http2, rotate)?;
        let mut headers = HeaderMap::new();
        for (name, values) in &args.http_headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(format!("http_headers: {name:?} is not a header's name")))?;
            for value in values {
                headers.append(name.clone(), secret_header(value.expose())?);
            }
        }
        let scheme = |scheme: &str| if scheme.is_empty() { "Bearer".to_owned() } else { scheme.to_owned() };
        let credentials = if !args.bearer_token.is_empty() {
            Credentials::Fixed(secret_header(&format!("Bearer {}", args.bearer_token.expose()))?)
        } else if !args.bearer_token_file.is_empty() {
            Credentials::File { scheme: "Bearer".into(), path: args.bearer_token_file.clone() }
        } else if let Some(block) = &args.authorization {
            match block.credentials_file.as_str() {
                "" if block.credentials.is_empty() => Credentials::None,
                "" => Credentials::Fixed(secret_header(&format!(
                    "{} {}",
                    scheme(&block.scheme),
                    block.credentials.expose()
                ))?),
                path => Credentials::File { scheme: scheme(&block.scheme), path: path.to_owned() },
            }
        } else if let Some(block) = &args.basic_auth {
            match block.password_file.as_str() {
                "" => Credentials::Fixed(basic(&block.username, block.password.expose())?),
                path => Credentials::BasicFile { username: block.username.clone(), path: path.to_owned() },
            }
        } else if let Some(block) = &args.oauth2 {
            let client = plain(&block.proxy, block.tls_config.as_ref(), true, false)?;
            Credentials::OAuth2(Box::new(OAuth2 { args: block.clone(), client, token: Default::default() }))
        } else {
            Credentials::None
        };
        Ok(Self { client, headers, credentials, follow_redirects: args.follow_redirects })
    }

    /// Sends a request with the settings' credentials and headers, following redirects if the settings say so, and reads at most
    /// `limit` bytes of the answer's body. `timeout` is for all of it.
    ///
    /// # Errors
    /// If there is no answer, or credentials cannot be had.
    pub async fn send(&self, request: Outgoing, timeout: Duration, limit: usize) -> Result<Answer, ClientError> {
        let late = || ClientError::new(Failure::Timeout, format!("no answer within {timeout:?}"));
        tokio::time::timeout(timeout, self.exchange(request, timeout, limit)).await.map_err(|_| late())?
    }

    async fn exchange(&self, mut request: Outgoing, timeout: Duration, limit: usize) -> Result<Answer, ClientError> {
        let origin = request.uri.authority().cloned();
        for _ in 0..=MAX_REDIRECTS {
            let same = request.uri.authority() == origin.as_ref();
            let built = self.build(&request, same, timeout).await?;
            let answer = self.client.send(built, timeout, limit).await?;
            match redirect(&request, &answer) {
                Some(next) if self.follow_redirects => request = next?,
                _ => return Ok(answer),
            }
        }
        Err(ClientError::new(Failure::Transport, format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Credentials go to the server that the settings are for, and to no other.
    async fn build(&self, from: &Outgoing, same: bool, timeout: Duration) -> Result<Request<Body>, ClientError> {
        let mut request = Request::new(Body::from(from.body.clone()));
        *request.method_mut() = from.method.clone();
        *request.uri_mut() = from.uri.clone();
        let headers = request.headers_mut();
        if same {
            headers.extend(self.headers.clone());
            if let Some(value) = self.credentials.header(timeout).await? {
                headers.insert(header::AUTHORIZATION, value);
            }
        }
        for (name, value) in &from.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

fn plain(
    proxy: &args::ProxySettings,
    tls: Option<&args::TlsConfig>,
    http2: bool,
    rotate: bool,
) -> Result<HttpClient, ClientError> {
    let proxy = Proxy::from_settings(proxy).map_err(|error| invalid(error.to_string()))?;
    let tls = tls.map(args::TlsConfig::to_client).unwrap_or_default();
    let versions = if http2 { Versions::Negotiated } else { Versions::Http1 };
    HttpClient::new(ClientOptions { tls, proxy, versions, rotate, ..ClientOptions::default() })
        .map_err(|error| invalid(error.to_string()))
}

/// Where an answer sends the request, as browsers and Go do it.
fn redirect(request: &Outgoing, answer: &Answer) -> Option<Result<Outgoing, ClientError>> {
    let keeps_method = match answer.status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        _ => return None,
    };
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    let Some(uri) = resolve(&request.uri, location) else {
        return Some(Err(ClientError::new(Failure::Transport, "the server redirects to something that is no address")));
    };
    let mut next = Outgoing { uri, ..request.clone() };
    if !keeps_method && !matches!(request.method, Method::GET | Method::HEAD) {
        next.method = Method::GET;
        next.body = Bytes::new();
        next.headers.remove(header::CONTENT_TYPE);
        next.headers.remove(header::CONTENT_ENCODING);
    }
    Some(Ok(next))
}

fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let location = location.split('#').next().unwrap_or_default();
    let text = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri: Uri = text.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri)
}

impl Credentials {
    async fn header(&self, timeout: Duration) -> Result<Option<HeaderValue>, ClientError> {
        Ok(match self {
            Self::None => None,
            Self::Fixed(value) => Some(value.clone()),
            Self::File { scheme, path } => Some(secret_header(&format!("{scheme} {}", read_secret(path).await?))?),
            Self::BasicFile { username, path } => Some(basic(username, &read_secret(path).await?)?),
            Self::OAuth2(oauth2) => Some(oauth2.header(timeout).await?),
        })
    }
}

impl OAuth2 {
    async fn header(&self, timeout: Duration) -> Result<HeaderValue, ClientError> {
        let mut token = self.token.lock().await;
        let now = tokio::time::Instant::now();
        if let Some((value, until)) = &*token
            && until.is_none_or(|until| now < until)
        {
            return Ok(value.clone());
        }
        let secret = match self.args.client_secret_file.as_str() {
            "" => self.args.client_secret.expose().to_owned(),
            path => read_secret(path).await?,
        };
        let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
        if !self.args.scopes.is_empty() {
            form.push(("scope".to_owned(), self.args.scopes.join(" ")));
        }
        form.extend(self.args.endpoint_params.clone());
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", form_encode(name), form_encode(value))).collect();
        let request = Request::post(&self.args.token_url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, basic(&form_encode(&self.args.client_id), &form_encode(&secret))?)
            .body(Body::from(body.join("&")))
            .map_err(|error| invalid(format!("token_url: {error}")))?;
        let fail = |why: String| ClientError::new(Failure::Connect, format!("getting a token: {why}"));
        let answer = self.client.send(request, timeout, SECRET_LIMIT).await.map_err(|error| fail(error.message))?;
        if !answer.status.is_success() {
            return Err(fail(format!("the token server answers {}", answer.status)));
        }
        let parsed: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|_| fail("the token server's answer is not JSON".into()))?;
        let text = parsed["access_token"].as_str().ok_or_else(|| fail("the answer holds no access_token".into()))?;
        let kind =
            parsed["token_type"].as_str().filter(|kind| !kind.eq_ignore_ascii_case("bearer")).unwrap_or("Bearer");
        let value = secret_header(&format!("{kind} {text}"))?;
        // A little early, so that it does not expire on its way.
        let until = parsed["expires_in"].as_u64().map(|left| now + Duration::from_secs(left.saturating_sub(10)));
        *token = Some((value.clone(), until));
        Ok(value)
    }
}

fn form_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_locations_are_resolved() {
        let base: Uri = "http://a:1/b/c?d".parse().unwrap();
        for (location, wanted) in
            [("/x", "http://a:1/x"), ("x", "http://a:1/b/x"), ("//h/x", "http://h/x"), ("https://h/x#y", "https://h/x")]
        {
            assert_eq!(resolve(&base, location).unwrap().to_string(), wanted);
        }
        assert!(resolve(&base, "file:///etc/passwd").is_none());
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form_encode("a b&c=ü"), "a+b%26c%3D%C3%BC");
    }
}
