//! Whom to observe.

use std::collections::BTreeMap;
use std::time::Duration;

use corten_component::{Arguments, Invalid};

use super::{EbpfArguments, SamplerArguments};
use crate::discover::{Pattern, Ports, Selection, Selector};

/// What is not observed unless the file says otherwise: collectors, and what belongs to them.
const COLLECTORS: &str =
    "*{corten,beyla,alloy,prometheus-config-reloader,otelcol,otelcol-contrib,otelcol-contrib[!/]*,ebpf-instrument}";

/// `discovery`
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct DiscoveryArguments {
    /// Processes to observe.
    #[arg(block)]
    pub instrument: Vec<InstrumentArguments>,
    /// Processes not to observe.
    #[arg(block)]
    pub exclude_instrument: Vec<InstrumentArguments>,
    /// Replaces the list of collectors that are not observed by default.
    #[arg(block)]
    pub default_exclude_instrument: Vec<InstrumentArguments>,
    /// Processes to tell of without observing them, by the metric `survey_info`.
    #[arg(block)]
    pub survey: Vec<InstrumentArguments>,
    /// Processes to observe; `exe_path` and `cmd_args` are expressions. Older form of `instrument`.
    #[arg(block)]
    pub services: Vec<InstrumentArguments>,
    /// Processes not to observe. Older form of `exclude_instrument`.
    #[arg(block)]
    pub exclude_services: Vec<InstrumentArguments>,
    /// Older form of `default_exclude_instrument`.
    #[arg(block)]
    pub default_exclude_services: Vec<InstrumentArguments>,
    /// Leave processes alone that export OTLP themselves.
    pub exclude_otel_instrumented_services: bool,
    /// Make no metrics of spans of those processes either.
    pub exclude_otel_instrumented_services_span_metrics: bool,
    /// Accepted and without effect: programs in Go are observed like all others.
    pub skip_go_specific_tracers: bool,
    /// Accepted and without effect: new processes are seen when they begin.
    pub poll_interval: Duration,
    /// Accepted and without effect: processes are observed from their first request.
    pub min_process_age: Duration,
    /// Accepted and without effect: exports of OTLP are told by what they are.
    pub default_otlp_grpc_port: u16,
    /// Accepted and without effect.
    pub bpf_pid_filter_off: bool,
    /// Accepted and without effect: routes are not read out of programs.
    pub disabled_route_harvesters: Vec<String>,
    /// Accepted and without effect.
    pub route_harvester_timeout: Duration,
    /// Begins of paths of programs that belong to the system: rules with `languages` do not mean them.
    pub excluded_linux_system_paths: Vec<String>,
}

impl Default for DiscoveryArguments {
    fn default() -> Self {
        Self {
            instrument: Vec::new(),
            exclude_instrument: Vec::new(),
            default_exclude_instrument: Vec::new(),
            survey: Vec::new(),
            services: Vec::new(),
            exclude_services: Vec::new(),
            default_exclude_services: Vec::new(),
            exclude_otel_instrumented_services: true,
            exclude_otel_instrumented_services_span_metrics: false,
            skip_go_specific_tracers: false,
            poll_interval: Duration::from_secs(5),
            min_process_age: Duration::from_secs(5),
            default_otlp_grpc_port: 4317,
            bpf_pid_filter_off: false,
            disabled_route_harvesters: Vec::new(),
            route_harvester_timeout: Duration::from_secs(10),
            excluded_linux_system_paths: [
                "/lib/systemd/",
                "/usr/lib/systemd/",
                "/usr/libexec/",
                "/sbin/",
                "/usr/sbin/",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}

/// One rule; all that it says must hold.
#[derive(Debug, Clone, Default, PartialEq, Arguments)]
#[arguments(validate)]
pub struct InstrumentArguments {
    /// The service's name; left to the process if it is empty.
    pub name: String,
    /// The service's namespace.
    pub namespace: String,
    /// Ports that it listens on: `80,443,8000-8999`.
    pub open_ports: String,
    /// Its program's file: a glob, in the older blocks an expression.
    pub exe_path: String,
    /// Its command line: a glob, in the older blocks an expression.
    pub cmd_args: String,
    /// What it is written in, a glob: `{go,python}`.
    pub languages: String,
    /// Process numbers.
    pub target_pids: Vec<u32>,
    /// Only processes in containers.
    pub containers_only: bool,
    /// What goes out of it: `traces`, `metrics`. All, if it is not written.
    pub exports: Vec<String>,
    /// Which of its traces are kept.
    #[arg(block)]
    pub sampler: SamplerArguments,
    /// Rules about Kubernetes (not implemented).
    #[arg(block)]
    pub kubernetes: KubernetesRuleArguments,
}

/// Rules about Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct KubernetesRuleArguments {
    /// Namespace.
    pub namespace: String,
    /// Pod.
    pub pod_name: String,
    /// Deployment.
    pub deployment_name: String,
    /// Replica set.
    pub replicaset_name: String,
    /// Stateful set.
    pub statefulset_name: String,
    /// Daemon set.
    pub daemonset_name: String,
    /// Whoever owns the pod.
    pub owner_name: String,
    /// Labels of the pod.
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub pod_annotations: BTreeMap<String, String>,
}

impl InstrumentArguments {
    fn validate(&self) -> Result<(), Invalid> {
        Ports::parse(&self.open_ports).map_err(|why| Invalid::at("open_ports", why))?;
        Ok(())
    }

    pub(super) fn says_something(&self) -> Result<(), String> {
        let kubernetes = self.kubernetes != KubernetesRuleArguments::default();
        let says = !self.open_ports.is_empty()
            || !self.exe_path.is_empty()
            || !self.cmd_args.is_empty()
            || !self.languages.is_empty()
            || !self.target_pids.is_empty()
            || self.containers_only
            || kubernetes;
        match says {
            true => Ok(()),
            false => Err(
                "must define at least one of: open_ports, exe_path, cmd_args, languages, target_pids, containers_only, or kubernetes configuration"
                    .to_owned(),
            ),
        }
    }

    /// Whether it asks for what only Kubernetes knows.
    pub fn needs_kubernetes(&self) -> bool {
        self.kubernetes != KubernetesRuleArguments::default()
    }

    fn selector(&self, compile: impl Fn(&str) -> Result<Pattern, String>) -> Result<Selector, String> {
        let pattern = |text: &str| (!text.is_empty()).then(|| compile(text)).transpose();
        let languages = (!self.languages.is_empty()).then(|| Pattern::glob(&self.languages)).transpose()?;
        Ok(Selector {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            ports: Ports::parse(&self.open_ports)?,
            executable: pattern(&self.exe_path)?,
            command: pattern(&self.cmd_args)?,
            languages,
            pids: self.target_pids.clone(),
            containers_only: self.containers_only,
            exports: self.exports.clone(),
        })
    }
}

impl EbpfArguments {
    /// The rules, ready to be applied. Rules that ask for what only Kubernetes knows choose nobody.
    ///
    /// # Errors
    /// A glob or an expression that is none.
    pub fn selection(&self) -> Result<Selection, String> {
        let discovery = &self.discovery;
        let compile = |globs: &[InstrumentArguments], expressions: &[InstrumentArguments]| {
            let globs = globs.iter().filter(|rule| !rule.needs_kubernetes()).map(|rule| rule.selector(Pattern::glob));
            let expressions = expressions.iter().filter(|rule| !rule.needs_kubernetes());
            globs.chain(expressions.map(|rule| rule.selector(Pattern::expression))).collect::<Result<Vec<_>, _>>()
        };
        let mut include = compile(&discovery.instrument, &discovery.services)?;
        let legacy = InstrumentArguments {
            open_ports: self.open_port.clone(),
            exe_path: self.executable_name.clone(),
            ..InstrumentArguments::default()
        };
        if legacy.says_something().is_ok() {
            include.push(legacy.selector(Pattern::expression)?);
        }
        let mut default_exclude = compile(&discovery.default_exclude_instrument, &discovery.default_exclude_services)?;
        if default_exclude.is_empty() {
            default_exclude.push(Selector { executable: Some(Pattern::glob(COLLECTORS)?), ..Selector::default() });
        }
        Ok(Selection {
            include,
            survey: compile(&discovery.survey, &[])?,
            exclude: compile(&discovery.exclude_instrument, &discovery.exclude_services)?,
            default_exclude,
        })
    }
}
