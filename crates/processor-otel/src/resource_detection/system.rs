//! The detector `system`: the machine's name, operating system, processor and network.

use corten_proto::otlp::common::{AnyValue, ArrayValue, KeyValue, any_value::Value};

use super::arguments::{AttributeToggle, SystemArguments};
use super::host::{self, Host};

/// The attributes that are enabled and known. May block in the resolver.
///
/// # Errors
/// No source knows the host's name.
pub(super) fn detect(args: &SystemArguments, host: &Host) -> Result<Vec<KeyValue>, String> {
    let wanted = &args.resource_attributes;
    let mut found = Found::default();
    if wanted.host_name.enabled {
        found.text(wanted.host_name, "host.name", Some(host_name(&args.hostname_sources, host)?));
    }
    found.text(wanted.os_type, "os.type", Some(std::env::consts::OS.to_owned()));
    found.text(wanted.host_arch, "host.arch", Some(host::arch().to_owned()));
    found.text(wanted.host_id, "host.id", host.id());
    found.text(wanted.os_description, "os.description", host.os_description());
    found.text(wanted.os_name, "os.name", host.os_release("ID"));
    found.text(wanted.os_version, "os.version", host.os_release("VERSION_ID"));
    found.text(wanted.os_build_id, "os.build.id", host.os_release("BUILD_ID"));
    let cpu = host.cpu();
    found.text(wanted.host_cpu_vendor_id, "host.cpu.vendor.id", cpu.vendor_id);
    found.text(wanted.host_cpu_family, "host.cpu.family", cpu.family);
    found.text(wanted.host_cpu_model_id, "host.cpu.model.id", cpu.model_id);
    found.text(wanted.host_cpu_model_name, "host.cpu.model.name", cpu.model_name);
    found.text(wanted.host_cpu_stepping, "host.cpu.stepping", cpu.stepping);
    found.put(wanted.host_cpu_cache_l2_size, "host.cpu.cache.l2.size", cpu.cache_size.map(Value::IntValue));
    if wanted.host_ip.enabled || wanted.host_mac.enabled || wanted.host_interface.enabled {
        let interfaces = host::interfaces();
        let addresses = interfaces.addresses.iter().map(ToString::to_string).collect();
        found.list(wanted.host_ip, "host.ip", addresses);
        found.list(wanted.host_mac, "host.mac", interfaces.macs);
        found.list(wanted.host_interface, "host.interface", interfaces.names);
    }
    Ok(found.0)
}

fn host_name(sources: &[String], host: &Host) -> Result<String, String> {
    let mut why = Vec::new();
    for source in sources {
        let name = match source.as_str() {
            "dns" => host.fully_qualified_name(),
            "cname" => host::os_hostname().and_then(|name| host::canonical_name(&name)),
            "lookup" => host::os_hostname().and_then(|name| host::reverse_lookup(&name)),
            _ => host::os_hostname(),
        };
        match name {
            Ok(name) => return Ok(name),
            Err(error) => why.push(format!("{source}: {error}")),
        }
    }
    Err(format!("no hostname source knows the host's name: {}", why.join("; ")))
}

#[derive(Default)]
struct Found(Vec<KeyValue>);

impl Found {
    fn put(&mut self, wanted: AttributeToggle, key: &str, value: Option<Value>) {
        if let Some(value) = value.filter(|_| wanted.enabled) {
            let value = Some(AnyValue { value: Some(value) });
            self.0.push(KeyValue { key: key.to_owned(), value, key_strindex: 0 });
        }
    }

    fn text(&mut self, wanted: AttributeToggle, key: &str, text: Option<String>) {
        self.put(wanted, key, text.map(Value::StringValue));
    }

    fn list(&mut self, wanted: AttributeToggle, key: &str, texts: Vec<String>) {
        let values: Vec<AnyValue> =
            texts.into_iter().map(|text| AnyValue { value: Some(Value::StringValue(text)) }).collect();
        self.put(wanted, key, (!values.is_empty()).then_some(Value::ArrayValue(ArrayValue { values })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, text};

    #[test]
    fn defaults_are_name_and_type() {
        let args = SystemArguments { hostname_sources: vec!["os".into()], ..SystemArguments::default() };
        let found = detect(&args, &Host::at("/")).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(get(&found, "host.name"), Some(&text(&host::os_hostname().unwrap())));
        assert_eq!(get(&found, "os.type"), Some(&text("linux")));
    }

    #[test]
    fn what_is_switched_off_is_left_out() {
        let mut args = SystemArguments { hostname_sources: vec!["os".into()], ..SystemArguments::default() };
        args.resource_attributes.host_name.enabled = false;
        args.resource_attributes.host_arch.enabled = true;
        let found = detect(&args, &Host::at("/")).unwrap();
        assert!(get(&found, "host.name").is_none() && get(&found, "host.arch").is_some());
    }
}
