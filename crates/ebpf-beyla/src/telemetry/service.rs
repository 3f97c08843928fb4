//! Whose exchange it was.

use corten_proto::otlp::common::KeyValue;
use corten_proto::otlp::resource::Resource;

use super::{Select, text};

/// `telemetry.sdk.name`.
pub const SDK: &str = "corten";

/// A service: what its resource says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// `service.namespace`; may be empty.
    pub namespace: String,
    /// `service.instance.id`.
    pub instance: String,
    /// `telemetry.sdk.language`, as far as it is known (`python`, `go`).
    pub language: &'static str,
    /// `host.name`.
    pub host: String,
    /// `host.id`.
    pub host_id: String,
    /// Everything else, such as `process.pid`, `container.id` and what the process says of itself.
    pub attributes: Vec<(String, String)>,
}

impl Service {
    /// The resource, as far as it is told.
    pub fn resource(&self, select: &Select) -> Resource {
        let own = [
            ("service.name", self.name.as_str()),
            ("service.namespace", &self.namespace),
            ("service.instance.id", &self.instance),
            ("telemetry.sdk.language", self.language),
            ("telemetry.sdk.name", SDK),
            ("telemetry.distro.name", SDK),
            ("host.name", &self.host),
            ("host.id", &self.host_id),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        let mut attributes: Vec<KeyValue> = own.map(|(key, value)| text(key, value)).collect();
        for (key, value) in &self.attributes {
            if attributes.iter().all(|known| known.key != *key) {
                attributes.push(text(key, value.as_str()));
            }
        }
        attributes.retain(|attribute| select.has_resource(&attribute.key));
        Resource { attributes, ..Resource::default() }
    }

    /// What is known of it under a name; empty if that is nothing.
    pub fn attribute(&self, name: &str) -> &str {
        // Labels of Prometheus have underscores for dots, and so may what a file names.
        let same = |known: &str| known.len() == name.len() && known.replace('_', ".") == name.replace('_', ".");
        self.attributes.iter().find(|(known, _)| known == name || same(known)).map_or("", |(_, value)| value)
    }

    /// The language, as metrics have it.
    pub fn language(&self) -> &'static str {
        if self.language.is_empty() { "generic" } else { self.language }
    }

    /// `job` of Prometheus: the name, after the namespace if there is one.
    pub fn job(&self) -> String {
        match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_says_of_itself_does_not_replace_its_name() {
        let service = Service {
            name: "shop".to_owned(),
            attributes: vec![("service.name".to_owned(), "other".to_owned()), ("a".to_owned(), "b".to_owned())],
            ..Service::default()
        };
        let keys: Vec<_> = service.resource(&Select::default()).attributes.into_iter().map(|a| a.key).collect();
        assert_eq!(keys, ["service.name", "telemetry.sdk.name", "telemetry.distro.name", "a"]);
        assert_eq!(service.job(), "shop");
        assert_eq!(Service { namespace: "eu".to_owned(), ..service }.job(), "eu/shop");
    }
}
