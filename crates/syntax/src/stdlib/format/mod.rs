//! `string.format`: Go's verbs, flags and argument indexes, and Go's way to show a mismatch in the result instead of
//! failing (`%!d(string=x)`, `%!d(MISSING)`, `%!(EXTRA int=1)`).

mod number;
#[cfg(test)]
mod tests;
mod text;
mod value;

use super::args::{CallResult, text};
use super::encoding::SECRET;
use crate::value::{CallError, Number, PathElem, Value};

/// Widths and precisions beyond this are ignored.
const LARGEST: i64 = 1_000_000;

/// A longer result is refused: a few bytes of format can ask for a million of padding.
const LONGEST: usize = 16 << 20;

pub(super) fn format(args: &[Value]) -> CallResult {
    let Some((_, values)) = args.split_first() else {
        return Err("expected at least 1 args, got 0".into());
    };
    let format = text(args, 0)?;
    for (index, value) in values.iter().enumerate() {
        let mut path = Vec::new();
        if holds_secret(value, &mut path) {
            return Err(CallError::inside(index + 1, path, SECRET));
        }
    }
    let mut printer = Printer { out: String::new(), flags: Flags::default(), in_index: true, reordered: false };
    printer.run(&format, values)?;
    Ok(Value::string(printer.out))
}

/// Whether a value would show a secret; the path then leads to it.
fn holds_secret(value: &Value, path: &mut Vec<PathElem>) -> bool {
    match value {
        Value::Secret(_) => true,
        Value::OptionalSecret(text) => text.is_secret,
        Value::Array(elements) => elements.iter().enumerate().any(|(index, element)| {
            path.push(PathElem::Index(index));
            holds_secret(element, path) || path.pop().is_none()
        }),
        _ => value.as_object().is_some_and(|fields| {
            fields.iter().any(|(key, field)| {
                path.push(PathElem::Field(key.clone()));
                holds_secret(field, path) || path.pop().is_none()
            })
        }),
    }
}

/// What stands between `%` and the verb.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

struct Printer {
    out: String,
    flags: Flags,
    /// Whether the argument index of the current directive is usable.
    in_index: bool,
    /// Whether any directive had an argument index.
    reordered: bool,
}

impl Printer {
    fn run(&mut self, format: &str, args: &[Value]) -> Result<(), CallError> {
        let mut next = 0;
        let mut rest = format;
        while let Some(start) = rest.find('%') {
            self.out.push_str(&rest[..start]);
            rest = self.directive(&rest[start + 1..], args, &mut next);
            if self.out.len() > LONGEST {
                return Err(CallError::Callee(format!("result is longer than {LONGEST} bytes")));
            }
        }
        self.out.push_str(rest);
        if !self.reordered && next < args.len() {
            self.flags = Flags::default();
            self.out.push_str("%!(EXTRA ");
            for (i, arg) in args[next..].iter().enumerate() {
                self.out.push_str(if i > 0 { ", " } else { "" });
                if matches!(arg, Value::Null) {
                    self.out.push_str("<nil>");
                } else {
                    self.out.push_str(&value::type_name(arg));
                    self.out.push('=');
                    self.value(arg, 'v', 0);
                }
            }
            self.out.push(')');
        }
        Ok(())
    }

    /// Writes one directive, given what follows its `%`; returns what follows it.
    fn directive<'a>(&mut self, text: &'a str, args: &[Value], next: &mut usize) -> &'a str {
        self.flags = Flags::default();
        self.in_index = true;
        let flags_end = text.find(|c| !"#0+- ".contains(c)).unwrap_or(text.len());
        for flag in text[..flags_end].chars() {
            match flag {
                '#' => self.flags.sharp = true,
                '0' => self.flags.zero = true,
                '+' => self.flags.plus = true,
                '-' => self.flags.minus = true,
                _ => self.flags.space = true,
            }
        }
        let mut rest = &text[flags_end..];
        let mut after_index = self.index(&mut rest, args.len(), next);

        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            match integer(args, next) {
                Some(width) => {
                    self.flags.width = usize::try_from(width.unsigned_abs()).ok();
                    self.flags.minus |= width < 0;
                }
                None => self.out.push_str("%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            self.flags.width = number(&mut rest);
            if after_index && self.flags.width.is_some() {
                self.in_index = false;
            }
        }

        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            if after_index {
                self.in_index = false;
            }
            after_index = self.index(&mut rest, args.len(), next);
            if let Some(after) = rest.strip_prefix('*') {
                rest = after;
                self.flags.precision = integer(args, next).and_then(|precision| usize::try_from(precision).ok());
                if self.flags.precision.is_none() {
                    self.out.push_str("%!(BADPREC)");
                }
                after_index = false;
            } else {
                self.flags.precision = Some(number(&mut rest).unwrap_or(0));
            }
        }
        if !after_index {
            self.index(&mut rest, args.len(), next);
        }

        let mut chars = rest.chars();
        let Some(verb) = chars.next() else {
            self.out.push_str("%!(NOVERB)");
            return "";
        };
        match args.get(*next) {
            _ if verb == '%' => self.out.push('%'),
            _ if !self.in_index => self.complain(verb, "(BADINDEX)"),
            None => self.complain(verb, "(MISSING)"),
            Some(arg) => {
                // `%w` is for errors only, but takes its flags as `%v` does.
                if matches!(verb, 'v' | 'w') {
                    self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                    self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                }
                self.argument(arg, verb);
                *next += 1;
            }
        }
        chars.as_str()
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.out.push_str("%!");
        self.out.push(verb);
        self.out.push_str(what);
    }

    /// Reads `[n]`, if it is there, and makes it the next argument.
    fn index(&mut self, rest: &mut &str, args: usize, next: &mut usize) -> bool {
        let Some(after) = rest.strip_prefix('[') else { return false };
        self.reordered = true;
        let Some(close) = after.find(']').filter(|_| rest.len() >= 3) else {
            // Unclosed: only the bracket is skipped, what follows is taken for the verb.
            self.in_index = false;
            *rest = after;
            return false;
        };
        let mut digits = &after[..close];
        let index = number(&mut digits).filter(|_| digits.is_empty());
        *rest = &after[close + 1..];
        match index {
            Some(index) if (1..=args).contains(&index) => *next = index - 1,
            _ => self.in_index = false,
        }
        index.is_some()
    }
}

/// Reads digits. A number too large swallows the directive, as Go does.
fn number(rest: &mut &str) -> Option<usize> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    if digits == 0 {
        return None;
    }
    let parsed = number.parse().ok().filter(|n: &usize| *n as u64 <= LARGEST as u64);
    if parsed.is_none() {
        *rest = "";
    }
    parsed
}

/// Takes the next argument as a width or precision.
fn integer(args: &[Value], next: &mut usize) -> Option<i64> {
    let arg = args.get(*next)?;
    *next += 1;
    match arg {
        Value::Number(Number::Int(n)) if n.unsigned_abs() <= LARGEST as u64 => Some(*n),
        _ => None,
    }
}
