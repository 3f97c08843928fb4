//! `prometheus.exporter.self`: the process's own metrics.

use std::sync::Arc;

use corten_component::metrics::Registry;
use corten_component::{Arguments, BoxFuture, BuildContext, BuildError, Component, Handle, RunContext, RunError};
use corten_signal::exposition::{Expose, Exposition, ScrapeRequest};

use crate::exporter::{ExporterExports, serve};

/// The arguments of `prometheus.exporter.self`: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct OwnArguments {}

/// `prometheus.exporter.self`.
pub struct Own {
    exposed: Handle<dyn Expose>,
}

impl Component for Own {
    const NAME: &'static str = "prometheus.exporter.self";
    const DOC: &'static str = "Exposes Corten's own metrics: what its components count, and what the process uses.\n\n\
        They are the same that its HTTP server shows at /metrics.";
    type Arguments = OwnArguments;
    type Exports = ExporterExports;
    type Carry = ();

    async fn build(_: Arc<Self::Arguments>, cx: &mut BuildContext<'_>) -> Result<(Self, Self::Exports), BuildError> {
        let Some(registry) = cx.service::<Registry>() else {
            return Err(BuildError::new("this host does not offer its metrics (a service of type Registry)"));
        };
        let exposed = cx.handle("metrics", Arc::new(Metrics(registry)) as Arc<dyn Expose>);
        Ok((Self { exposed }, ExporterExports::new(Self::NAME, cx.id())))
    }

    async fn run(self, carry: (), cx: RunContext<Self>) -> ((), Result<(), RunError>) {
        serve(&cx, &self.exposed).await;
        (carry, Ok(()))
    }
}

struct Metrics(Arc<Registry>);

impl Expose for Metrics {
    fn expose(&self, _: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        Box::pin(async { Ok(Exposition::text(self.0.render())) })
    }
}
