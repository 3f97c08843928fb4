//! A component's metrics at an address of their own, besides `/api/v0/component/ID/metrics`.

use std::sync::Arc;

use corten_component::{BoxFuture, NodeId};
use corten_net::Address;
use corten_net::server::{Installed, Listener, Serving};
use corten_signal::exposition::{self, Expose, Exposition, Routes, ScrapeRequest};

use crate::http::ExporterSite;

/// Where a component's metrics are found besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The address.
    pub listen: String,
    /// The path, `/metrics`.
    pub path: String,
    /// The component's id.
    pub component: &'static str,
    /// What its metrics are of.
    pub about: &'static str,
}

/// Asks whichever instance of the component runs.
struct Forwarded {
    routes: Arc<Routes>,
    path: String,
}

impl Expose for Forwarded {
    fn expose(&self, request: ScrapeRequest) -> BoxFuture<'_, Result<Exposition, String>> {
        Box::pin(async move {
            match self.routes.find(&self.path) {
                Some(exposed) => exposed.expose(request).await,
                None => Err("the component does not run".to_owned()),
            }
        })
    }
}

/// While it is held, the metrics are served.
pub(super) struct Served {
    _installed: Installed,
    // Dropped last: without it nobody could come in.
    _listener: Listener,
}

impl Extra {
    /// Serves the metrics until what is returned is dropped.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub(super) async fn serve(&self, routes: Arc<Routes>) -> Result<Served, String> {
        let address = Address::parse(&self.listen).map_err(|error| error.to_string())?;
        let listener = Listener::bind(&address).map_err(|error| error.to_string())?;
        let address = listener.local_addr().clone();
        if !address.is_local() {
            tracing::warn!(addr = %address, "the metrics can be read by other machines");
        }
        let forwarded = Forwarded { routes, path: exposition::path(&NodeId::root(self.component)) };
        let site = ExporterSite::new(self.about, Arc::new(forwarded), address.is_local()).at(&self.path);
        let installed = listener.install(&NodeId::root("metrics"), Serving::new(Arc::new(site))).await;
        let installed = installed.map_err(|error| error.to_string())?;
        tracing::info!(addr = %address, path = self.path, about = self.about, "metrics can be scraped");
        Ok(Served { _installed: installed, _listener: listener })
    }
}
