//! What the user writes.

use std::time::Duration;

use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;
use corten_signal::otlp::OutputArguments;

use crate::spanmetrics::usual_buckets;

/// The arguments of `otelcol.connector.servicegraph`.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct ServiceGraphArguments {
    /// The upper bounds of the buckets that latencies are counted in, rising.
    pub latency_histogram_buckets: Vec<Duration>,
    /// Attributes of resources or spans that series are told apart by, as `client_<name>` and `server_<name>`.
    pub dimensions: Vec<String>,
    /// How often it is looked for series that counted nothing for 15 minutes, to forget them.
    pub cache_loop: Duration,
    /// How often it is looked for requests of which the other end did not come in time.
    pub store_expiration_loop: Duration,
    /// Attributes of a client's span that name the other end where it sends no spans, the foremost first. Without
    /// any, such requests are not counted.
    pub virtual_node_peer_attributes: Vec<String>,
    /// Whether series say in `virtual_node` which end was made up.
    pub virtual_node_extra_label: bool,
    /// How often metrics are sent; `"0s"` means after every request with spans.
    pub metrics_flush_interval: Duration,
    /// Attributes that name the database that a client's span asked, the foremost first.
    pub database_name_attributes: Vec<String>,
    /// Instead of given buckets, at most so many that find their own bounds. 0 is off.
    pub exponential_histogram_max_size: i32,
    /// Where requests wait for their other end.
    #[arg(block)]
    pub store: StoreArguments,
    /// Where metrics go.
    #[arg(block, required)]
    pub output: OutputArguments,
    /// Which self-metrics are shown.
    #[arg(block)]
    pub debug_metrics: DebugMetrics,
}

impl Default for ServiceGraphArguments {
    fn default() -> Self {
        Self {
            latency_histogram_buckets: usual_buckets(),
            dimensions: Vec::new(),
            cache_loop: Duration::from_secs(60),
            store_expiration_loop: Duration::from_secs(2),
            virtual_node_peer_attributes: ["peer.service", "db.name", "db.system"].map(str::to_owned).to_vec(),
            virtual_node_extra_label: false,
            metrics_flush_interval: Duration::from_secs(60),
            database_name_attributes: vec!["db.name".to_owned()],
            exponential_histogram_max_size: 0,
            store: StoreArguments::default(),
            output: OutputArguments::default(),
            debug_metrics: DebugMetrics::default(),
        }
    }
}

/// Where requests wait for their other end.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct StoreArguments {
    /// How many requests wait at most; spans of further ones are not counted.
    pub max_items: i64,
    /// How long they wait.
    pub ttl: Duration,
}

impl Default for StoreArguments {
    fn default() -> Self {
        Self { max_items: 1000, ttl: Duration::from_secs(2) }
    }
}

impl ServiceGraphArguments {
    fn validate(&self) -> Result<(), Invalid> {
        let positive = [
            ("cache_loop", self.cache_loop.is_zero()),
            ("store_expiration_loop", self.store_expiration_loop.is_zero()),
            ("store.max_items", self.store.max_items <= 0),
            ("store.ttl", self.store.ttl.is_zero()),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, wrong)| *wrong) {
            return Err(Invalid::at(name, format!("{name} must be greater than 0")));
        }
        if self.exponential_histogram_max_size < 0 {
            let message = "`exponential_histogram_max_size` can not be negative";
            return Err(Invalid::at("exponential_histogram_max_size", message));
        }
        Ok(())
    }

    /// Whether what was counted under these arguments may go on under others.
    pub(crate) fn series_go_on_under(&self, other: &Self) -> bool {
        let series = |args: &Self| Self {
            cache_loop: Duration::ZERO,
            store_expiration_loop: Duration::ZERO,
            metrics_flush_interval: Duration::ZERO,
            store: StoreArguments::default(),
            output: OutputArguments::default(),
            debug_metrics: DebugMetrics::default(),
            ..args.clone()
        };
        series(self) == series(other) && self.output.kinds() == other.output.kinds()
    }
}
