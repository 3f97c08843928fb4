//! What a `rule` block says.

use corten_component::{Arguments, Enumeration, Invalid};

use crate::regexp;

const SEPARATOR: &str = ";";
const REGEX: &str = "(.*)";
const REPLACEMENT: &str = "$1";

/// What a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum Action {
    /// Sets `target_label` to `replacement` if `regex` matches the source labels' values.
    #[default]
    Replace,
    /// Keeps only what matches.
    Keep,
    /// Drops what matches.
    Drop,
    /// Sets `target_label` to a hash of the source labels' values, modulo `modulus`.
    #[arg(name = "hashmod")]
    HashMod,
    /// Copies the labels whose names match to the names that `replacement` gives.
    #[arg(name = "labelmap")]
    LabelMap,
    /// Removes the labels whose names match.
    #[arg(name = "labeldrop")]
    LabelDrop,
    /// Removes the labels whose names do not match.
    #[arg(name = "labelkeep")]
    LabelKeep,
    /// Sets `target_label` to the source labels' values in lower case.
    Lowercase,
    /// Sets `target_label` to the source labels' values in upper case.
    Uppercase,
    /// Keeps only what has the source labels' values in `target_label`.
    #[arg(name = "keepequal")]
    KeepEqual,
    /// Drops what has the source labels' values in `target_label`.
    #[arg(name = "dropequal")]
    DropEqual,
}

/// One step of relabelling.
#[derive(Debug, Clone, PartialEq, Arguments)]
#[arguments(validate)]
pub struct RuleArguments {
    /// Labels whose values are joined and compared; one that is missing counts as empty.
    pub source_labels: Vec<String>,
    /// What stands between the joined values.
    pub separator: String,
    /// Must match the whole value (RE2); its groups are `$1`, `${1}`, `${name}` in `replacement` and `target_label`.
    pub regex: String,
    /// The label that is set or compared.
    pub target_label: String,
    /// What the label is set to; empty removes it.
    pub replacement: String,
    /// What a hash is divided by; the rest is the value.
    pub modulus: u64,
    /// What to do.
    pub action: Action,
}

impl Default for RuleArguments {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: SEPARATOR.to_owned(),
            regex: REGEX.to_owned(),
            target_label: String::new(),
            replacement: REPLACEMENT.to_owned(),
            modulus: 0,
            action: Action::default(),
        }
    }
}

impl RuleArguments {
    /// Whether the expression is the one that matches everything.
    pub(super) fn matches_all(&self) -> bool {
        self.regex == REGEX
    }

    fn validate(&self) -> Result<(), Invalid> {
        let action = self.action.as_str();
        let untouched = self.separator == SEPARATOR && self.replacement == REPLACEMENT && self.modulus == 0;
        regexp::anchored(&self.regex).map_err(|why| Invalid::at("regex", why))?;
        if self.action == Action::HashMod && self.modulus == 0 {
            return Err(Invalid::new("relabel configuration for hashmod requires non-zero modulus"));
        }
        match self.action {
            Action::Replace
            | Action::KeepEqual
            | Action::DropEqual
            | Action::HashMod
            | Action::Lowercase
            | Action::Uppercase
                if self.target_label.is_empty() =>
            {
                return Err(Invalid::new(format!(
                    "relabel configuration for {action} action requires 'target_label' value"
                )));
            }
            Action::Replace if !is_template(&self.target_label) => return Err(self.bad_target()),
            Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual | Action::HashMod
                if !is_label_name(&self.target_label) =>
            {
                return Err(self.bad_target());
            }
            Action::LabelMap if !is_template(&self.replacement) => {
                return Err(Invalid::at(
                    "replacement",
                    format!("{:?} is invalid 'replacement' for {action} action", self.replacement),
                ));
            }
            Action::KeepEqual | Action::DropEqual if !(untouched && self.matches_all()) => {
                return Err(Invalid::new(format!(
                    "{action} action requires only 'source_labels' and 'target_label', and no other fields"
                )));
            }
            Action::LabelDrop | Action::LabelKeep
                if !(untouched && self.source_labels.is_empty() && self.target_label.is_empty()) =>
            {
                return Err(Invalid::new(format!("{action} action requires only 'regex', and no other fields")));
            }
            _ => {}
        }
        Ok(())
    }

    fn bad_target(&self) -> Invalid {
        let message = format!("{:?} is invalid 'target_label' for {} action", self.target_label, self.action.as_str());
        Invalid::at("target_label", message)
    }
}

/// Whether it may name a label.
pub(super) fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether it may name a label once its `$1`, `${1}` and `${name}` are filled in.
fn is_template(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut rest = text.as_bytes();
    let mut first = true;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'$', [b'{', inside @ ..]) => {
                let name = inside.iter().take_while(|byte| word(**byte)).count();
                match inside.split_at(name) {
                    ([_, ..], [b'}', after @ ..]) => after,
                    _ => return false,
                }
            }
            (b'$', [next, ..]) if word(*next) => &after[after.iter().take_while(|byte| word(**byte)).count()..],
            (byte, after) if word(byte) && !(first && byte.is_ascii_digit()) => after,
            _ => return false,
        };
        first = false;
    }
    !first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(change: impl FnOnce(&mut RuleArguments)) -> Result<(), Invalid> {
        let mut rule = RuleArguments::default();
        change(&mut rule);
        rule.validate()
    }

    #[test]
    fn targets_may_be_templates() {
        for good in ["a", "_x9", "$1", "${1}", "${name}_a", "a$1b", "a_${x}_${y}"] {
            assert!(is_template(good), "{good}");
        }
        for bad in ["", "9a", "a-b", "$", "${}", "${a", "a$", "${a-b}", "ä"] {
            assert!(!is_template(bad), "{bad}");
        }
    }

    #[test]
    fn combinations_without_sense_are_refused() {
        assert!(rule(|rule| rule.action = Action::Keep).is_ok());
        assert!(rule(|_| {}).unwrap_err().message.contains("requires 'target_label'"));
        assert!(rule(|rule| (rule.action, rule.target_label) = (Action::HashMod, "a".into())).is_err());
        assert!(rule(|rule| (rule.action, rule.target_label) = (Action::Lowercase, "$1".into())).is_err());
        assert!(rule(|rule| (rule.action, rule.replacement) = (Action::LabelMap, "a-b".into())).is_err());
        assert!(rule(|rule| (rule.action, rule.target_label) = (Action::LabelDrop, "a".into())).is_err());
        let equal = |rule: &mut RuleArguments| (rule.action, rule.target_label) = (Action::KeepEqual, "a".into());
        assert!(rule(equal).is_ok());
        assert!(
            rule(|rule| {
                equal(rule);
                rule.regex = "x".into();
            })
            .is_err()
        );
        assert!(rule(|rule| rule.regex = "(".into()).unwrap_err().message.starts_with("error parsing regexp"));
    }
}
