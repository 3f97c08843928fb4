//! Reading paths.

use regex::Regex;

use super::Step;
use super::filter::{Equation, Operator};
use crate::value::{Number, Value};

/// How deep filters may nest.
const MAX_DEPTH: usize = 64;

/// How many operators may follow each other; each makes the tree one higher.
const MAX_OPERATORS: usize = 128;

pub(super) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut parser = Parser { text: path, at: 0, depth: 0 };
    let steps = parser.steps()?;
    if parser.at < path.len() { Err(parser.error("parse error")) } else { Ok(steps) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Whether a character can stand in a bare name.
fn in_name(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "#%;?^_{}~".contains(c)
}

impl Parser<'_> {
    fn error(&self, message: &str) -> String {
        format!("{message} at {} in {}", self.at + 1, self.text)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        self.blanks();
        if self.take(c) { Ok(()) } else { Err(self.error("not terminated")) }
    }

    fn blanks(&mut self) {
        while self.take(' ') {}
    }

    fn steps(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        while let Some(c) = self.peek() {
            let first = steps.is_empty();
            let step = match c {
                '$' if first => {
                    self.at += 1;
                    Step::Root
                }
                '@' if first => {
                    self.at += 1;
                    Step::Current
                }
                '.' => {
                    self.at += 1;
                    if self.take('.') { Step::Descent } else { self.after_dot()? }
                }
                '*' => {
                    self.at += 1;
                    Step::Wildcard
                }
                '[' => {
                    self.at += 1;
                    self.bracket()?
                }
                c if in_name(c) && (first || matches!(steps.last(), Some(Step::Descent))) => Step::Child(self.name()),
                _ => break,
            };
            steps.push(step);
        }
        Ok(steps)
    }

    fn after_dot(&mut self) -> Result<Step, String> {
        match self.peek() {
            None => Err(self.error("not terminated")),
            Some('*') => {
                self.at += 1;
                Ok(Step::Wildcard)
            }
            Some(c) if in_name(c) => Ok(Step::Child(self.name())),
            Some(c) => Err(self.error(&format!("an expression fragment can not start with a '{c}'"))),
        }
    }

    fn name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let name = &rest[..rest.find(|c| !in_name(c)).unwrap_or(rest.len())];
        self.at += name.len();
        name.to_owned()
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.blanks();
        match self.peek() {
            None => Err(self.error("not terminated")),
            Some('*') => {
                self.at += 1;
                self.expect(']')?;
                Ok(Step::Wildcard)
            }
            Some('?') => {
                self.at += 1;
                let equation = self.equation()?;
                self.expect(']')?;
                Ok(Step::Filter(equation))
            }
            Some(':') => self.slice(0),
            Some('\'' | '"' | '-' | '0'..='9') => {
                let member = self.member()?;
                self.blanks();
                match (self.peek(), member) {
                    (Some(':'), Step::Nth(start)) => self.slice(start),
                    (Some(']'), member) => {
                        self.at += 1;
                        Ok(member)
                    }
                    (Some(','), member) => self.union(member),
                    _ => Err(self.error("invalid bracket fragment")),
                }
            }
            Some('(') => Err(self.error("scripts are not supported")),
            Some(_) => Err(self.error("parse error")),
        }
    }

    fn member(&mut self) -> Result<Step, String> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                self.string(quote).map(Step::Child)
            }
            _ => self.integer().map(Step::Nth),
        }
    }

    fn union(&mut self, first: Step) -> Result<Step, String> {
        let mut members = vec![first];
        while self.take(',') {
            self.blanks();
            if !matches!(self.peek(), Some('\'' | '"' | '-' | '0'..='9')) {
                return Err(self.error("invalid union syntax"));
            }
            members.push(self.member()?);
            self.blanks();
        }
        if self.take(']') { Ok(Step::Union(members)) } else { Err(self.error("invalid union syntax")) }
    }

    fn slice(&mut self, start: i64) -> Result<Step, String> {
        let bound = |parser: &mut Self| -> Result<Option<i64>, String> {
            if !parser.take(':') {
                return Ok(None);
            }
            parser.blanks();
            let number = match parser.peek() {
                Some('-' | '0'..='9') => Some(parser.integer()?),
                _ => None,
            };
            parser.blanks();
            Ok(number)
        };
        let end = bound(self)?;
        let step = bound(self)?.unwrap_or(1);
        if self.take(']') { Ok(Step::Slice { start, end, step }) } else { Err(self.error("invalid slice syntax")) }
    }

    fn integer(&mut self) -> Result<i64, String> {
        let start = self.at;
        self.take('-');
        while matches!(self.peek(), Some('0'..='9')) {
            self.at += 1;
        }
        self.text[start..self.at].parse().map_err(|_| self.error("expected a number"))
    }

    /// The rest of a string in quotes.
    fn string(&mut self, quote: char) -> Result<String, String> {
        let mut out = String::new();
        loop {
            match self.next().ok_or_else(|| self.error("not terminated"))? {
                c if c == quote => return Ok(out),
                '\\' => {
                    let c = self.next().ok_or_else(|| self.error("not terminated"))?;
                    out.push(match c {
                        'b' => '\x08',
                        't' => '\t',
                        'n' => '\n',
                        'f' => '\x0c',
                        'r' => '\r',
                        '"' | '\'' | '\\' => c,
                        'x' => self.code(2)?,
                        'u' | 'U' => self.code(4)?,
                        c => return Err(self.error(&format!("'{c}' is not a valid escaped character"))),
                    });
                }
                c => out.push(c),
            }
        }
    }

    fn code(&mut self, digits: usize) -> Result<char, String> {
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.next().and_then(|c| c.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.error("not a valid hexadecimal character"))?;
        }
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn equation(&mut self) -> Result<Equation, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let equation = self.operation(u8::MAX)?;
        self.depth -= 1;
        Ok(equation)
    }

    /// Operators that bind at least as tightly as `loosest` (small numbers bind tightly), from the left.
    fn operation(&mut self, loosest: u8) -> Result<Equation, String> {
        let mut left = self.operand()?;
        for _ in 0..MAX_OPERATORS {
            self.blanks();
            if matches!(self.peek(), None | Some(',' | ')' | ']')) {
                return Ok(left);
            }
            let before = self.at;
            let operator = self.operator()?;
            let precedence = operator.precedence();
            if precedence > loosest {
                self.at = before;
                return Ok(left);
            }
            let right = self.operation(precedence - 1)?;
            left = Equation::Binary(operator, Box::new(left), Box::new(right));
        }
        Err(self.error("too many operators"))
    }

    fn operator(&mut self) -> Result<Operator, String> {
        const ALL: [(&str, Operator); 18] = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::LessEqual),
            (">=", Operator::GreaterEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("||", Operator::Or),
            ("&&", Operator::And),
            ("=~", Operator::Matches),
            ("~=", Operator::Matches),
            ("+", Operator::Add),
            ("-", Operator::Subtract),
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("in", Operator::In),
            ("empty", Operator::Empty),
            ("has", Operator::Exists),
            ("exists", Operator::Exists),
        ];
        let rest = &self.text[self.at..];
        match ALL.iter().find(|(sign, _)| rest.starts_with(sign)) {
            Some((sign, operator)) => {
                self.at += sign.len();
                Ok(*operator)
            }
            None => Err(self.error("not a valid operation")),
        }
    }

    fn operand(&mut self) -> Result<Equation, String> {
        self.blanks();
        match self.peek() {
            // It spans all that follows, as in the peer.
            Some('!') => {
                self.at += 1;
                Ok(Equation::Not(Box::new(self.equation()?)))
            }
            Some('-' | '0'..='9') => self.number().map(Equation::Constant),
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                Ok(Equation::Constant(Value::string(self.string(quote)?)))
            }
            Some('@' | '$') => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error("nested too deeply"));
                }
                let steps = self.steps()?;
                self.depth -= 1;
                Ok(Equation::Path(steps))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.equation()?;
                self.expect(')')?;
                Ok(inner)
            }
            Some('[') => {
                self.at += 1;
                self.list()
            }
            Some('/') => {
                self.at += 1;
                self.regex()
            }
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Equation, String> {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
        let constant = match word {
            "Nothing" => Equation::Nothing,
            "true" => Equation::Constant(Value::Bool(true)),
            "false" => Equation::Constant(Value::Bool(false)),
            "null" => Equation::Constant(Value::Null),
            "length" | "count" | "match" | "search" => {
                let word = word.to_owned();
                self.at += word.len();
                return self.function(&word);
            }
            word => return Err(self.error(&format!("'{word}' is not a value or function"))),
        };
        self.at += word.len();
        Ok(constant)
    }

    fn function(&mut self, name: &str) -> Result<Equation, String> {
        self.expect('(').map_err(|_| self.error(&format!("expected a {name} function")))?;
        let left = self.equation()?;
        self.blanks();
        let right = if self.take(',') { self.equation()? } else { Equation::Nothing };
        self.expect(')')?;
        Ok(match name {
            "length" => Equation::Length(Box::new(left)),
            "count" => Equation::Count(Box::new(left)),
            "match" => Equation::Binary(Operator::MatchWhole, Box::new(left), Box::new(right)),
            _ => Equation::Binary(Operator::Search, Box::new(left), Box::new(right)),
        })
    }

    fn list(&mut self) -> Result<Equation, String> {
        let mut elements = Vec::new();
        loop {
            self.blanks();
            if self.take(']') {
                return Ok(Equation::Constant(Value::array(elements)));
            }
            match self.equation()? {
                Equation::Constant(value) => elements.push(value),
                _ => return Err(self.error("expected a constant")),
            }
            self.blanks();
            if !self.take(',') && self.peek() != Some(']') {
                return Err(self.error("expected a comma or an array close"));
            }
        }
    }

    fn regex(&mut self) -> Result<Equation, String> {
        let start = self.at;
        loop {
            match self.next().ok_or_else(|| self.error("not terminated"))? {
                '/' => break,
                '\\' => {
                    self.next();
                }
                _ => {}
            }
        }
        let regex = Regex::new(&self.text[start..self.at - 1]).map_err(|_| self.error("invalid regular expression"))?;
        Ok(Equation::Regex(regex))
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        self.take('-');
        let digits = |parser: &mut Self| {
            while matches!(parser.peek(), Some('0'..='9')) {
                parser.at += 1;
            }
        };
        digits(self);
        let mut whole = true;
        if self.take('.') {
            whole = false;
            digits(self);
        }
        if self.take('e') || self.take('E') {
            whole = false;
            let _ = self.take('+') || self.take('-');
            digits(self);
        }
        let text = &self.text[start..self.at];
        let number = match whole {
            true => text.parse().ok().map(Number::Int),
            false => text.parse().ok().map(Number::Float),
        };
        number.map(Value::Number).ok_or_else(|| self.error("expected a number"))
    }
}
