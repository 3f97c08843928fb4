//! What counts as a name: letters of any script, `_`, and decimal digits behind the first character.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// Whether a character may start a name.
pub(crate) fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic() || c == '_';
    }
    matches!(
        get_general_category(c),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
    )
}

/// Whether a character is a decimal digit of any script.
pub(crate) fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && get_general_category(c) == Category::DecimalNumber
}

/// Whether a character shows as itself in a message: letters, marks, numbers, punctuation, symbols and the space.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    !matches!(
        get_general_category(c),
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::Unassigned
            | Category::SpaceSeparator
            | Category::LineSeparator
            | Category::ParagraphSeparator
    )
}

/// Whether `text` can be a name or a label: a letter or `_`, then letters, digits and `_`, and no keyword.
pub fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_letter)
        && chars.all(|c| is_letter(c) || is_digit(c))
        && !matches!(text, "true" | "false" | "null")
}

/// The nearest identifier to any text: foreign characters become `_`; `None` for an empty text.
pub fn sanitize_identifier(text: &str) -> Option<String> {
    let first = text.chars().next()?;
    let mut name = String::with_capacity(text.len() + 1);
    if is_digit(first) {
        name.push('_');
    }
    name.extend(text.chars().map(|c| if is_letter(c) || is_digit(c) { c } else { '_' }));
    if !is_identifier(&name) {
        name.insert(0, '_');
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_script_but_no_marks_or_letter_numbers() {
        for good in ["a", "_", "a1", "größe", "名前", "a٣", "_9"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "1a", "a-b", "a b", "true", "null", "Ⅷ", "a.b", "e\u{301}", "\u{feff}a"] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }

    #[test]
    fn sanitizing_gives_an_identifier() {
        assert_eq!(sanitize_identifier("my token").as_deref(), Some("my_token"));
        assert_eq!(sanitize_identifier("9-lives").as_deref(), Some("_9_lives"));
        assert_eq!(sanitize_identifier("null").as_deref(), Some("_null"));
        assert_eq!(sanitize_identifier(""), None);
    }
}
