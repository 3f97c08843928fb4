//! What the user writes.

use std::time::Duration;

use corten_component::arguments::Unread;
use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;
use corten_syntax::nearest;

use crate::OutputArguments;

/// The detectors that Corten has.
pub(super) const DETECTORS: [&str; 2] = ["env", "system"];

/// Whether an attribute is added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Arguments)]
pub struct AttributeToggle {
    /// Whether it is.
    #[arg(required)]
    pub enabled: bool,
}

impl AttributeToggle {
    const ON: Self = Self { enabled: true };
}

/// The attributes of the system detector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Arguments)]
pub struct SystemAttributes {
    /// The architecture: amd64, arm64.
    #[arg(block, name = "host.arch")]
    pub host_arch: AttributeToggle,
    /// The second-level cache of a processor, in bytes.
    #[arg(block, name = "host.cpu.cache.l2.size")]
    pub host_cpu_cache_l2_size: AttributeToggle,
    /// The processor's family.
    #[arg(block, name = "host.cpu.family")]
    pub host_cpu_family: AttributeToggle,
    /// The processor's model, a number.
    #[arg(block, name = "host.cpu.model.id")]
    pub host_cpu_model_id: AttributeToggle,
    /// The processor's name.
    #[arg(block, name = "host.cpu.model.name")]
    pub host_cpu_model_name: AttributeToggle,
    /// The processor's stepping.
    #[arg(block, name = "host.cpu.stepping")]
    pub host_cpu_stepping: AttributeToggle,
    /// The processor's maker.
    #[arg(block, name = "host.cpu.vendor.id")]
    pub host_cpu_vendor_id: AttributeToggle,
    /// The machine's ID.
    #[arg(block, name = "host.id")]
    pub host_id: AttributeToggle,
    /// The names of the network interfaces.
    #[arg(block, name = "host.interface")]
    pub host_interface: AttributeToggle,
    /// The addresses of the machine, loopback left out.
    #[arg(block, name = "host.ip")]
    pub host_ip: AttributeToggle,
    /// The hardware addresses of the machine.
    #[arg(block, name = "host.mac")]
    pub host_mac: AttributeToggle,
    /// The machine's name.
    #[arg(block, name = "host.name")]
    pub host_name: AttributeToggle,
    /// The build of the operating system.
    #[arg(block, name = "os.build.id")]
    pub os_build_id: AttributeToggle,
    /// The operating system in words.
    #[arg(block, name = "os.description")]
    pub os_description: AttributeToggle,
    /// The operating system's name.
    #[arg(block, name = "os.name")]
    pub os_name: AttributeToggle,
    /// The kind of operating system: linux.
    #[arg(block, name = "os.type")]
    pub os_type: AttributeToggle,
    /// The version of the operating system.
    #[arg(block, name = "os.version")]
    pub os_version: AttributeToggle,
}

/// The system detector.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct SystemArguments {
    /// Where the host's name comes from; the first that knows it: os, dns, cname, lookup.
    pub hostname_sources: Vec<String>,
    /// Which attributes are added.
    #[arg(block)]
    pub resource_attributes: SystemAttributes,
}

impl Default for SystemArguments {
    fn default() -> Self {
        let on = AttributeToggle::ON;
        Self {
            hostname_sources: vec!["dns".into(), "os".into()],
            resource_attributes: SystemAttributes { host_name: on, os_type: on, ..SystemAttributes::default() },
        }
    }
}

const HOSTNAME_SOURCES: [&str; 4] = ["os", "dns", "cname", "lookup"];

impl SystemArguments {
    fn validate(&self) -> Result<(), Invalid> {
        match self.hostname_sources.iter().find(|source| !HOSTNAME_SOURCES.contains(&source.as_str())) {
            None => Ok(()),
            Some(source) => {
                let help = format!("expected {}", HOSTNAME_SOURCES.join(", "));
                Err(Invalid::at("hostname_sources", format!("invalid hostname source: {source:?}")).with_help(help))
            }
        }
    }
}

macro_rules! arguments {
    ($($field:ident = $text:literal),* $(,)?) => {
        /// The arguments of `otelcol.processor.resourcedetection`.
        #[derive(Debug, Clone, PartialEq, Arguments)]
        #[arguments(validate)]
        pub struct ResourceDetectionArguments {
            /// The detectors in order: of two that know an attribute the earlier wins. Corten has env and system.
            pub detectors: Vec<String>,
            /// Whether what was detected replaces what the data carries already.
            pub r#override: bool,
            /// How long detection may take; data waits meanwhile.
            pub timeout: Duration,
            /// Whether a detector that fails stops the component; otherwise it is logged and left out.
            pub fail_on_missing_metadata: bool,
            /// The system detector.
            #[arg(block)]
            pub system: SystemArguments,
            $(
                /// A detector that Corten does not have: selecting it is an error.
                #[arg(block, name = $text)]
                pub $field: Unread,
            )*
            /// Where data goes.
            #[arg(block, required)]
            pub output: OutputArguments,
            /// Which self-metrics are shown.
            #[arg(block)]
            pub debug_metrics: DebugMetrics,
        }

        impl Default for ResourceDetectionArguments {
            fn default() -> Self {
                Self {
                    detectors: vec!["env".into()],
                    r#override: true,
                    timeout: Duration::from_secs(5),
                    fail_on_missing_metadata: false,
                    system: SystemArguments::default(),
                    $($field: Unread,)*
                    output: OutputArguments::default(),
                    debug_metrics: DebugMetrics::default(),
                }
            }
        }

        /// The detectors that Alloy has and Corten has not.
        const OTHERS: &[&str] = &[$($text),*];
    };
}

arguments!(
    akamai = "akamai",
    aks = "aks",
    alibaba_ecs = "alibaba_ecs",
    azure = "azure",
    consul = "consul",
    digitalocean = "digitalocean",
    docker = "docker",
    dynatrace = "dynatrace",
    ec2 = "ec2",
    ecs = "ecs",
    eks = "eks",
    elasticbeanstalk = "elasticbeanstalk",
    gcp = "gcp",
    heroku = "heroku",
    hetzner = "hetzner",
    kubeadm = "kubeadm",
    kubernetes_node = "kubernetes_node",
    lambda = "lambda",
    nova = "nova",
    openshift = "openshift",
    oraclecloud = "oraclecloud",
    scaleway = "scaleway",
    tencent_cvm = "tencent_cvm",
    upcloud = "upcloud",
    vultr = "vultr",
);

impl ResourceDetectionArguments {
    fn validate(&self) -> Result<(), Invalid> {
        if self.timeout.is_zero() {
            return Err(Invalid::at("timeout", "timeout must be greater than zero"));
        }
        if self.detectors.is_empty() {
            return Err(Invalid::at("detectors", "detectors must not be empty"));
        }
        let exist = format!("Corten has {}", DETECTORS.join(", "));
        for detector in &self.detectors {
            if DETECTORS.contains(&detector.as_str()) {
                continue;
            }
            if OTHERS.contains(&detector.as_str()) {
                let message = format!("detector {detector:?} is not implemented by Corten");
                return Err(Invalid::at("detectors", message).with_help(exist));
            }
            let help = match nearest(detector, DETECTORS) {
                Some(near) => format!("did you mean {near:?}?"),
                None => exist,
            };
            return Err(Invalid::at("detectors", format!("unknown detector {detector:?}")).with_help(help));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_that_do_not_exist_here_are_named() {
        let with = |detector: &str| {
            let detectors = vec!["env".into(), detector.into()];
            ResourceDetectionArguments { detectors, ..Default::default() }.validate()
        };
        assert_eq!(with("system"), Ok(()));
        let invalid = with("ec2").unwrap_err();
        assert!(invalid.message.contains("not implemented by Corten") && invalid.message.contains("ec2"));
        assert!(invalid.help.unwrap().contains("env, system"));
        assert!(with("sytem").unwrap_err().help.unwrap().contains("system"));
    }

    #[test]
    fn hostname_sources_are_checked() {
        let args = SystemArguments { hostname_sources: vec!["fqdn".into()], ..Default::default() };
        assert_eq!(args.validate().unwrap_err().field.as_deref(), Some("hostname_sources"));
    }

    #[test]
    fn what_is_not_written_keeps_its_default() {
        let schema = <ResourceDetectionArguments as Arguments>::schema();
        for block in OTHERS {
            assert!(schema.find(block).is_some(), "{block}");
        }
        let attributes = SystemArguments::default().resource_attributes;
        assert!(attributes.host_name.enabled && attributes.os_type.enabled && !attributes.host_id.enabled);
    }

    fn decoded(text: &str) -> Result<ResourceDetectionArguments, String> {
        let mut map = corten_syntax::SourceMap::default();
        let (file, diagnostics) =
            corten_syntax::parse(&mut map, "x.alloy", &format!("x \"y\" {{\n{text}\noutput {{}}\n}}"));
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let corten_syntax::ast::Statement::Block(block) = &file.body[0] else { panic!("expected a block") };
        let body = corten_component::Body::evaluate(block, &corten_syntax::Object::new()).unwrap();
        corten_component::arguments::decode(&body)
            .map_err(|found| found.iter().map(|one| one.message.clone()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn attributes_are_blocks_with_dotted_names() {
        let text = "detectors = [\"env\", \"system\"]\noverride = false\nsystem {\n resource_attributes {\n  \
                    host.id { enabled = true }\n  os.type { enabled = false }\n }\n}\n\
                    ec2 {\n tags = [\"x\"]\n resource_attributes {\n cloud.region { enabled = false }\n }\n}";
        let args = decoded(text).unwrap();
        let attributes = args.system.resource_attributes;
        assert!(attributes.host_id.enabled && attributes.host_name.enabled && !attributes.os_type.enabled);
        assert!(!args.r#override);
    }

    #[test]
    fn an_attribute_block_says_whether_it_is_enabled() {
        let text = "system {\n resource_attributes {\n  host.name { }\n }\n}";
        assert!(decoded(text).unwrap_err().contains("missing required attribute \"enabled\""));
    }
}
