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

use crate::labels::Labels;
use crate::targets::Targets;

/// The address of targets inside the process. Alloy's name for it, since files have rules that match it.
pub const ADDRESS: &str = "alloy.internal:12345";

/// The content type of the text format.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The path below which a component's metrics are.
pub fn path(id: &NodeId) -> String {
    format!("{PREFIX}{id}/metrics")
}

const PREFIX: &str = "/api/v0/component/";

/// The target under which a component of this name offers its metrics, with these labels `job` and `instance`.
pub fn target(component: &str, id: &NodeId, job: &str, instance: &str) -> Targets {
    Targets::new([Labels::from_pairs([
        ("__address__", ADDRESS),
        ("__scheme__", "http"),
        ("__metrics_path__", &path(id)),
        ("__meta_component_name", component),
        ("__meta_component_id", &id.to_string()),
        ("job", job),
        ("instance", instance),
    ])])
}

/// The machine's name; the environment's `HOSTNAME` counts more than the system's.
pub fn host_name() -> String {
    let from_environment = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    from_environment.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// The labels of a metric that says what was built, named as those of programs in Go, whose dashboards ask for them.
pub fn build_labels<'a>(version: &'a str, revision: &'a str) -> [(&'static str, &'a str); 7] {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    [
        ("branch", ""),
        ("goarch", arch),
        ("goos", std::env::consts::OS),
        ("goversion", ""),
        ("revision", revision),
        ("tags", ""),
        ("version", version),
    ]
}

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
    fn a_target_is_named_as_scrapers_expect() {
        let id = NodeId::root("prometheus.exporter.nixos.host");
        let targets = target("prometheus.exporter.nixos", &id, "integrations/nixos", "there");
        let target = targets.iter().next().unwrap();
        for (name, value) in [
            ("__address__", ADDRESS),
            ("__metrics_path__", "/api/v0/component/prometheus.exporter.nixos.host/metrics"),
            ("__meta_component_name", "prometheus.exporter.nixos"),
            ("__meta_component_id", "prometheus.exporter.nixos.host"),
            ("job", "integrations/nixos"),
            ("instance", "there"),
        ] {
            assert_eq!(target.get(name), Some(value));
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
