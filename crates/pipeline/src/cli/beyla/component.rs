//! The block `beyla.ebpf` that the variables make.

use std::fmt::Write as _;

use corten_syntax::quote;

use super::exporter::Exporter;
use super::{Failure, Variables, is_true};

/// Writes the block.
pub(super) fn write(config: &mut String, variables: Variables<'_>, exporters: &[Exporter]) -> Result<(), Failure> {
    config.push_str("beyla.ebpf \"environment\" {\n");
    if let Some(printer) = variables.own("TRACE_PRINTER") {
        let _ = writeln!(config, "  trace_printer = {}", quote(&printer));
    }
    if variables.is_true("ENFORCE_SYS_CAPS") {
        config.push_str("  enforce_sys_caps = true\n");
    }
    let mut blocks: Vec<(&str, String)> = Vec::new();
    blocks.push(("discovery", discovery(variables)?));
    blocks.push(("attributes", attributes(variables)?));
    blocks.push(("metrics", metrics(variables)));
    // Beyla too refuses choices about traces that go nowhere; a sampler in the environment of a unit is not one.
    if !exporters.is_empty() {
        blocks.push(("traces", traces(variables)));
    }
    blocks.push(("ebpf", ebpf(variables)));
    let output = exporters.iter().map(|exporter| format!("    {} = [{}.input]\n", exporter.signal, exporter.name));
    blocks.push(("output", output.collect()));
    for (name, content) in blocks.into_iter().filter(|(_, content)| !content.is_empty()) {
        let _ = write!(config, "\n  {name} {{\n{content}  }}\n");
    }
    config.push_str("}\n");
    Ok(())
}

/// The rule that chooses processes, and whom it leaves alone.
fn discovery(variables: Variables<'_>) -> Result<String, Failure> {
    let choices = [
        ("open_ports", variables.own("OPEN_PORT")),
        (
            "exe_path",
            variables
                .own("AUTO_TARGET_EXE")
                .or_else(|| variables.get("OTEL_GO_AUTO_TARGET_EXE"))
                .or_else(|| variables.own("EXECUTABLE_PATH"))
                .or_else(|| variables.own("EXECUTABLE_NAME")),
        ),
        ("languages", variables.own("AUTO_TARGET_LANGUAGE")),
    ];
    let pids = variables.own("TARGET_PID");
    if choices.iter().all(|(_, value)| value.is_none()) && pids.is_none() {
        return Err(Failure::new(
            "no variable says what to observe\nhelp: BEYLA_OPEN_PORT=8080 observes who listens on that port; \
             `corten beyla --help` has the others",
        ));
    }
    let name = variables.get("OTEL_SERVICE_NAME").or_else(|| variables.own("SERVICE_NAME"));
    let texts = [("name", name), ("namespace", variables.own("SERVICE_NAMESPACE"))];
    let mut rule = String::from("    instrument {\n");
    for (argument, value) in texts.into_iter().chain(choices) {
        if let Some(value) = value {
            let _ = writeln!(rule, "      {argument} = {}", quote(&value));
        }
    }
    if let Some(pids) = pids {
        let numbers: Result<Vec<u32>, _> = pids.split(',').map(|pid| pid.trim().parse::<u32>()).collect();
        let numbers =
            numbers.map_err(|_| Failure::new(format!("BEYLA_TARGET_PID: {pids:?} is no list of process numbers")))?;
        let _ = writeln!(rule, "      target_pids = {numbers:?}");
    }
    rule.push_str("    }\n");
    if variables.own("EXCLUDE_OTEL_INSTRUMENTED_SERVICES").is_some_and(|value| !is_true(&value)) {
        rule.push_str("\n    exclude_otel_instrumented_services = false\n");
    }
    if variables.is_true("EXCLUDE_OTEL_INSTRUMENTED_SERVICES_SPAN_METRICS") {
        rule.push_str("    exclude_otel_instrumented_services_span_metrics = true\n");
    }
    Ok(rule)
}

fn attributes(variables: Variables<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    if let Some(limit) = variables.own("METRIC_SPAN_NAMES_LIMIT") {
        let limit: u32 = limit
            .parse()
            .map_err(|_| Failure::new(format!("BEYLA_METRIC_SPAN_NAMES_LIMIT: {limit:?} is no number")))?;
        let _ = writeln!(text, "    metric_span_names_limit = {limit}");
    }
    if let Some(name) = variables.own("HOSTNAME") {
        let _ = writeln!(text, "    instance_id {{\n      override_hostname = {}\n    }}", quote(&name));
    }
    if let Some(id) = variables.own("HOST_ID") {
        let _ = writeln!(text, "    host_id {{\n      override = {}\n    }}", quote(&id));
    }
    Ok(text)
}

fn metrics(variables: Variables<'_>) -> String {
    let either =
        |name: &str| variables.own(&format!("METRICS_{name}")).or_else(|| variables.own(&format!("PROMETHEUS_{name}")));
    let of_prometheus = |name: &str| variables.own(&format!("PROMETHEUS_{name}")).or_else(|| variables.own(name));
    let mut text = String::new();
    list(&mut text, "features", either("FEATURES"));
    list(&mut text, "instrumentations", either("INSTRUMENTATIONS"));
    list(&mut text, "extra_resource_labels", of_prometheus("EXTRA_RESOURCE_ATTRIBUTES"));
    list(&mut text, "extra_span_resource_labels", of_prometheus("EXTRA_SPAN_RESOURCE_ATTRIBUTES"));
    if of_prometheus("ALLOW_SERVICE_GRAPH_SELF_REFERENCES").is_some_and(|value| is_true(&value)) {
        text.push_str("    allow_service_graph_self_references = true\n");
    }
    if let Some(ttl) = either("TTL") {
        let _ = writeln!(text, "    ttl = {}", quote(&ttl));
    }
    text
}

fn traces(variables: Variables<'_>) -> String {
    let mut text = String::new();
    list(&mut text, "instrumentations", variables.own("TRACES_INSTRUMENTATIONS"));
    if let Some(name) = variables.get("OTEL_TRACES_SAMPLER") {
        let _ = write!(text, "    sampler {{\n      name = {}\n", quote(&name));
        if let Some(arg) = variables.get("OTEL_TRACES_SAMPLER_ARG") {
            let _ = writeln!(text, "      arg  = {}", quote(&arg));
        }
        text.push_str("    }\n");
    }
    text
}

fn ebpf(variables: Variables<'_>) -> String {
    let mut text = String::new();
    for (argument, name) in
        [("http_request_timeout", "BPF_HTTP_REQUEST_TIMEOUT"), ("context_propagation", "BPF_CONTEXT_PROPAGATION")]
    {
        if let Some(value) = variables.own(name) {
            let _ = writeln!(text, "    {argument} = {}", quote(&value));
        }
    }
    for (argument, name) in [
        ("high_request_volume", "BPF_HIGH_REQUEST_VOLUME"),
        ("disable_black_box_cp", "BPF_DISABLE_BLACK_BOX_CP"),
        ("track_request_headers", "BPF_TRACK_REQUEST_HEADERS"),
    ] {
        if variables.is_true(name) {
            let _ = writeln!(text, "    {argument} = true");
        }
    }
    text
}

fn list(text: &mut String, argument: &str, value: Option<String>) {
    if let Some(value) = value {
        let names: Vec<String> = value.split(',').map(|name| quote(name.trim())).collect();
        let _ = writeln!(text, "    {argument} = [{}]", names.join(", "));
    }
}
