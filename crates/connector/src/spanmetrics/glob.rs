//! Names of attributes with wildcards, as the span metrics connector of the Collector takes them: `*` and `?` stop at
//! dots, `**` does not; `[a-z]`, `[!a-z]`, `{one,two}`; a backslash takes the next letter as it is.

use corten_signal::regexp;
use regex::Regex;

/// The pattern as an expression.
///
/// # Errors
/// A bracket or brace is not closed, or a class is none.
pub(crate) fn compile(glob: &str) -> Result<Regex, String> {
    let mut expression = String::with_capacity(glob.len() * 2);
    let mut letters = glob.chars().peekable();
    let mut open = 0;
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.next_if_eq(&'*').is_some() => {
                while letters.next_if_eq(&'*').is_some() {}
                expression.push_str(".*");
            }
            '*' => expression.push_str("[^.]*"),
            '?' => expression.push_str("[^.]"),
            '[' => {
                expression.push('[');
                if letters.next_if_eq(&'!').is_some() {
                    expression.push('^');
                }
                let mut closed = false;
                for inside in letters.by_ref() {
                    closed = inside == ']';
                    match inside {
                        ']' => break,
                        '-' => expression.push('-'),
                        other => push_literal(&mut expression, other),
                    }
                }
                if !closed {
                    return Err("a `[` is not closed".to_owned());
                }
                expression.push(']');
            }
            '{' => {
                open += 1;
                expression.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                expression.push(')');
            }
            ',' if open > 0 => expression.push('|'),
            '\\' => push_literal(&mut expression, letters.next().unwrap_or('\\')),
            other => push_literal(&mut expression, other),
        }
    }
    if open > 0 {
        return Err("a `{` is not closed".to_owned());
    }
    regexp::anchored(&expression)
}

fn push_literal(expression: &mut String, letter: char) {
    if letter.is_ascii_punctuation() {
        expression.push('\\');
    }
    expression.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stop_at_dots() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("http.*", &["http.method", "http."], &["http.request.method", "httpx", "http"]),
            ("http.**", &["http.method", "http.request.method"], &["http"]),
            ("*", &["region", ""], &["cloud.region"]),
            ("db.{name,system}", &["db.name", "db.system"], &["db.user", "db.{name,system}"]),
            ("a?c", &["abc"], &["a.c", "ac"]),
            ("[a-c]x[!0-9]", &["axy", "cx_"], &["dxy", "ax1"]),
            (r"a\*", &["a*"], &["ab"]),
            ("ä$^(", &["ä$^("], &["ä"]),
        ];
        for (glob, yes, no) in cases {
            let expression = compile(glob).unwrap();
            yes.iter().for_each(|name| assert!(expression.is_match(name), "{glob} should match {name}"));
            no.iter().for_each(|name| assert!(!expression.is_match(name), "{glob} should not match {name}"));
        }
    }

    #[test]
    fn what_is_open_must_be_closed() {
        assert!(compile("a[b").is_err() && compile("{a,b").is_err() && compile("[]").is_err());
    }
}
