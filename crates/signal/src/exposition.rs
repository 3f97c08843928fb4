//! Metrics that a component offers to be scraped: by `prometheus.scrape` without a socket, and over HTTP below
//! `/api/v0/component/ID/metrics`.
//!
//! A target says where: [`ADDRESS`] and the path of [`path`]. A scraper that sees that address asks [`Routes`], a
//! service of the process, instead of connecting. Both ways the answer is the text of an exposition format, so that
//! there is one parser.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use corten_component::{Behaviour, BoxFuture, Component, Handle, NodeId, RunContext};

/// The address of targets inside the process. Alloy's name for it, since files have rules that match it.
pub const ADDRESS: &str = "alloy.internal:12345";

/// The content type of the text format.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The path below which a component's metrics are.
pub fn path(id: &NodeId) -> String {
    format!("{PREFIX}{id}/metrics")
}

const PREFIX: &str = "/api/v0/component/";

/// What a scraper asks for.
#[derive(Debug, Clone)]
pub struct ScrapeRequest {
    /// The query's parameters, in order (`collect[]=cpu`).
    pub params: Vec<(String, String)>,
    /// How long the scraper waits.
    pub timeout: Duration,
}

/// Metrics as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposition {
    /// The format.
    pub content_type: &'static str,
    /// The text.
    pub body: Bytes,
}

impl Exposition {
    /// In the text format.
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self { content_type: TEXT, body: body.into() }
    }
}

/// A component whose metrics can be scraped.
pub trait Expose: Send + Sync + 'static {
    /// Its metrics now. What cannot be had is missing or said in the metrics themselves; an error, for a person, means
    /// that the scrape failed.
    fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>>;
}

impl Behaviour for dyn Expose {
    const CAPSULE: &'static str = "prometheus.Exposition";
}

/// Who is to be found at [`ADDRESS`]: a service of the process.
#[derive(Default)]
pub struct Routes(RwLock<HashMap<String, Handle<dyn Expose>>>);

impl Routes {
    /// Makes a component's metrics reachable. Call it when `run` begins, and [`Self::withdraw`] when it ends: between
    /// two instances the handle answers.
    pub fn offer(&self, id: &NodeId, handle: Handle<dyn Expose>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id.to_string(), handle);
    }

    /// Ends it, unless another instance inherits the place.
    pub fn withdraw<C: Component>(&self, cx: &RunContext<C>) {
        if !cx.is_inherited() {
            self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&cx.id().to_string());
        }
    }

    /// The component whose metrics are at this path, if there is one.
    pub fn find(&self, path: &str) -> Option<Arc<dyn Expose>> {
        let id = path.strip_prefix(PREFIX)?.strip_suffix("/metrics")?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id)?.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Expose for Fixed {
        fn expose(&self, _: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
            Box::pin(async { Ok(Exposition::text("up 1\n")) })
        }
    }

    #[test]
    fn a_path_leads_to_the_component() {
        let routes = Routes::default();
        let id = NodeId::root("prometheus.exporter.unix.host");
        routes.offer(&id, Handle::to(Arc::new(Fixed)));
        assert!(routes.find(&path(&id)).is_some());
        assert!(routes.find("/api/v0/component/prometheus.exporter.unix.other/metrics").is_none());
        assert!(routes.find("/metrics").is_none());
    }
}
