//! Tokens, and where statements end.

use super::*;

/// Kinds by name; names, literals and comments as written, `;` for a terminator.
fn lex(text: &str) -> String {
    let mut lexer = Lexer::new(FileId(0), text);
    let mut out = Vec::new();
    loop {
        let token = lexer.next_token();
        match token.kind {
            Kind::Eof => break,
            Kind::Terminator => out.push(";"),
            Kind::Ident | Kind::Comment | Kind::Illegal => out.push(lexer.text(token)),
            Kind::Number | Kind::Float | Kind::String | Kind::Bool | Kind::Null => {
                out.push(token.kind.name());
                out.push(lexer.text(token));
            }
            kind => out.push(kind.name()),
        }
    }
    assert_eq!(lexer.next_token().kind, Kind::Eof);
    out.join(" ")
}

#[test]
fn operators_take_the_longest_sign() {
    assert_eq!(lex("||&&!====<=<>=>+-*/%^{}()[],."), "|| && != == = <= < >= > + - * / % ^ { } ( ) [ ] , .");
    assert_eq!(lex(".."), ". .");
}

#[test]
fn numbers_and_names() {
    assert_eq!(
        lex("1 1. .5 1.5 1e3 1.5E-7 0x1F 1.a"),
        "NUMBER 1 FLOAT 1. FLOAT .5 FLOAT 1.5 FLOAT 1e3 FLOAT 1.5E-7 NUMBER 0 x1F FLOAT 1. a ;"
    );
    assert_eq!(lex("true truee null _a1 größe a٣"), "BOOL true truee NULL null _a1 größe a٣ ;");
}

#[test]
fn only_some_tokens_end_a_statement() {
    for end in ["a", "1", "1.5", "\"s\"", "`r`", "true", "null", ")", "]", "}", "'x'"] {
        assert!(lex(&format!("{end}\n")).ends_with(" ;"), "{end}");
        assert!(lex(end).ends_with(" ;"), "{end} at the end of the file");
    }
    for open in ["+", "=", "{", "(", "[", ",", ".", "!", "||"] {
        assert!(!lex(&format!("{open}\n")).contains(';'), "{open}");
    }
    assert_eq!(lex("a\n\n\nb\r\n"), "a ; b ;");
    // A character that is no token changes nothing.
    assert_eq!(lex("a ?\n= ?\n"), "a ? ; = ?");
}

#[test]
fn a_comment_to_the_line_end_follows_the_terminator() {
    assert_eq!(lex("a // c\nb"), "a ; // c b ;");
    assert_eq!(lex("a /* c */\nb"), "a ; /* c */ b ;");
    assert_eq!(lex("a /* c */ /* d */ // e\nb"), "a ; /* c */ /* d */ // e b ;");
    assert_eq!(lex("a /* c\n */ b"), "a ; /* c\n */ b ;");
    assert_eq!(lex("a /* c */ b"), "a /* c */ b ;");
    assert_eq!(lex("a /* c */ / b"), "a /* c */ / b ;");
    assert_eq!(lex("a + // c\nb"), "a + // c b ;");
    assert_eq!(lex("a // c"), "a ; // c");
}

#[test]
fn spans_cover_the_text() {
    let text = "ab = \"é\" // c\n";
    let mut lexer = Lexer::new(FileId(0), text);
    let mut spans = Vec::new();
    loop {
        let token = lexer.next_token();
        spans.push((token.start, token.end));
        if token.kind == Kind::Eof {
            break;
        }
    }
    assert_eq!(spans, [(0, 2), (3, 4), (5, 9), (10, 10), (10, 14), (15, 15)]);
}

#[test]
fn spans_of_bytes_that_are_no_text_are_one_byte_long() {
    // Both stand right before a character of two bytes, which a longer span would cut.
    for text in ["?ޞ", "\"\\?ޞ\""] {
        let at = text.find('?').unwrap() as u32;
        let bad = [at];
        let mut lexer = Lexer::with_bad_bytes(FileId(0), text, &bad);
        while lexer.next_token().kind != Kind::Eof {}
        let spans: Vec<_> = lexer.diagnostics().iter().filter_map(|problem| problem.span).collect();
        assert!(spans.len() >= 2, "{:?}", lexer.diagnostics());
        for span in spans.iter().filter(|span| span.start == at) {
            assert_eq!(span.end, at + 1, "{:?}", lexer.diagnostics());
        }
    }
}

#[test]
fn a_lone_sign_of_a_pair_points_at_the_whole_character_behind_it() {
    for (text, len) in [("|ޜ", 2), ("& ", 1), ("|", 0)] {
        let mut lexer = Lexer::new(FileId(0), text);
        while lexer.next_token().kind != Kind::Eof {}
        let span = lexer.diagnostics()[0].span.unwrap();
        assert_eq!((span.start, span.end), (1, 1 + len), "{text}");
    }
}
