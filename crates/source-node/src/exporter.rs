//! What all exporters share: the target that they export, being found by who scrapes it, and gathering that may block.

use std::sync::Arc;

use corten_component::{BoxFuture, Component, Exports, Handle, NodeId, RunContext};
use corten_signal::exposition::{Expose, Exposition, Routes, ScrapeRequest, build_labels, host_name, target};
use corten_signal::targets::Targets;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::families::{Families, render};

/// What an exporter exports.
#[derive(Exports)]
pub struct ExporterExports {
    /// One target: where `prometheus.scrape` finds the metrics.
    pub targets: Targets,
}

impl ExporterExports {
    /// For the component of this name and node.
    pub fn new(component: &str, id: &NodeId) -> Self {
        let job = format!("integrations/{}", component.rsplit('.').next().unwrap_or_default());
        Self { targets: target(component, id, &job, &host_name()) }
    }
}

/// Answers scrapers until the instance ends.
pub async fn serve<C: Component>(cx: &RunContext<C>, exposed: &Handle<dyn Expose>) {
    let routes = cx.service::<Routes>();
    if let Some(routes) = &routes {
        routes.offer(cx.id(), exposed.clone());
    }
    cx.stopping().await;
    if let Some(routes) = &routes {
        routes.withdraw(cx);
    }
}

/// Adds `NAME_build_info`, by which dashboards of that exporter find its targets.
pub fn build_info(out: &mut Families, exporter: &str) {
    let labels = build_labels(env!("CARGO_PKG_VERSION"), "");
    out.gauge(&format!("{exporter}_build_info"), "What was built; always 1.", &labels, 1);
}

/// Something that is looked at when somebody scrapes; looking may block.
pub(crate) trait Gather: Send + 'static {
    /// What is to be seen now, or why there is nothing.
    fn gather(&mut self) -> Result<Families, String>;
}

/// Exposes what blocks: off the loop, one at a time. A look that does not come back costs each scrape its time, and
/// one thread.
pub(crate) struct Blocking<G>(Arc<Mutex<G>>);

impl<G: Gather> Blocking<G> {
    pub(crate) fn new(gather: G) -> Self {
        Self(Arc::new(Mutex::new(gather)))
    }
}

impl<G: Gather> Expose for Blocking<G> {
    fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        let gather = Arc::clone(&self.0);
        Box::pin(async move {
            let look = async move {
                let mut held = gather.lock_owned().await;
                tokio::task::spawn_blocking(move || held.gather().map(|found| render(&mut [found]))).await
            };
            match timeout(patience(&request), look).await {
                Ok(Ok(text)) => Ok(Exposition::text(text?)),
                Ok(Err(error)) => Err(format!("gathering has failed: {error}")),
                Err(_) => Err("gathering has not come back in time".to_owned()),
            }
        })
    }
}

/// What a scrape may take so that its answer still reaches the scraper.
pub(crate) fn patience(request: &ScrapeRequest) -> std::time::Duration {
    request.timeout.mul_f32(0.9)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_target_tells_the_machine_and_the_kind_of_exporter() {
        let exports = ExporterExports::new("prometheus.exporter.nixos", &NodeId::root("prometheus.exporter.nixos.x"));
        let target = exports.targets.iter().next().unwrap();
        assert_eq!(target.get("job"), Some("integrations/nixos"));
        assert_eq!(target.get("instance"), Some(&*host_name()));
    }

    /// Looks when it is told to go on; without anybody to tell it, at once.
    struct Waits(Receiver<()>);

    impl Gather for Waits {
        fn gather(&mut self) -> Result<Families, String> {
            let _ = self.0.recv();
            let mut found = Families::new();
            found.gauge("seen", "Test.", &[], 1);
            Ok(found)
        }
    }

    #[tokio::test]
    async fn a_look_that_hangs_costs_its_deadline_and_the_next_answers_when_it_is_back() {
        let (release, wait) = channel();
        let blocking = Blocking::new(Waits(wait));
        let request = |millis| ScrapeRequest { params: Vec::new(), timeout: Duration::from_millis(millis) };
        for _ in 0..3 {
            assert!(blocking.expose(request(20)).await.unwrap_err().contains("in time"));
        }
        drop(release);
        let body = blocking.expose(request(60_000)).await.unwrap().body;
        assert!(body.ends_with(b"seen 1\n"), "{body:?}");
    }
}
