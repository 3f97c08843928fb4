//! The one list of all components. A component is one line here and one feature in `Cargo.toml`.

use corten_component::{Registration, Registry, RegistryError};

const CRATES: &[&[Registration]] = &[
    #[cfg(feature = "receiver-otlp")]
    corten_receiver_otlp::COMPONENTS,
    #[cfg(feature = "processor-batch")]
    corten_processor_batch::COMPONENTS,
    #[cfg(feature = "exporter-debug")]
    corten_exporter_debug::COMPONENTS,
    #[cfg(feature = "exporter-otlphttp")]
    corten_exporter_otlphttp::COMPONENTS,
    #[cfg(feature = "exporter-otlp")]
    corten_exporter_otlp::COMPONENTS,
    #[cfg(feature = "extension")]
    corten_extension::COMPONENTS,
    #[cfg(feature = "processor-otel")]
    corten_processor_otel::COMPONENTS,
    #[cfg(feature = "exporter-prometheus")]
    corten_exporter_prometheus::COMPONENTS,
    #[cfg(feature = "connector")]
    corten_connector::COMPONENTS,
    #[cfg(feature = "discovery")]
    corten_discovery::COMPONENTS,
    #[cfg(feature = "source-scrape")]
    corten_source_scrape::COMPONENTS,
    #[cfg(feature = "processor-relabel")]
    corten_processor_relabel::COMPONENTS,
    #[cfg(feature = "source-node")]
    corten_source_node::COMPONENTS,
    #[cfg(feature = "ebpf")]
    corten_ebpf_beyla::COMPONENTS,
];

/// All components that this build knows.
///
/// # Errors
/// If two components cannot be told apart by name, which is a mistake in this list.
pub fn registry() -> Result<Registry, RegistryError> {
    CRATES.iter().try_fold(Registry::new(), |registry, components| registry.with(components))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_components_share_a_name() {
        super::registry().expect("a registry");
    }
}
