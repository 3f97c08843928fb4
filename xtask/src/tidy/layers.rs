//! Who may depend on whom. Each crate states its layer in `package.metadata.layer`; ARCHITECTURE.md draws them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Report;
use crate::workspace::list;

/// Component crates. They never depend on each other.
const COMPONENTS: u64 = 4;
/// Chores and examples: above everything, below nothing.
const TOOLS: u64 = 9;
/// Only tests may depend on it.
const TESTKIT: &str = "corten-testkit";

pub(super) fn check(metadata: &Value, report: &mut Report) {
    let packages = list(metadata, "packages");
    let mut layers = BTreeMap::new();
    for package in packages {
        let name = text(package, "name");
        match package["metadata"]["layer"].as_u64() {
            Some(layer) => drop(layers.insert(name, layer)),
            None => report.add(name, "states no layer: add `[package.metadata] layer = N` to its Cargo.toml"),
        }
        if package["publish"].as_array().is_none_or(|registries| !registries.is_empty()) {
            report.add(name, "can be published: add `publish.workspace = true`");
        }
        let manifest = text(package, "manifest_path");
        let lints = std::fs::read_to_string(manifest).is_ok_and(|toml| inherits_lints(&toml));
        if !lints {
            report.add(name, "does not take the workspace's lints: add `[lints] workspace = true`");
        }
        let folder = manifest.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default();
        if manifest.contains("/crates/") && name != format!("corten-{folder}") {
            report.add(name, format_args!("is in the folder {folder:?}; folder and package are named alike"));
        }
    }
    for package in packages {
        let name = text(package, "name");
        let Some(&layer) = layers.get(name) else { continue };
        for dependency in list(package, "dependencies") {
            let other = text(dependency, "name");
            let Some(&below) = layers.get(other) else { continue };
            let for_tests = dependency["kind"] == "dev";
            if let Some(problem) = breach(layer, other, below, for_tests) {
                report.add(name, problem);
            }
        }
    }
}

fn breach(layer: u64, other: &str, below: u64, for_tests: bool) -> Option<String> {
    if for_tests {
        // Tests reach up to the harness, no further.
        return (below >= COMPONENTS && below >= layer)
            .then(|| format!("(layer {layer}) tests with {other} (layer {below}); test both from a higher layer"));
    }
    if other == TESTKIT && layer < TOOLS {
        return Some(format!("depends on {other} outside its tests"));
    }
    if below < layer || layer >= TOOLS && below >= TOOLS {
        return None;
    }
    Some(match (layer, below) {
        (COMPONENTS, COMPONENTS) => format!("is a component crate and depends on another, {other}"),
        _ => format!("(layer {layer}) depends on {other} (layer {below}); only lower layers are allowed"),
    })
}

fn inherits_lints(toml: &str) -> bool {
    let section = toml.split("\n[").find(|section| section.starts_with("lints]"));
    section.is_some_and(|section| section.contains("workspace = true"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_layers_are_allowed() {
        assert_eq!(breach(4, "corten-net", 3, false), None);
        assert!(breach(4, "corten-exporter-otlp", 4, false).is_some_and(|text| text.contains("component crate")));
        assert!(breach(2, "corten-signal", 2, false).is_some());
        assert!(breach(4, TESTKIT, 3, false).is_some());
        assert_eq!(breach(0, TESTKIT, 3, true), None);
        assert!(breach(4, "corten-pipeline", 5, true).is_some());
        assert_eq!(breach(9, "demo-service", 9, false), None);
    }

    #[test]
    fn a_crate_says_that_it_takes_the_lints() {
        assert!(inherits_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n"));
        assert!(!inherits_lints("[package]\nversion.workspace = true\n\n[dependencies]\na = { workspace = true }\n"));
    }

    #[test]
    fn breaches_are_found_in_metadata() {
        let package = |name: &str, layer: u64, dependency: &str| {
            serde_json::json!({
                "name": name, "publish": [], "manifest_path": "/nowhere/Cargo.toml", "metadata": { "layer": layer },
                "dependencies": [{ "name": dependency, "kind": null }],
            })
        };
        let metadata = serde_json::json!({ "packages": [package("a", 1, "b"), package("b", 2, "serde")] });
        let mut report = Report::default();
        check(&metadata, &mut report);
        let about_layers: Vec<_> = report.0.iter().filter(|problem| problem.contains("lower layers")).collect();
        assert_eq!(about_layers, ["a: (layer 1) depends on b (layer 2); only lower layers are allowed"]);
    }
}
