//! The `help:` lines: what someone who wrote this most likely meant, and what to write instead.

use crate::diag::Diagnostic;
use crate::ident::sanitize_identifier;
use crate::quote::quote;
use crate::token::TokenKind as Kind;

/// A snippet of the user's text for a message: short, one line.
fn snippet(text: &str) -> Option<&str> {
    (text.len() <= 60 && !text.contains(['\n', '\r'])).then_some(text)
}

/// `conditional` says that a `?` stands before the character on its line.
pub(crate) fn illegal_character(problem: Diagnostic, c: char, conditional: bool) -> Diagnostic {
    let help = match c {
        ':' if conditional => "there is no conditional operator",
        ':' => "attributes and object fields are written `name = value`, with `=`",
        ';' => "a statement ends at the end of its line; no `;` is needed",
        '#' => "comments start with `//`, or stand between `/*` and `*/`",
        '?' => "there is no conditional operator",
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' => "text stands in straight double quotes: \"text\"",
        '$' => "there is no `${...}`: join text with `+`, and read the environment with `sys.env(\"NAME\")`",
        '\u{a0}' => "this is a no-break space; replace it by a usual one",
        '\\' => "lines continue after an operator, a comma or an open bracket; no `\\` is needed",
        _ => return problem,
    };
    problem.with_help(help)
}

/// `raw` is the literal with its single quotes.
pub(crate) fn single_quoted(raw: &str) -> String {
    let inside = raw.strip_prefix('\'').and_then(|r| r.strip_suffix('\'')).unwrap_or("");
    match snippet(inside) {
        Some(inside) if inside.contains(['"', '\\']) && !inside.contains('`') => {
            format!("write `{inside}` in backticks")
        }
        Some(inside) if !inside.is_empty() && !inside.contains(['"', '\\']) => format!("write \"{inside}\""),
        _ => "text stands in double quotes, or in backticks if it holds quotes or backslashes".to_owned(),
    }
}

pub(crate) fn unterminated_string(problem: Diagnostic, quote: char) -> Diagnostic {
    problem.with_help(match quote {
        '`' => "the closing backtick is missing",
        '"' => "the closing `\"` is missing; text of several lines stands in backticks",
        _ => "text stands in double quotes; text of several lines in backticks",
    })
}

/// `line` is the rest of the line from the opening quote on.
pub(crate) fn unknown_escape(problem: Diagnostic, c: char, line: &str) -> Diagnostic {
    if line.starts_with('\'') {
        // The single quotes have been reported, with what to write.
        return problem;
    }
    if c == '\'' {
        return problem.with_help("a single quote needs no backslash");
    }
    // The literal up to its closing quote, if it is on this line.
    let mut escaped = false;
    let end = line.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    let inside = end.and_then(|(end, _)| line.get(1..end)).and_then(snippet);
    problem.with_help(match inside {
        Some(inside) if !inside.contains('`') && !inside.contains("\\\\") && !inside.contains("\\\"") => {
            format!("in backticks a backslash stands for itself: `{inside}`")
        }
        _ => "double the backslash, or put the text in backticks, where it stands for itself".to_owned(),
    })
}

/// A name was expected at the start of a statement.
pub(crate) fn statement_start(got: Kind, text: &str) -> Option<String> {
    Some(match got {
        Kind::Bool | Kind::Null => format!("`{text}` is a keyword and cannot be a name"),
        Kind::RightCurly => "this `}` closes nothing; a `{` may be missing before it".to_owned(),
        Kind::LeftCurly => "the `{` of a block stands on the line of its name".to_owned(),
        Kind::String => "names of attributes and blocks stand without quotes".to_owned(),
        Kind::Add | Kind::Sub | Kind::Mul | Kind::Div | Kind::Mod | Kind::Pow | Kind::Or | Kind::And => {
            format!(
                "an expression continues on the next line only behind its operator: end the line before with `{text}`"
            )
        }
        _ => return None,
    })
}

/// The name of a field or a block's part was expected behind a dot.
pub(crate) fn name_after_dot(got: Kind, text: &str) -> Option<String> {
    match got {
        Kind::Bool | Kind::Null => {
            Some(format!("`{text}` is a keyword; a field of this name is read with `[\"{text}\"]`"))
        }
        Kind::Number => Some(format!("elements of arrays are read with `[{text}]`")),
        Kind::String => Some(format!("fields are read with `.name` or `[{text}]`, without the dot")),
        _ => None,
    }
}

/// A label, `{` or `=` was expected behind a block's name.
pub(crate) fn label(name: &str, got: Kind, text: &str) -> Option<String> {
    match got {
        Kind::Ident => Some(format!("labels stand in double quotes: {name} \"{text}\"")),
        Kind::Bool | Kind::Null => Some(format!("`{text}` is a keyword and cannot be a label")),
        Kind::Number | Kind::Float => Some("a value is set with `=`".to_owned()).filter(|_| !name.contains('.')),
        Kind::Terminator => Some(format!("write `{name} = value` to set an attribute, `{name} {{` to open a block"))
            .filter(|_| !name.contains('.')),
        Kind::Illegal if text.starts_with('\'') => Some("labels stand in double quotes".to_owned()),
        _ => None,
    }
}

pub(crate) fn raw_label(text: &str) -> Option<String> {
    let inside = snippet(text.trim_matches('`'))?;
    sanitize_identifier(inside).map(|name| format!("write \"{name}\""))
}

pub(crate) fn bad_label(label: &str) -> Option<String> {
    if matches!(label, "true" | "false" | "null") {
        return Some(format!("`{label}` is a keyword and cannot be a label"));
    }
    let name = sanitize_identifier(snippet(label)?)?;
    Some(format!("labels are letters, digits and `_`, and start with no digit: {}", quote(&name)))
}

/// `=` or `{` was expected behind a name and perhaps a label.
pub(crate) fn body(name: &str, label: Option<&str>, got: Kind) -> Option<String> {
    if got != Kind::Terminator {
        return None;
    }
    let block = "the `{` of a block stands on the line of its name";
    Some(match label {
        _ if name.contains('.') => block.to_owned(),
        None => format!("write `{name} = value` to set an attribute; {block}"),
        Some(label) => format!("write `{name} = {label}` to set an attribute; {block}"),
    })
}

/// An expression was expected.
pub(crate) fn expression(got: Kind) -> Option<String> {
    let help = match got {
        Kind::Terminator | Kind::Eof => "the value starts on the line of its `=` or operator",
        Kind::RightParen => "empty parentheses are no value",
        Kind::RightCurly => "a value, or a `]` or `)`, is missing before this `}`",
        Kind::RightBracket => "a value, or a `}` or `)`, is missing before this `]`",
        Kind::Assign => "values are compared with `==`",
        Kind::Lt => "text of several lines stands in backticks",
        _ => return None,
    };
    Some(help.to_owned())
}

/// An element or field was not followed by a comma.
pub(crate) fn comma(got: Kind, close: &str) -> String {
    if got == Kind::Terminator {
        format!("an element at the end of a line needs a comma behind it, also the last one before `{close}`")
    } else {
        "elements are separated by commas".to_owned()
    }
}

pub(crate) fn field_name(got: Kind, text: &str) -> Option<String> {
    match got {
        Kind::Bool | Kind::Null | Kind::Number | Kind::Float => {
            Some(format!("put the key in double quotes: \"{text}\""))
        }
        Kind::Illegal if text.starts_with('\'') => Some("put the key in double quotes".to_owned()),
        _ => None,
    }
}

/// A statement was not followed by a line end. `first` says that the token is the first of its line: reading went on
/// there after an error.
pub(crate) fn terminator(got: Kind, text: &str, first: bool) -> Option<String> {
    let help = match got {
        Kind::Ident if first => "reading went on here after the error above; this line may well be right",
        Kind::Ident => "each statement stands on its own line",
        Kind::Comma => {
            "only the elements of `[...]`, `{...}` and calls are separated by commas; statements stand on lines"
        }
        Kind::RightCurly => "this `}` closes nothing; a `{` may be missing before it",
        Kind::RightBracket => "this `]` closes nothing",
        Kind::RightParen => "this `)` closes nothing",
        Kind::Assign => {
            "values are compared with `==`; if a statement starts on this line, the value before it is missing"
        }
        Kind::Float if text.starts_with('.') => {
            return Some(format!("elements of arrays are read with `[{}]`", &text[1..]));
        }
        _ => return None,
    };
    Some(help.to_owned())
}
