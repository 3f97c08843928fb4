//! Formatting what was formatted changes nothing, and no token is lost or changed.

#![no_main]

use corten_syntax::{FileId, Lexer, TokenKind, format};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(once) = format(text) else { return };
    match format(&once) {
        Ok(twice) => assert_eq!(once, twice, "not idempotent"),
        Err(problems) => panic!("what was printed is not accepted: {problems:?}\n{once}"),
    }
    assert_eq!(tokens(text), tokens(&once), "tokens changed");
});

/// What formatting must keep: all tokens but commas before a closing bracket and empty labels; and comments.
fn tokens(text: &str) -> (Vec<&str>, Vec<String>) {
    let mut lexer = Lexer::new(FileId(0), text);
    let (mut tokens, mut comments): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    loop {
        let token = lexer.next_token();
        let word = lexer.text(token);
        match token.kind {
            TokenKind::Eof => return (tokens, comments),
            TokenKind::Terminator => continue,
            TokenKind::Comment => {
                // The lines of a block comment may be indented anew; carriage returns go.
                let first = word.lines().next().unwrap_or_default().replace('\r', "");
                comments.push(first.trim_end().to_owned());
                continue;
            }
            TokenKind::RightBracket | TokenKind::RightCurly | TokenKind::RightParen
                if tokens.last() == Some(&",") =>
            {
                tokens.pop();
            }
            TokenKind::LeftCurly if tokens.last() == Some(&"\"\"") => {
                tokens.pop();
            }
            _ => {}
        }
        tokens.push(word);
    }
}
