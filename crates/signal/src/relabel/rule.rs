//! Rules that are ready to be applied.

use regex::Regex;

use super::arguments::is_label_name;
use super::{Action, RuleArguments};
use crate::labels::{Builder, Labels};
use crate::regexp;

/// A list of rules, applied in order.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    what: RuleArguments,
    regex: Regex,
}

impl Rules {
    /// Compiles rules.
    ///
    /// # Errors
    /// An expression that is none. Arguments that were decoded from a file have been checked already.
    pub fn new(rules: &[RuleArguments]) -> Result<Self, String> {
        let compile = |what: &RuleArguments| Ok(Rule { what: what.clone(), regex: regexp::anchored(&what.regex)? });
        rules.iter().map(compile).collect::<Result<_, String>>().map(Self)
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels as the rules leave them; `None` if they are dropped.
    pub fn apply(&self, labels: &Labels) -> Option<Labels> {
        if self.0.is_empty() {
            return Some(labels.clone());
        }
        let mut edit = labels.edit();
        self.edit(&mut edit).then(|| edit.build())
    }

    /// Applies the rules in place; `false` if the labels are to be dropped.
    pub fn edit(&self, labels: &mut Builder<'_>) -> bool {
        self.0.iter().all(|rule| rule.edit(labels))
    }
}

/// Rules are alike if they were written alike.
impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|rule| &rule.what).eq(other.0.iter().map(|rule| &rule.what))
    }
}

impl Rule {
    fn source(&self, labels: &Builder<'_>) -> String {
        let mut joined = String::new();
        for (at, label) in self.what.source_labels.iter().enumerate() {
            if at > 0 {
                joined.push_str(&self.what.separator);
            }
            joined.push_str(labels.get(label));
        }
        joined
    }

    fn edit(&self, labels: &mut Builder<'_>) -> bool {
        let RuleArguments { target_label: target, replacement, .. } = &self.what;
        match self.what.action {
            Action::Drop => return !self.regex.is_match(&self.source(labels)),
            Action::Keep => return self.regex.is_match(&self.source(labels)),
            Action::DropEqual => return labels.get(target) != self.source(labels),
            Action::KeepEqual => return labels.get(target) == self.source(labels),
            Action::Replace => self.replace(labels),
            Action::Lowercase => set(labels, target, self.source(labels).to_lowercase()),
            Action::Uppercase => set(labels, target, self.source(labels).to_uppercase()),
            Action::HashMod => {
                let digest = md5(self.source(labels).as_bytes());
                set(labels, target, (digest % self.what.modulus.max(1)).to_string());
            }
            Action::LabelMap => {
                let copies: Vec<(String, String)> = labels
                    .iter()
                    .filter_map(|(name, value)| {
                        let captures = self.regex.captures(name)?;
                        Some((expand(&captures, replacement), value.to_owned()))
                    })
                    .collect();
                for (name, value) in copies {
                    labels.set(name, value);
                }
            }
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }

    fn replace(&self, labels: &mut Builder<'_>) {
        let source = self.source(labels);
        let Some(captures) = self.regex.captures(&source) else { return };
        let target = expand(&captures, &self.what.target_label);
        if is_label_name(&target) {
            labels.set(target, expand(&captures, &self.what.replacement));
        }
    }
}

fn set(labels: &mut Builder<'_>, target: &str, value: String) {
    labels.set(target.to_owned(), value);
}

fn expand(captures: &regex::Captures<'_>, template: &str) -> String {
    let mut text = String::new();
    captures.expand(template, &mut text);
    text
}

/// The last eight bytes of the MD5 digest. Nothing rests on its strength: it spreads targets.
fn md5(text: &[u8]) -> u64 {
    use md5::{Digest, Md5};
    let digest: [u8; 16] = Md5::digest(text).into();
    u64::from_be_bytes([digest[8], digest[9], digest[10], digest[11], digest[12], digest[13], digest[14], digest[15]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: Action) -> RuleArguments {
        RuleArguments { action, ..RuleArguments::default() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn apply(rules: &[RuleArguments], labels: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let labels = Labels::from_pairs(labels.iter().copied());
        let result = Rules::new(rules).unwrap().apply(&labels)?;
        Some(result.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn replace_fills_in_groups() {
        let mut replace = rule(Action::Replace);
        replace.source_labels = names(&["a", "b"]);
        replace.regex = "f(.*);(?P<rest>.*)r".into();
        replace.target_label = "d_${rest}".into();
        replace.replacement = "${1}-$rest-$$".into();
        assert_eq!(
            apply(&[replace.clone()], &[("a", "foo"), ("b", "bar")]),
            pairs(&[("a", "foo"), ("b", "bar"), ("d_ba", "oo-ba-$")])
        );
        assert_eq!(apply(&[replace.clone()], &[("a", "no")]), pairs(&[("a", "no")]));
        // A name that cannot be one: the rule does nothing.
        assert_eq!(apply(&[replace], &[("a", "f"), ("b", "-r")]), pairs(&[("a", "f"), ("b", "-r")]));
    }

    #[test]
    fn an_empty_result_removes_the_label() {
        let mut replace = rule(Action::Replace);
        replace.source_labels = names(&["missing"]);
        replace.target_label = "a".into();
        assert_eq!(apply(&[replace], &[("a", "1"), ("b", "2")]), pairs(&[("b", "2")]));
    }

    #[test]
    fn keep_and_drop_want_the_whole_value() {
        let mut keep = rule(Action::Keep);
        keep.source_labels = names(&["a"]);
        keep.regex = "fo".into();
        assert_eq!(apply(&[keep.clone()], &[("a", "foo")]), None);
        keep.regex = "fo.".into();
        assert!(apply(&[keep.clone()], &[("a", "fo\n")]).is_some());
        keep.action = Action::Drop;
        assert_eq!(apply(&[keep], &[("a", "foo")]), None);
    }

    #[test]
    fn equality_is_compared_without_expressions() {
        let mut equal = rule(Action::KeepEqual);
        equal.source_labels = names(&["a"]);
        equal.target_label = "b".into();
        assert!(apply(&[equal.clone()], &[("a", "x"), ("b", "x")]).is_some());
        assert!(apply(&[equal.clone()], &[("a", "x"), ("b", "y")]).is_none());
        equal.action = Action::DropEqual;
        assert!(apply(&[equal], &[("a", "x"), ("b", "x")]).is_none());
    }

    #[test]
    fn a_hash_is_the_low_half_of_md5() {
        let mut hash = rule(Action::HashMod);
        hash.source_labels = names(&["c"]);
        hash.target_label = "d".into();
        hash.modulus = 1000;
        // md5("baz") = 73feffa4b7f6bb68 e44cf984c85f6e88
        let expected = (0xe44c_f984_c85f_6e88_u64 % 1000).to_string();
        assert_eq!(apply(&[hash], &[("c", "baz")]), pairs(&[("c", "baz"), ("d", &expected)]));
    }

    #[test]
    fn names_are_mapped_dropped_and_kept() {
        let labels = [("__meta_my_bar", "aaa"), ("__meta_my_baz", "bbb"), ("other", "ccc")];
        let mut map = rule(Action::LabelMap);
        map.regex = "__meta_(my.*)".into();
        let mut drop = rule(Action::LabelDrop);
        drop.regex = "__meta_.*".into();
        assert_eq!(
            apply(&[map, drop.clone()], &labels),
            pairs(&[("my_bar", "aaa"), ("my_baz", "bbb"), ("other", "ccc")])
        );
        drop.action = Action::LabelKeep;
        drop.regex = "oth.*".into();
        assert_eq!(apply(&[drop], &labels), pairs(&[("other", "ccc")]));
    }

    #[test]
    fn cases_are_folded() {
        let mut lower = rule(Action::Lowercase);
        lower.source_labels = names(&["a"]);
        lower.target_label = "l".into();
        let mut upper = lower.clone();
        (upper.action, upper.target_label) = (Action::Uppercase, "u".into());
        assert_eq!(
            apply(&[lower, upper], &[("a", "BaR123Foo")]),
            pairs(&[("a", "BaR123Foo"), ("l", "bar123foo"), ("u", "BAR123FOO")])
        );
    }
}
