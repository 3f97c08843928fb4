//! What is said of a service.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::{Arguments, Invalid};

use crate::telemetry::Select;

/// `attributes`
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct AttributesArguments {
    /// What Kubernetes knows (not implemented).
    #[arg(block)]
    pub kubernetes: Option<KubernetesArguments>,
    /// `service.instance.id`
    #[arg(block)]
    pub instance_id: InstanceIdArguments,
    /// Which attributes are told, by metric, of `traces` and of the `resource`.
    #[arg(block)]
    pub select: Vec<SelectArguments>,
    /// `host.id`
    #[arg(block)]
    pub host_id: HostIdArguments,
    /// Accepted and without effect.
    #[arg(block)]
    pub metadata_retry: RetryArguments,
    /// How many names spans of a service may have in span metrics; the rest are counted as `AGGREGATED`.
    pub metric_span_names_limit: u32,
    /// Accepted and without effect.
    pub rename_unresolved_hosts: String,
    /// Accepted and without effect.
    pub rename_unresolved_hosts_incoming: String,
    /// Accepted and without effect.
    pub rename_unresolved_hosts_outgoing: String,
}

/// `attributes` > `instance_id`
#[derive(Debug, Clone, PartialEq, Eq, Arguments)]
pub struct InstanceIdArguments {
    /// Accepted and without effect: the machine's own name is taken.
    pub dns: bool,
    /// The machine's name.
    pub override_hostname: String,
}

impl Default for InstanceIdArguments {
    fn default() -> Self {
        Self { dns: true, override_hostname: String::new() }
    }
}

/// `attributes` > `select`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct SelectArguments {
    /// The metric in OpenTelemetry's or Prometheus's name, or a glob of metrics; `traces`; `resource`.
    #[arg(required)]
    pub attr: String,
    /// Globs of attributes that are told, in place of those that are told by default.
    pub include: Vec<String>,
    /// Globs of attributes that are not.
    pub exclude: Vec<String>,
}

impl Default for AttributesArguments {
    fn default() -> Self {
        Self {
            kubernetes: None,
            instance_id: InstanceIdArguments::default(),
            select: Vec::new(),
            host_id: HostIdArguments::default(),
            metadata_retry: RetryArguments::default(),
            metric_span_names_limit: 100,
            rename_unresolved_hosts: String::new(),
            rename_unresolved_hosts_incoming: String::new(),
            rename_unresolved_hosts_outgoing: String::new(),
        }
    }
}

impl AttributesArguments {
    fn validate(&self) -> Result<(), Invalid> {
        self.selection().map(drop).map_err(|why| Invalid::at("select", why))
    }

    /// Which attributes are told.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn selection(&self) -> Result<Select, String> {
        let mut select = Select::default();
        self.select.iter().try_for_each(|rule| select.add(&rule.attr, &rule.include, &rule.exclude))?;
        Ok(select)
    }
}

/// `attributes` > `host_id`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct HostIdArguments {
    /// The id, in place of that of `/etc/machine-id`.
    #[arg(name = "override")]
    pub overridden: String,
}

/// `attributes` > `metadata_retry`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct RetryArguments {
    /// Accepted and without effect.
    pub timeout: Duration,
    /// Accepted and without effect.
    pub start_interval: Duration,
    /// Accepted and without effect.
    pub max_interval: Duration,
}

/// `attributes` > `kubernetes`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct KubernetesArguments {
    /// Whether to ask: `true`, `false`, `autodetect`. Nobody is asked.
    #[arg(required)]
    pub enable: String,
    /// Not implemented.
    pub cluster_name: String,
    /// Not implemented.
    pub informers_sync_timeout: Duration,
    /// Not implemented.
    pub informers_resync_period: Duration,
    /// Not implemented.
    pub disable_informers: Vec<String>,
    /// Not implemented.
    pub meta_restrict_local_node: bool,
    /// Not implemented.
    pub meta_cache_address: String,
    /// Not implemented.
    pub reconnect_initial_interval: Duration,
    /// Not implemented.
    pub drop_external: bool,
    /// Not implemented.
    pub kubeconfig_path: String,
    /// Not implemented.
    pub resource_labels: BTreeMap<String, Vec<String>>,
    /// Not implemented.
    pub service_name_template: String,
}
