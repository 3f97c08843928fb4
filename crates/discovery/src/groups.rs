//! Lists of targets as files and servers write them: `[{"targets": ["host:port"], "labels": {"name": "value"}}]`.

use corten_signal::labels::Labels;
use corten_syntax::value::to_text;
use corten_syntax::{Object, Value, stdlib};

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Json,
    Yaml,
}

/// The targets of a list, each with one more label.
///
/// # Errors
/// Why it is no such list, for a person.
pub(crate) fn read(text: &str, language: Language, label: &str, value: &str) -> Result<Vec<Labels>, String> {
    let name = match language {
        Language::Json => "encoding.from_json",
        Language::Yaml => "encoding.from_yaml",
    };
    let parse = stdlib::function(name).ok_or_else(|| format!("{name} is missing"))?;
    let groups = (parse.call)(&[Value::string(text)]).map_err(|error| error.to_string())?;
    let mut targets = Vec::new();
    if matches!(groups, Value::Null) {
        return Ok(targets);
    }
    for group in elements(&groups).ok_or("expected a list of groups of targets")? {
        let group = group.as_object().ok_or("expected groups that are objects with `targets` and `labels`")?;
        self::group(&group, language, label, value, &mut targets)?;
    }
    Ok(targets)
}

fn elements(list: &Value) -> Option<impl Iterator<Item = Value>> {
    let count = list.array_len()?;
    let list = list.clone();
    Some((0..count).filter_map(move |at| list.element(at)))
}

fn group(
    group: &Object,
    language: Language,
    label: &str,
    value: &str,
    targets: &mut Vec<Labels>,
) -> Result<(), String> {
    if language == Language::Yaml
        && let Some(unknown) = group.keys().find(|name| !matches!(&***name, "targets" | "labels"))
    {
        return Err(format!("unknown field {unknown:?}: expected `targets` and `labels`"));
    }
    let mut labels = Vec::new();
    match group.get("labels") {
        None | Some(Value::Null) => {}
        Some(given) => {
            let given = given.as_object().ok_or("expected `labels` to be an object")?;
            for (name, value) in given.iter() {
                let value = to_text(value).map_err(|why| format!("label {name:?}: {why}"))?;
                labels.push((name.to_string(), value.to_string()));
            }
        }
    }
    let addresses = match group.get("targets") {
        None | Some(Value::Null) => return Ok(()),
        Some(list) => elements(list).ok_or("expected `targets` to be a list of addresses")?,
    };
    for address in addresses {
        let address = to_text(&address).map_err(|why| format!("a target: {why}"))?;
        let all = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // The target's own label counts before its group's, and ours before all.
        targets.push(Labels::from_pairs(all.chain([("__address__", &*address), (label, value)])));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str, language: Language) -> Result<Vec<String>, String> {
        read(text, language, "__meta_url", "u").map(|targets| targets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_read_in_both_languages() {
        let expected = [
            r#"{__address__="a:1", __meta_url="u", n="1", zone="z"}"#,
            r#"{__address__="b:2", __meta_url="u", n="1", zone="z"}"#,
            r#"{__address__="c", __meta_url="u"}"#,
        ];
        let json = r#"[{"targets": ["a:1", "b:2"], "labels": {"zone": "z", "n": "1"}}, {"targets": ["c"]}, {}]"#;
        assert_eq!(targets(json, Language::Json).unwrap(), expected);
        let yaml = "- targets: ['a:1', b:2]\n  labels:\n    zone: z\n    n: 1\n- targets: [c]\n";
        assert_eq!(targets(yaml, Language::Yaml).unwrap(), expected);
        assert_eq!(targets("", Language::Yaml), Ok(Vec::new()));
        assert_eq!(targets("[]", Language::Json), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_is_said() {
        for text in
            ["", "{", "{}", "[1]", r#"[{"targets": "a"}]"#, r#"[{"targets": [[]]}]"#, r#"[{"labels": []}]"#, "[null]"]
        {
            assert!(targets(text, Language::Json).is_err(), "{text}");
        }
        assert!(targets("- target: [a]", Language::Yaml).unwrap_err().contains("target"));
    }
}
