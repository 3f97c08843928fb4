//! Whose exchange it was.

use corten_proto::otlp::common::KeyValue;
use corten_proto::otlp::resource::Resource;

use super::text;

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
    /// Everything else, such as `process.pid`, `container.id` and what the process says of itself.
    pub attributes: Vec<(String, String)>,
}

impl Service {
    /// The resource.
    pub fn resource(&self) -> Resource {
        let own = [
            ("service.name", self.name.as_str()),
            ("service.namespace", &self.namespace),
            ("service.instance.id", &self.instance),
            ("telemetry.sdk.language", self.language),
            ("telemetry.sdk.name", "corten"),
            ("telemetry.distro.name", "corten"),
            ("host.name", &self.host),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        let mut attributes: Vec<KeyValue> = own.map(|(key, value)| text(key, value)).collect();
        for (key, value) in &self.attributes {
            if attributes.iter().all(|known| known.key != *key) {
                attributes.push(text(key, value.as_str()));
            }
        }
        Resource { attributes, ..Resource::default() }
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
        let keys: Vec<_> = service.resource().attributes.into_iter().map(|a| a.key).collect();
        assert_eq!(keys, ["service.name", "telemetry.sdk.name", "telemetry.distro.name", "a"]);
        assert_eq!(service.job(), "shop");
        assert_eq!(Service { namespace: "eu".to_owned(), ..service }.job(), "eu/shop");
    }
}
