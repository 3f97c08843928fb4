//! What is said of a service.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::Arguments;

/// `attributes`
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct AttributesArguments {
    /// What Kubernetes knows (not implemented).
    #[arg(block)]
    pub kubernetes: Option<KubernetesArguments>,
    /// `service.instance.id`
    #[arg(block)]
    pub instance_id: InstanceIdArguments,
    /// Which attributes are told, by metric; only `url.query` of `traces` can be chosen.
    #[arg(block)]
    pub select: Vec<SelectArguments>,
    /// `host.id` (not implemented)
    #[arg(block)]
    pub host_id: HostIdArguments,
    /// Accepted and without effect.
    #[arg(block)]
    pub metadata_retry: RetryArguments,
    /// Accepted and without effect.
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
    /// The metric, or `traces`; `*` is all.
    #[arg(required)]
    pub attr: String,
    /// Globs of attributes that are told.
    pub include: Vec<String>,
    /// Globs of attributes that are not.
    pub exclude: Vec<String>,
}

impl AttributesArguments {
    /// Whether an attribute that is not told by default is wanted of a metric, or of `traces`.
    pub fn wants(&self, section: &str, attribute: &str) -> bool {
        let listed = |globs: &[String]| {
            globs.iter().any(|glob| {
                crate::discover::Pattern::glob(&glob.replace('_', "."))
                    .is_ok_and(|glob| glob.matches(&attribute.replace('_', ".")))
            })
        };
        let same = |known: &str| known == "*" || known.replace('_', ".") == section.replace('_', ".");
        self.select.iter().any(|rule| same(&rule.attr) && listed(&rule.include) && !listed(&rule.exclude))
    }
}

/// `attributes` > `host_id`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct HostIdArguments {
    /// The machine's id: accepted and without effect.
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
