//! Regular expressions as users of Prometheus and Alloy write them: the syntax and meaning of RE2, run by `regex`.
//!
//! Both are linear in the text. They differ in details, which are translated here: `\d`, `\w`, `\s` and `\b` are
//! ASCII in RE2; `[` inside a class and `{` that opens no repetition stand for themselves; `\Q...\E` quotes; octal
//! escapes exist. `\B` stays Unicode's, which differs from RE2's only beside letters outside ASCII.

use regex::Regex;

/// Compiles an expression that may match anywhere in a text.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    build(&translate(pattern), pattern)
}

/// Compiles an expression that must match a whole text, and whose dot matches line ends too: the way of relabelling.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn anchored(pattern: &str) -> Result<Regex, String> {
    // Alone first: `a)(b` must not become valid inside the group.
    let inner = translate(pattern);
    build(&inner, pattern)?;
    build(&format!("^(?s:{inner})$"), pattern)
}

fn build(translated: &str, pattern: &str) -> Result<Regex, String> {
    Regex::new(translated).map_err(|error| {
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("error parsing regexp: {why}: `{pattern}`")
    })
}

/// The same expression in the syntax of `regex`.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '\\' => escape(rest, &mut out, false),
            '[' => class(rest, &mut out),
            '{' if !opens_repetition(rest) => {
                out.push_str("\\{");
                &rest[1..]
            }
            other => {
                out.push(other);
                &rest[other.len_utf8()..]
            }
        };
    }
    out
}

/// Translates the escape that `rest` begins with; what follows it is returned.
fn escape<'a>(rest: &'a str, out: &mut String, in_class: bool) -> &'a str {
    let Some(letter) = rest[1..].chars().next() else {
        out.push('\\');
        return "";
    };
    let after = &rest[1 + letter.len_utf8()..];
    match letter {
        'd' => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
        'w' => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
        's' => out.push_str(if in_class { "\\t\\n\\f\\r " } else { "[\\t\\n\\f\\r ]" }),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'S' => out.push_str("[^\\t\\n\\f\\r ]"),
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        // To `regex` these are ends of words.
        '<' | '>' => out.push(letter),
        'Q' if !in_class => {
            let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&regex::escape(quoted));
            return after;
        }
        'E' if !in_class => {}
        '0'..='7' if letter == '0' || after.starts_with(|c: char| ('0'..='7').contains(&c)) => {
            let digits = rest[1..].bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let code = u32::from_str_radix(&rest[1..=digits], 8).unwrap_or_default();
            out.push_str(&format!("\\x{{{code:x}}}"));
            return &rest[1 + digits..];
        }
        other => {
            out.push('\\');
            out.push(other);
        }
    }
    after
}

/// Translates the class that `rest` begins with.
fn class<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let mut rest = &rest[1..];
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = after;
    }
    while let Some(next) = rest.chars().next() {
        rest = match next {
            ']' => {
                out.push(']');
                return &rest[1..];
            }
            '\\' => escape(rest, out, true),
            '[' => match rest.strip_prefix("[:").and_then(|named| named.split_once(":]")) {
                Some((name, after)) if name.trim_start_matches('^').bytes().all(|byte| byte.is_ascii_lowercase()) => {
                    out.push_str(&format!("[:{name}:]"));
                    after
                }
                _ => {
                    out.push_str("\\[");
                    &rest[1..]
                }
            },
            // Operators between sets, to `regex`.
            '&' | '~' => {
                out.push('\\');
                out.push(next);
                &rest[1..]
            }
            '-' if rest.starts_with("--") => {
                out.push_str("-\\-");
                &rest[2..]
            }
            other => {
                out.push(other);
                &rest[other.len_utf8()..]
            }
        };
    }
    rest
}

/// Whether `{2}`, `{2,}` or `{2,3}` begins here.
fn opens_repetition(rest: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    rest[1..].split_once('}').is_some_and(|(inside, _)| match inside.split_once(',') {
        None => digits(inside),
        Some((least, most)) => digits(least) && (most.is_empty() || digits(most)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn means_what_re2_means() {
        for (pattern, text, matches) in [
            (r"\d+", "٣", false),
            (r"\w", "ä", false),
            (r"[^\W]", "a", true),
            (r"[\d_]+", "4_2", true),
            (r"a{,2}", "a{,2}", true),
            (r"a{2}", "aa", true),
            (r"{x}", "{x}", true),
            (r"[[a]+", "[a", true),
            (r"[[:alpha:]]+", "abc", true),
            (r"[]a]+", "]a", true),
            (r"[^]]", "]", false),
            (r"[a&&b]+", "&ab", true),
            (r"[+--]+", ",", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\Qa.b", "axb", false),
            (r"\101\x41", "AA", true),
            (r"\<x\>", "<x>", true),
            (r".", "\n", true),
            (r"(?i)KUBE.*", "kubelet", true),
            (r"(?P<a>x)(?<b>y)", "xy", true),
            (r"\pL+", "äb", true),
            (r"foo|bar", "foobar", false),
        ] {
            assert_eq!(anchored(pattern).unwrap().is_match(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_expression() {
        for pattern in ["(", "a)(b", "[a", "*", r"\", "(?<n", r"a\1"] {
            let error = anchored(pattern).unwrap_err();
            assert!(error.starts_with("error parsing regexp: ") && error.ends_with(&format!("`{pattern}`")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(pattern in r"[\\\[\]\{\}\(\)a-d0-9&~^,:QEdwsb*+?|.äß-]{0,24}") {
            let _ = compile(&pattern);
            let _ = anchored(&pattern);
        }

        #[test]
        fn a_quoted_text_matches_itself(text in r"\PC{0,20}") {
            prop_assert!(anchored(&regex::escape(&text)).unwrap().is_match(&text));
        }
    }
}
