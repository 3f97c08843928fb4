//! What pages in browsers may do.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use corten_net::Body;

use crate::arguments::Cors;

/// Headers that a page may send without being listed: with them a browser's OTLP/JSON works.
const ALWAYS_ALLOWED: [&str; 4] = ["accept", "accept-language", "content-type", "content-language"];
/// Methods that a page may use.
const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];

impl Cors {
    /// Whether any origin is allowed at all; if not, nothing of CORS is answered.
    pub(crate) fn is_on(&self) -> bool {
        !self.allowed_origins.is_empty()
    }

    /// Whether pages of this origin may send.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.allowed_origins.iter().any(|pattern| matches(pattern, origin))
    }

    /// The answer to a preflight request; `None` if the request is none.
    pub(crate) fn preflight(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let headers = request.headers();
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if !self.is_on() || request.method() != Method::OPTIONS {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(
            VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let allowed = headers.get(ORIGIN).is_some_and(|origin| self.allows(origin))
            && METHODS.iter().any(|method| wanted == method)
            && asked.is_none_or(|asked| self.allows_headers(asked));
        if allowed {
            self.grant(headers, answer);
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
            if let Some(asked) = asked {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            if self.max_age > 0 {
                answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age));
            }
        }
        Some(response)
    }

    /// Adds what lets the page read an answer.
    pub(crate) fn decorate(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if !self.is_on() {
            return;
        }
        answer.append(VARY, HeaderValue::from_static("Origin"));
        if request.get(ORIGIN).is_some_and(|origin| self.allows(origin)) {
            self.grant(request, answer);
            if let Ok(exposed) = HeaderValue::from_str(&self.exposed_headers.join(", "))
                && !exposed.is_empty()
            {
                answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            }
        }
    }

    fn grant(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if self.allowed_origins.iter().any(|pattern| pattern == "*") {
            // Browsers take no credentials along to "anybody".
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else if let Some(origin) = request.get(ORIGIN) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn allows_headers(&self, asked: &HeaderValue) -> bool {
        let Ok(asked) = asked.to_str() else { return false };
        asked.split(',').map(str::trim).filter(|name| !name.is_empty()).all(|name| {
            ALWAYS_ALLOWED.iter().any(|known| known.eq_ignore_ascii_case(name))
                || self.allowed_headers.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name))
        })
    }
}

/// One `*` in a pattern stands for any text. Origins are compared without regard to case.
fn matches(pattern: &str, origin: &str) -> bool {
    let (pattern, origin) = (pattern.to_ascii_lowercase(), origin.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((before, after)) => {
            origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors() -> Cors {
        Cors {
            allowed_origins: vec!["https://*.example.org".into(), "http://localhost:3000".into()],
            allowed_headers: vec!["X-Tenant".into()],
            max_age: 600,
            ..Cors::default()
        }
    }

    fn preflight(origin: &str, method: &str, headers: &str) -> Response<Body> {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .header(ORIGIN, origin)
            .header(ACCESS_CONTROL_REQUEST_METHOD, method)
            .header(ACCESS_CONTROL_REQUEST_HEADERS, headers)
            .body(Body::empty())
            .unwrap();
        cors().preflight(&request).unwrap()
    }

    #[test]
    fn a_browser_may_send_json_from_an_allowed_page() {
        let answer = preflight("https://app.example.org", "POST", "content-type, x-tenant");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.org");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "content-type, x-tenant");
        assert_eq!(answer.headers()[ACCESS_CONTROL_MAX_AGE], "600");
    }

    #[test]
    fn others_are_granted_nothing() {
        for (origin, method, headers) in [
            ("https://example.com", "POST", "content-type"),
            ("https://app.example.org.evil.test", "POST", "content-type"),
            ("https://app.example.org", "DELETE", "content-type"),
            ("https://app.example.org", "POST", "x-other"),
        ] {
            let answer = preflight(origin, method, headers);
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin} {method} {headers}");
        }
        let request = Request::builder().method(Method::OPTIONS).header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        assert!(Cors::default().preflight(&request.body(Body::empty()).unwrap()).is_none());
    }
}
