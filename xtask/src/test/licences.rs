//! What may be linked: licences, and the one version bound that safety hangs on. `deny.toml` says the same to
//! cargo-deny, which also knows advisories; this check needs nothing installed.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{process, workspace};

/// Licences that ask for nothing but their own text. The list of `deny.toml`.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Before this, tonic did not limit a message's size after decompression.
const TONIC: [u64; 3] = [0, 14, 5];

pub(super) fn check(install: bool) -> Result<()> {
    let metadata = workspace::metadata(true)?;
    let problems = problems(&metadata);
    problems.iter().for_each(|problem| println!("{problem}"));
    if !problems.is_empty() {
        bail!("{} dependencies cannot be used", problems.len());
    }
    println!("{} packages, all under allowed licences", workspace::list(&metadata, "packages").len());
    let mut present = process::works("cargo", &["deny", "--version"]);
    if install && !present {
        process::run(workspace::cargo().args(["install", "--locked", "cargo-deny"]))?;
        present = true;
    }
    if present {
        return process::run(workspace::cargo().args(["deny", "--workspace", "check"]));
    }
    println!("cargo-deny is not installed: advisories were not checked (`cargo xtask test --deny` installs it)");
    Ok(())
}

fn problems(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in workspace::list(metadata, "packages") {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        versions.entry(text("name")).or_default().push(text("version"));
        if !allowed(text("license")) {
            problems.push(format!(
                "{} {}: licence {:?} is not allowed",
                text("name"),
                text("version"),
                text("license")
            ));
        }
        // Everything comes from the registry or from here.
        let source = text("source");
        if !source.is_empty() && !source.starts_with("registry+https://github.com/rust-lang/crates.io-index") {
            problems.push(format!("{}: comes from {source}, not from crates.io", text("name")));
        }
    }
    for version in versions.get("tonic").into_iter().flatten() {
        let numbers: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
        if numbers.as_slice() < TONIC.as_slice() {
            problems.push(format!("tonic {version}: before 0.14.5 messages were not limited after decompression"));
        }
    }
    problems
}

/// Whether an SPDX expression can be fulfilled by allowed licences alone.
fn allowed(expression: &str) -> bool {
    let words = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut rest = words.as_slice();
    !words.is_empty() && either(&mut rest) && rest.is_empty()
}

/// `a OR b`; a wrong expression is not allowed.
fn either(rest: &mut &[&str]) -> bool {
    let mut found = both(rest);
    while rest.first() == Some(&"OR") {
        *rest = &rest[1..];
        found |= both(rest);
    }
    found
}

/// `a AND b`
fn both(rest: &mut &[&str]) -> bool {
    let mut found = one(rest);
    while rest.first() == Some(&"AND") {
        *rest = &rest[1..];
        found &= one(rest);
    }
    found
}

fn one(rest: &mut &[&str]) -> bool {
    let Some((word, after)) = rest.split_first() else { return false };
    *rest = after;
    if *word == "(" {
        let found = either(rest);
        let closed = rest.first() == Some(&")");
        *rest = rest.get(1..).unwrap_or_default();
        return found && closed;
    }
    match rest {
        ["WITH", exception, after @ ..] => {
            *rest = after;
            ALLOWED.contains(&format!("{word} WITH {exception}").as_str())
        }
        _ => ALLOWED.contains(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0/MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in
            ["", "AGPL-3.0", "MIT AND GPL-2.0", "(MIT", "MPL-2.0", "Apache-2.0 WITH Strange-exception", "MIT MIT"]
        {
            assert!(!allowed(bad), "{bad}");
        }
    }

    #[test]
    fn bad_packages_are_named() {
        let package = |name: &str, version: &str, licence: &str| {
            let source = "registry+https://github.com/rust-lang/crates.io-index";
            serde_json::json!({ "name": name, "version": version, "license": licence, "source": source })
        };
        let packages = [package("tonic", "0.14.4", "MIT"), package("sd-journal", "0.1.0", "AGPL-3.0")];
        let found = problems(&serde_json::json!({ "packages": packages }));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("sd-journal 0.1.0: licence \"AGPL-3.0\"") && found[1].starts_with("tonic 0.14.4"));
    }

    #[test]
    fn deny_toml_allows_the_same() {
        let toml = std::fs::read_to_string(workspace::root().join("deny.toml")).expect("deny.toml");
        for licence in ALLOWED {
            assert!(toml.contains(&format!("\"{licence}\"")), "{licence} is missing in deny.toml");
        }
    }
}
