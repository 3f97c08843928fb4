//! What the user writes.

use std::time::Duration;

use corten_component::{Arguments, Invalid};
use corten_net::args::DebugMetrics;
use corten_syntax::{Secret, nearest};

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

macro_rules! toggles {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Arguments)]
        pub struct $name {
            $(
                #[doc = concat!("`", $text, "`.")]
                #[arg(block, name = $text)]
                pub $field: AttributeToggle,
            )*
        }
    };
}

toggles!(
    /// The attributes of the system detector.
    SystemAttributes {
        host_arch = "host.arch",
        host_cpu_cache_l2_size = "host.cpu.cache.l2.size",
        host_cpu_family = "host.cpu.family",
        host_cpu_model_id = "host.cpu.model.id",
        host_cpu_model_name = "host.cpu.model.name",
        host_cpu_stepping = "host.cpu.stepping",
        host_cpu_vendor_id = "host.cpu.vendor.id",
        host_id = "host.id",
        host_interface = "host.interface",
        host_ip = "host.ip",
        host_mac = "host.mac",
        host_name = "host.name",
        os_build_id = "os.build.id",
        os_description = "os.description",
        os_name = "os.name",
        os_type = "os.type",
        os_version = "os.version",
    }
);

toggles!(
    /// The attributes of detectors that Corten does not have; they are read so that a file which configures such a
    /// detector without selecting it is understood.
    OtherAttributes {
        aws_ecs_cluster_arn = "aws.ecs.cluster.arn",
        aws_ecs_launchtype = "aws.ecs.launchtype",
        aws_ecs_task_arn = "aws.ecs.task.arn",
        aws_ecs_task_family = "aws.ecs.task.family",
        aws_ecs_task_id = "aws.ecs.task.id",
        aws_ecs_task_revision = "aws.ecs.task.revision",
        aws_log_group_arns = "aws.log.group.arns",
        aws_log_group_names = "aws.log.group.names",
        aws_log_stream_arns = "aws.log.stream.arns",
        aws_log_stream_names = "aws.log.stream.names",
        azure_resourcegroup_name = "azure.resourcegroup.name",
        azure_vm_name = "azure.vm.name",
        azure_vm_scaleset_name = "azure.vm.scaleset.name",
        azure_vm_size = "azure.vm.size",
        cloud_account_id = "cloud.account.id",
        cloud_availability_zone = "cloud.availability_zone",
        cloud_platform = "cloud.platform",
        cloud_provider = "cloud.provider",
        cloud_region = "cloud.region",
        deployment_environment = "deployment.environment",
        faas_id = "faas.id",
        faas_instance = "faas.instance",
        faas_max_memory = "faas.max_memory",
        faas_name = "faas.name",
        faas_version = "faas.version",
        gcp_cloud_run_job_execution = "gcp.cloud_run.job.execution",
        gcp_cloud_run_job_task_index = "gcp.cloud_run.job.task_index",
        gcp_gce_instance_group_manager_name = "gcp.gce.instance.group_manager.name",
        gcp_gce_instance_group_manager_region = "gcp.gce.instance.group_manager.region",
        gcp_gce_instance_group_manager_zone = "gcp.gce.instance.group_manager.zone",
        gcp_gce_instance_hostname = "gcp.gce.instance.hostname",
        gcp_gce_instance_name = "gcp.gce.instance.name",
        heroku_app_id = "heroku.app.id",
        heroku_dyno_id = "heroku.dyno.id",
        heroku_release_commit = "heroku.release.commit",
        heroku_release_creation_timestamp = "heroku.release.creation_timestamp",
        host_id = "host.id",
        host_image_id = "host.image.id",
        host_image_name = "host.image.name",
        host_name = "host.name",
        host_type = "host.type",
        k8s_cluster_name = "k8s.cluster.name",
        k8s_cluster_uid = "k8s.cluster.uid",
        k8s_node_name = "k8s.node.name",
        k8s_node_uid = "k8s.node.uid",
        oracle_cloud_realm = "oracle_cloud.realm",
        os_type = "os.type",
        service_instance_id = "service.instance.id",
        service_name = "service.name",
        service_version = "service.version",
    }
);

/// A detector that Corten does not have. It is read, and selecting it is an error.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
pub struct OtherDetector {
    /// Without effect.
    pub address: String,
    /// Without effect.
    pub datacenter: String,
    /// Without effect.
    pub token: Secret,
    /// Without effect.
    pub namespace: String,
    /// Without effect.
    pub meta: Vec<String>,
    /// Without effect.
    pub tags: Vec<String>,
    /// Without effect.
    pub labels: Vec<String>,
    /// Without effect.
    pub max_attempts: i64,
    /// Without effect.
    pub max_backoff: Duration,
    /// Without effect.
    pub fail_on_missing_metadata: bool,
    /// Without effect.
    pub tags_from_imds: bool,
    /// Without effect.
    pub node_from_env_var: String,
    /// Without effect.
    #[arg(block)]
    pub resource_attributes: OtherAttributes,
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
                #[doc = concat!("The detector `", $text, "`, which Corten does not have: read, and without effect.")]
                #[arg(block, name = $text)]
                pub $field: OtherDetector,
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
                    $($field: OtherDetector::default(),)*
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
