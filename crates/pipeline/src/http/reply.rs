//! What a route answers.

use corten_net::Body;
use http::{HeaderValue, Method, Response, StatusCode, header};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(header::HeaderName, HeaderValue)>,
    pub(super) body: Body,
}

impl Reply {
    pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body.into())
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self::new(StatusCode::OK, "application/json", body.to_string())
    }

    /// A page that may load nothing from anywhere and be framed by nobody.
    pub(super) fn html(body: String) -> Self {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
        Self::new(StatusCode::OK, "text/html; charset=utf-8", body)
            .with(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))
            .with(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
    }

    /// What somebody else has written.
    pub(super) fn bytes(content_type: &'static str, body: bytes::Bytes) -> Self {
        Self { body: body.into(), ..Self::new(StatusCode::OK, content_type, String::new()) }
    }

    /// A body that comes bit by bit.
    pub(super) fn stream(content_type: &'static str, body: Body) -> Self {
        Self { body, ..Self::new(StatusCode::OK, content_type, String::new()) }
    }

    pub(super) fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
            .with(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
            .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// As it goes out.
    pub(super) fn into_response(self, method: &Method) -> Response<Body> {
        let length = self.body.len();
        let body = if method == Method::HEAD { Body::empty() } else { self.body };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers.extend(self.headers);
        response
    }

    pub(super) fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}
