//! What is known of services and of the machine: metrics that are always 1 and say something by their labels.

use std::sync::Arc;

use super::{Measures, SOURCE};
use crate::telemetry::service::{SDK, Service};

/// Labels of `target_info`, in OpenTelemetry's names.
type Labels = Vec<(String, String)>;

impl Measures {
    /// The services that are observed, each once.
    pub(super) fn services(&self) -> Vec<&Arc<Service>> {
        distinct(self.processes[0].values().chain(self.series.keys().map(|key| &key.service)))
    }

    /// The services that are only surveyed.
    pub(super) fn surveyed(&self) -> Vec<&Arc<Service>> {
        distinct(self.processes[1].values())
    }

    /// What `target_info` says of a service: Beyla's labels, and those that the file asks for.
    pub(super) fn target_labels(&self, service: &Service) -> Labels {
        let job = service.job();
        let own = [
            ("host.id", self.settings.host_id.as_str()),
            ("host.name", &service.host),
            ("service.name", &service.name),
            ("service.namespace", &service.namespace),
            ("instance", &service.instance),
            ("job", &job),
            ("telemetry.sdk.language", service.language()),
            ("telemetry.sdk.name", SDK),
            ("telemetry.distro.name", SDK),
            ("telemetry.distro.version", env!("CARGO_PKG_VERSION")),
            ("source", SOURCE),
            ("os.type", "linux"),
            ("container.id", service.attribute("container.id")),
            ("container.name", service.attribute("container.name")),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let extra = self.settings.resource_labels.iter();
        let extra = extra.map(|name| (name.clone(), service.attribute(name).to_owned()));
        let mut labels = Labels::new();
        for (name, value) in own.chain(extra) {
            let is_known = labels.iter().any(|(known, _)| *known == name);
            if !is_known && !value.is_empty() && self.settings.select.has_resource(&name) {
                labels.push((name, value));
            }
        }
        labels
    }

    /// What it says of the program itself, for each language that is observed.
    pub(super) fn build_labels(&self) -> Vec<Labels> {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let mut languages: Vec<&str> = self.services().iter().map(|service| service.language()).collect();
        languages.sort_unstable();
        languages.dedup();
        let labels = |language: &str| {
            let pairs = [
                ("goarch", architecture),
                ("goos", "linux"),
                ("target_lang", language),
                ("version", env!("CARGO_PKG_VERSION")),
            ];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
        };
        languages.into_iter().map(labels).collect()
    }
}

fn distinct<'a>(services: impl Iterator<Item = &'a Arc<Service>>) -> Vec<&'a Arc<Service>> {
    let mut all: Vec<&Arc<Service>> = services.collect();
    all.sort_by(|a, b| (a.job(), &a.instance, &a.attributes).cmp(&(b.job(), &b.instance, &b.attributes)));
    all.dedup();
    all
}
