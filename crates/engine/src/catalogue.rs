//! The names of Alloy's components, so that a file that uses one Corten lacks gets a useful answer.

use corten_component::Registry;
use corten_syntax::quote;

/// Every component of Alloy's 1.19 line, sorted.
const ALLOY: &[&str] = &[
    "beyla.ebpf",
    "database_observability.mysql",
    "database_observability.postgres",
    "database_observability.sql_server",
    "discovery.aws",
    "discovery.azure",
    "discovery.consul",
    "discovery.consulagent",
    "discovery.digitalocean",
    "discovery.dns",
    "discovery.docker",
    "discovery.dockerswarm",
    "discovery.ec2",
    "discovery.eureka",
    "discovery.file",
    "discovery.gce",
    "discovery.hetzner",
    "discovery.http",
    "discovery.ionos",
    "discovery.kubelet",
    "discovery.kubernetes",
    "discovery.kuma",
    "discovery.lightsail",
    "discovery.linode",
    "discovery.marathon",
    "discovery.nerve",
    "discovery.nomad",
    "discovery.openstack",
    "discovery.ovhcloud",
    "discovery.process",
    "discovery.puppetdb",
    "discovery.relabel",
    "discovery.scaleway",
    "discovery.serverset",
    "discovery.triton",
    "discovery.uyuni",
    "faro.receiver",
    "local.file",
    "local.file_match",
    "loki.echo",
    "loki.enrich",
    "loki.process",
    "loki.relabel",
    "loki.rules.kubernetes",
    "loki.secretfilter",
    "loki.source.api",
    "loki.source.awsfirehose",
    "loki.source.azure_event_hubs",
    "loki.source.cloudflare",
    "loki.source.docker",
    "loki.source.file",
    "loki.source.gcplog",
    "loki.source.gelf",
    "loki.source.heroku",
    "loki.source.journal",
    "loki.source.kafka",
    "loki.source.kubernetes",
    "loki.source.kubernetes_events",
    "loki.source.podlogs",
    "loki.source.syslog",
    "loki.source.windowsevent",
    "loki.write",
    "mimir.alerts.kubernetes",
    "mimir.rules.kubernetes",
    "otelcol.auth.basic",
    "otelcol.auth.bearer",
    "otelcol.auth.google",
    "otelcol.auth.headers",
    "otelcol.auth.oauth2",
    "otelcol.auth.sigv4",
    "otelcol.connector.count",
    "otelcol.connector.host_info",
    "otelcol.connector.servicegraph",
    "otelcol.connector.signaltometrics",
    "otelcol.connector.spanlogs",
    "otelcol.connector.spanmetrics",
    "otelcol.exporter.awss3",
    "otelcol.exporter.datadog",
    "otelcol.exporter.debug",
    "otelcol.exporter.faro",
    "otelcol.exporter.file",
    "otelcol.exporter.googlecloud",
    "otelcol.exporter.googlecloudpubsub",
    "otelcol.exporter.kafka",
    "otelcol.exporter.loadbalancing",
    "otelcol.exporter.loki",
    "otelcol.exporter.otlp",
    "otelcol.exporter.otlphttp",
    "otelcol.exporter.prometheus",
    "otelcol.exporter.splunkhec",
    "otelcol.exporter.syslog",
    "otelcol.extension.jaeger_remote_sampling",
    "otelcol.processor.attributes",
    "otelcol.processor.batch",
    "otelcol.processor.cumulativetodelta",
    "otelcol.processor.deltatocumulative",
    "otelcol.processor.discovery",
    "otelcol.processor.filter",
    "otelcol.processor.groupbyattrs",
    "otelcol.processor.interval",
    "otelcol.processor.k8sattributes",
    "otelcol.processor.memory_limiter",
    "otelcol.processor.metric_start_time",
    "otelcol.processor.probabilistic_sampler",
    "otelcol.processor.redaction",
    "otelcol.processor.resourcedetection",
    "otelcol.processor.span",
    "otelcol.processor.tail_sampling",
    "otelcol.processor.transform",
    "otelcol.receiver.awscloudwatch",
    "otelcol.receiver.awsecscontainermetrics",
    "otelcol.receiver.awss3",
    "otelcol.receiver.cloudflare",
    "otelcol.receiver.datadog",
    "otelcol.receiver.faro",
    "otelcol.receiver.file_stats",
    "otelcol.receiver.filelog",
    "otelcol.receiver.fluentforward",
    "otelcol.receiver.googlecloudpubsub",
    "otelcol.receiver.influxdb",
    "otelcol.receiver.jaeger",
    "otelcol.receiver.kafka",
    "otelcol.receiver.loki",
    "otelcol.receiver.nginx",
    "otelcol.receiver.otlp",
    "otelcol.receiver.prometheus",
    "otelcol.receiver.solace",
    "otelcol.receiver.splunkhec",
    "otelcol.receiver.syslog",
    "otelcol.receiver.tcplog",
    "otelcol.receiver.vcenter",
    "otelcol.receiver.zipkin",
    "otelcol.storage.file",
    "prometheus.echo",
    "prometheus.enrich",
    "prometheus.exporter.apache",
    "prometheus.exporter.azure",
    "prometheus.exporter.blackbox",
    "prometheus.exporter.cadvisor",
    "prometheus.exporter.catchpoint",
    "prometheus.exporter.cloudwatch",
    "prometheus.exporter.consul",
    "prometheus.exporter.databricks",
    "prometheus.exporter.dnsmasq",
    "prometheus.exporter.elasticsearch",
    "prometheus.exporter.gcp",
    "prometheus.exporter.github",
    "prometheus.exporter.kafka",
    "prometheus.exporter.memcached",
    "prometheus.exporter.mongodb",
    "prometheus.exporter.mssql",
    "prometheus.exporter.mysql",
    "prometheus.exporter.oracledb",
    "prometheus.exporter.postgres",
    "prometheus.exporter.process",
    "prometheus.exporter.redis",
    "prometheus.exporter.self",
    "prometheus.exporter.snmp",
    "prometheus.exporter.snowflake",
    "prometheus.exporter.squid",
    "prometheus.exporter.static",
    "prometheus.exporter.statsd",
    "prometheus.exporter.unix",
    "prometheus.exporter.windows",
    "prometheus.operator.podmonitors",
    "prometheus.operator.probes",
    "prometheus.operator.scrapeconfigs",
    "prometheus.operator.servicemonitors",
    "prometheus.receive_http",
    "prometheus.relabel",
    "prometheus.remote_write",
    "prometheus.scrape",
    "pyroscope.ebpf",
    "pyroscope.enrich",
    "pyroscope.java",
    "pyroscope.receive_http",
    "pyroscope.relabel",
    "pyroscope.scrape",
    "pyroscope.write",
    "remote.http",
    "remote.kubernetes.configmap",
    "remote.kubernetes.secret",
    "remote.s3",
    "remote.vault",
];

/// Names of older releases and what took their place.
const FORMER: &[(&str, &str)] = &[
    ("otelcol.receiver.opencensus", "otelcol.receiver.otlp"),
    ("otelcol.exporter.logging", "otelcol.exporter.debug"),
    ("prometheus.exporter.agent", "prometheus.exporter.self"),
    ("module.file", "import.file"),
    ("module.git", "import.git"),
    ("module.http", "import.http"),
    ("module.string", "import.string"),
];

/// What to say to somebody who wrote a component's name that the registry lacks; `None` if Alloy lacks it too.
pub(crate) fn help(name: &str, registry: &Registry) -> Option<String> {
    if let Some((_, now)) = FORMER.iter().find(|(former, _)| *former == name) {
        return Some(format!("{} was removed from Alloy; use {}", quote(name), quote(now)));
    }
    ALLOY.binary_search(&name).ok()?;
    let near = relative(name, registry).map(|near| format!("; nearest that exists is {}", quote(near)));
    Some(format!("{} is not implemented by Corten{}", quote(name), near.unwrap_or_default()))
}

/// The registered component that shares the most leading parts of the name, at least two or all but the last.
fn relative<'a>(name: &str, registry: &'a Registry) -> Option<&'a str> {
    let shared = |other: &str| name.split('.').zip(other.split('.')).take_while(|(a, b)| a == b).count();
    let parts = name.split('.').count();
    let wanted = parts.saturating_sub(1).max(1);
    let candidates = registry.names().filter(|other| shared(other) >= wanted);
    let last = name.rsplit('.').next().unwrap_or(name);
    candidates.max_by_key(|other| {
        let other_last = other.rsplit('.').next().unwrap_or(other);
        let common = last.bytes().zip(other_last.bytes()).take_while(|(a, b)| a == b).count();
        (common, std::cmp::Reverse(*other))
    })
}

#[cfg(test)]
mod tests {
    use super::ALLOY;

    #[test]
    fn the_table_can_be_searched() {
        assert!(ALLOY.is_sorted() && ALLOY.len() > 150);
        assert!(ALLOY.binary_search(&"otelcol.receiver.otlp").is_ok());
    }
}
