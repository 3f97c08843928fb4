//! Golden layouts, and what holds for every file.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::diag::Severity;

fn check(text: &str, expected: Expect) {
    let formatted = format(text).expect("a valid file");
    // Golden texts stand between bars, so that blank lines at either end show.
    expected.assert_eq(&format!("|\n{formatted}|\n"));
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "formatting again changes it");
    assert_eq!(tokens(text), tokens(&formatted));
}

/// What formatting must keep: all tokens but commas before a closing bracket and empty labels, and all comments.
fn tokens(text: &str) -> (Vec<String>, Vec<String>) {
    let mut map = SourceMap::default();
    let (file, problems) = crate::parse(&mut map, "", text);
    assert_eq!(problems, [], "{text}");
    let mut lexer = Lexer::new(crate::FileId(0), text);
    let mut all: Vec<(Kind, String)> = Vec::new();
    loop {
        let token = lexer.next_token();
        match token.kind {
            Kind::Eof => break,
            Kind::Comment | Kind::Terminator => continue,
            Kind::RightBracket | Kind::RightCurly | Kind::RightParen
                if all.last().is_some_and(|(kind, _)| *kind == Kind::Comma) =>
            {
                all.pop();
            }
            Kind::LeftCurly if all.last().is_some_and(|(_, text)| text == "\"\"") => {
                all.pop();
            }
            _ => {}
        }
        all.push((token.kind, lexer.text(token).to_owned()));
    }
    let comments = file.comments.iter().map(|comment| comment.text.to_string()).collect();
    (all.into_iter().map(|(_, text)| text).collect(), comments)
}

#[test]
fn nothing() {
    check(
        "",
        expect![[r#"
        |

        |
    "#]],
    );
    check(
        "\n\n // only\n\n\n/* comments */\n\n",
        expect![[r#"
        |
        // only

        /* comments */
        |
    "#]],
    );
    check(
        "\u{feff}a=1",
        expect![[r#"
        |
        a = 1
        |
    "#]],
    );
}

#[test]
fn attributes_align_over_runs() {
    check(
        "a=1\nbbb  =  2 // x\ncc= \"é\"  // y\n\n\n\nd=1\nlonger=2",
        expect![[r#"
        |
        a   = 1
        bbb = 2   // x
        cc  = "é" // y

        d      = 1
        longer = 2
        |
    "#]],
    );
    check(
        "a = 1\nbbb = [\n1,\n]\ncc = 2\ndddd = 3\n",
        expect![[r#"
        |
        a   = 1
        bbb = [
        	1,
        ]
        cc   = 2
        dddd = 3
        |
    "#]],
    );
    check(
        "é = 1\nab = 2\n",
        expect![[r#"
        |
        é  = 1
        ab = 2
        |
    "#]],
    );
}

#[test]
fn blocks() {
    check(
        "a{}\nb \"c\"{ d=1 }\ne \"\"  {\n\n\n}\nf=1\ng.h.i { j = 1\nk { } }\nl = 1\n\nm = 2\n",
        expect![[r#"
        |
        a { }

        b "c" {
        	d = 1
        }

        e { }
        f = 1

        g.h.i {
        	j = 1

        	k { }
        }
        l = 1

        m = 2
        |
    "#]],
    );
    check(
        "a { // why\n// first\nb = 1 // b\n\n// last\n}\nc { // empty\n}\nd {\n// only\n}\n",
        expect![[r#"
        |
        a { // why
        	// first
        	b = 1 // b

        	// last
        }

        c { // empty
        }

        d {
        	// only
        }
        |
    "#]],
    );
}

#[test]
fn arrays() {
    check(
        "a = [1,2,3,]\nb = [1,\n2,\n\n3,\n]\nc = [\n[],{},\n{\nd = 1,\n}, \"e\",\n]\nf = [0, {\ng = 1,\n}]\n",
        expect![[r#"
            |
            a = [1, 2, 3]
            b = [1,
            	2,
            	3,
            ]
            c = [
            	[], {},
            	{
            		d = 1,
            	}, "e",
            ]
            f = [0, {
            	g = 1,
            }]
            |
        "#]],
    );
    check(
        "a = [ // one\n0, 1, // two\n2, 3, // three\n// four\n]\n",
        expect![[r#"
        |
        a = [ // one
        	0, 1, // two
        	2, 3, // three
        	// four
        ]
        |
    "#]],
    );
}

#[test]
fn objects() {
    check(
        "a = {b=1, \"c d\"=2}\ne = {\nb = 1,\nlong = 2, // x\nf = {\n g = 1,\nhi = 2,\n},\nj = 3,\n}\n",
        expect![[r#"
            |
            a = {b = 1, "c d" = 2}
            e = {
            	b    = 1,
            	long = 2, // x
            	f    = {
            		g  = 1,
            		hi = 2,
            	},
            	j = 3,
            }
            |
        "#]],
    );
    check(
        "a = {}\nb = { c = [\n1,\n], d = 2 }\n",
        expect![[r#"
        |
        a = {}
        b = {c = [
        		1,
        	],
        	d = 2}
        |
    "#]],
    );
    check(
        "a = { b = 1, cc = 2,\nddd = 3,\n}\n",
        expect![[r#"
        |
        a = {b = 1, cc = 2,
        	ddd  = 3,
        }
        |
    "#]],
    );
}

#[test]
fn calls() {
    check(
        "a = f( 1,2 )\nb = f(1,\n2, 3,\n4)\nc = f(\n1,\n2,\n)\nd = f({\ne = 1,\nff = 2,\n})\ng = h(\n)\n",
        expect![[r#"
            |
            a = f(1, 2)
            b = f(1,
            	2, 3,
            	4)
            c = f(
            	1,
            	2,
            )
            d = f({
            	e  = 1,
            	ff = 2,
            })
            g = h()
            |
        "#]],
    );
    check(
        "a = f( // one\n1, // two\n// three\n2)\n",
        expect![[r#"
        |
        a = f( // one
        	1, // two
        	// three
        	2)
        |
    "#]],
    );
}

#[test]
fn operators() {
    check(
        "a = 1+2*-3 ^ !b\nc = (1+\n2)\nd = e . f [ 0 ] (1) . g\nh = 1 .i\nj = 1.5.k\nl = 1 + // one\n2\n",
        expect![[r#"
            |
            a = 1 + 2 * -3 ^ !b
            c = (1 + 2)
            d = e.f[0](1).g
            h = 1 .i
            j = 1.5.k
            l = 1 + // one
            2
            |
        "#]],
    );
}

#[test]
fn literals_are_verbatim() {
    check(
        "a = `b \n\tc\t\n` // d\nee = \"f\tg  \\\\\"\nh = {\"i\\\\d\" = 1, `j` = 2}\n",
        expect![[r#"
            |
            a = `b 
            	c	
            ` // d
            ee = "f	g  \\"
            h  = {"i\\d" = 1, `j` = 2}
            |
        "#]],
    );
}

#[test]
fn comments_stay_where_they_were() {
    check(
        "a /* b */ = /* c */ 1 /* d */ // e\nf = [1 /* g */, /* h */ 2]\ni = 1 /* j\n k */\n\n\n\n// l  \nm = 2\r\n",
        expect![[r#"
            |
            a /* b */ = /* c */ 1 /* d */ // e
            f         = [1 /* g */, /* h */ 2]
            i         = 1 /* j
             k */

            // l  
            m = 2
            |
        "#]],
    );
}

#[test]
fn errors_are_those_of_the_parser() {
    let problems = format("a = \nb = 'c'").unwrap_err();
    assert!(problems.iter().all(|p| p.severity == Severity::Error));
    let mut map = SourceMap::default();
    assert_eq!(format_bytes(&mut map, "x", b"a = \xff").unwrap_err()[0].message, "illegal UTF-8 encoding");
}

/// Blanks between tokens; with `lines` also line ends and comments that run to one.
fn gap(lines: bool) -> BoxedStrategy<String> {
    let blank = prop_oneof![8 => Just(""), 4 => Just(" "), 2 => Just("\t "), 1 => Just(" /* c */ "), 1 => Just("/**/")];
    if !lines {
        return blank.prop_map(str::to_owned).boxed();
    }
    let end = prop_oneof![3 => Just("\n"), 1 => Just("\n\n\n"), 1 => Just(" // l\n"), 1 => Just("\n/* m */\n"), 1 => Just("\n// n\n"), 1 => Just("/* o\n p */")];
    (blank, proptest::option::weighted(0.3, end))
        .prop_map(|(blank, end)| format!("{blank}{}", end.unwrap_or("")))
        .boxed()
}

fn list(open: &'static str, close: &'static str, item: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let items = prop::collection::vec((gap(true), item, gap(false)), 0..4);
    (items, proptest::bool::ANY, gap(true))
        .prop_map(move |(items, trailing, last)| {
            let mut text = open.to_owned();
            let count = items.len();
            for (index, (before, item, after)) in items.into_iter().enumerate() {
                text += &format!("{before}{item}{after}");
                if index + 1 < count || trailing {
                    text.push(',');
                }
            }
            // Only behind a comma or the opening bracket may a line end.
            if trailing || count == 0 {
                text += &last;
            }
            text + close
        })
        .boxed()
}

fn value() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("1"),
        Just("0755"),
        Just("1.5"),
        Just("\"a\\\\b\tc \""),
        Just("`r \n\t s\n`"),
        Just("`t`"),
        Just("null"),
        Just("true"),
        Just("abc"),
        Just("a.b[0].c"),
        Just("1 .d"),
        Just("é"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![Just("k"), Just("long_key"), Just("\"q\\\\d\""), Just("\"\""), Just("`b`")];
        let field = (key, gap(false), gap(true), inner.clone()).prop_map(|(k, a, b, v)| format!("{k}{a}={b}{v}"));
        let operator = prop_oneof![Just("+"), Just("-"), Just("^"), Just("=="), Just("&&"), Just("/")];
        prop_oneof![
            list("[", "]", inner.clone()),
            list("{", "}", field.boxed()),
            list("f(", ")", inner.clone().boxed()),
            (inner.clone(), gap(false), operator, gap(true), inner.clone())
                .prop_map(|(l, a, o, b, r)| format!("{l}{a} {o} {b}{r}")),
            (gap(true), inner.clone(), gap(false)).prop_map(|(a, v, b)| format!("({a}{v}{b})")),
            (prop_oneof![Just("-"), Just("!")], inner).prop_map(|(o, v)| format!("{o}{v}")),
        ]
    })
    .boxed()
}

fn file() -> BoxedStrategy<String> {
    let name = prop_oneof![Just("a"), Just("bcd"), Just("long_name"), Just("é")];
    let end = prop_oneof![6 => Just("\n"), 2 => Just("\n\n\n"), 1 => Just(" // e\n"), 1 => Just(" /* f\n g */\n"), 1 => Just("\n// h  \n"), 1 => Just("\r\n")];
    let attribute = (name.clone(), gap(false), gap(true), value()).prop_map(|(n, a, b, v)| format!("{n}{a}={b}{v}"));
    let statement = attribute.prop_recursive(3, 20, 4, move |inner| {
        let label = prop_oneof![Just(""), Just(" \"l\""), Just("\"\"")];
        let open = prop_oneof![4 => Just("\n"), 1 => Just(""), 1 => Just(" // i\n"), 1 => Just("\n// j\n")];
        let body = prop::collection::vec((inner, prop_oneof![3 => Just("\n"), 1 => Just(" // k\n\n")]), 0..4);
        (prop_oneof![Just("b"), Just("b.c . d")], label, gap(false), open, body, gap(false)).prop_map(
            |(name, label, gap, open, body, last)| {
                let body: String = body.into_iter().map(|(s, e)| format!("{s}{e}")).collect();
                format!("{name}{label}{gap}{{{open}{body}{last}}}")
            },
        )
    });
    prop::collection::vec((statement, end), 0..6)
        .prop_map(|list| list.into_iter().map(|(s, e)| format!("{s}{e}")).collect())
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn formatting_is_a_fixed_point_and_keeps_tokens_and_comments(text in file()) {
        let formatted = format(&text).map_err(|p| TestCaseError::fail(std::format!("{p:?}")))?;
        prop_assert_eq!(tokens(&text), tokens(&formatted));
        prop_assert_eq!(format(&formatted), Ok(formatted.clone()));
        prop_assert!(formatted.ends_with('\n'));
    }
}
