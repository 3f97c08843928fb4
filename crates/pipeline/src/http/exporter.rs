//! The server of `corten exporter`, and of the metrics of `corten beyla`: `/metrics`, a page that leads there, and a
//! probe.

use std::sync::Arc;

use corten_component::BoxFuture;
use corten_net::Body;
use corten_net::server::Handler;
use corten_signal::exposition::Expose;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};

use super::guard::Hosts;
use super::reply::Reply;
use super::{exposed, style};

/// What one exporter shows.
pub(crate) struct ExporterSite {
    about: &'static str,
    exposed: Arc<dyn Expose>,
    path: String,
    hosts: Hosts,
}

impl ExporterSite {
    /// `about` says what the metrics are of; `is_local` whether only this machine can ask.
    pub(crate) fn new(about: &'static str, exposed: Arc<dyn Expose>, is_local: bool) -> Self {
        Self { about, exposed, path: "/metrics".to_owned(), hosts: Hosts::new(is_local, "", &[]) }
    }

    /// With the metrics at another path.
    pub(crate) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    async fn answer(&self, request: &request::Parts) -> Reply {
        let authority = request.uri.authority().map(|authority| authority.as_str());
        if let Err(why) = self.hosts.check(&request.headers, authority) {
            return Reply::text(StatusCode::FORBIDDEN, why);
        }
        let path = request.uri.path();
        if path == self.path {
            return exposed::answer(&*self.exposed, request).await;
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n")
                .with(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        match path {
            "/" => Reply::html(self.page()),
            "/-/healthy" | "/-/ready" => Reply::text(StatusCode::OK, "the exporter answers\n"),
            _ => {
                Reply::text(StatusCode::NOT_FOUND, format!("nothing is at {path}; the metrics are at {}\n", self.path))
            }
        }
    }

    fn page(&self) -> String {
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>Corten: {about}</title><style>{sheet}</style>\
             <main><header><h1>Corten</h1><span class=\"dim\">{about}</span></header>\
             <p>A Prometheus reads <a href=\"{link}\">{path}</a>.</p>\
             <footer>version {version}</footer></main></html>",
            about = self.about,
            path = self.path,
            // Also right behind a proxy that shows this page elsewhere.
            link = self.path.trim_start_matches('/'),
            sheet = style::SHEET,
            version = crate::VERSION,
        )
    }
}

impl Handler for ExporterSite {
    fn call(self: Arc<Self>, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            // No route reads a body.
            let (parts, _) = request.into_parts();
            self.answer(&parts).await.into_response(&parts.method)
        })
    }
}
