//! `string.*` but `string.format`.

use super::args::{CallResult, exactly, text, texts};
use crate::value::Value;

pub(super) fn join(args: &[Value]) -> CallResult {
    exactly::<2>(args)?;
    let parts = texts(args, 0)?;
    Ok(Value::string(parts.join(&*text(args, 1)?)))
}

pub(super) fn replace(args: &[Value]) -> CallResult {
    exactly::<3>(args)?;
    let (subject, from, to) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    Ok(Value::string(subject.replace(&*from, &to)))
}

pub(super) fn split(args: &[Value]) -> CallResult {
    exactly::<2>(args)?;
    let (subject, separator) = (text(args, 0)?, text(args, 1)?);
    if separator.is_empty() {
        return Ok(Value::array(subject.chars().map(|c| Value::string(c.to_string()))));
    }
    Ok(Value::array(subject.split(&*separator).map(Value::string)))
}

pub(super) fn to_lower(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    // Character by character: the language knows neither final sigma nor mappings to several characters.
    Ok(Value::string(text(args, 0)?.chars().filter_map(|c| c.to_lowercase().next()).collect::<String>()))
}

pub(super) fn to_upper(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    let upper = |c: char| {
        let mut mapped = c.to_uppercase();
        match (mapped.next(), mapped.next()) {
            (Some(single), None) => single,
            _ => c,
        }
    };
    Ok(Value::string(text(args, 0)?.chars().map(upper).collect::<String>()))
}

pub(super) fn trim(args: &[Value]) -> CallResult {
    exactly::<2>(args)?;
    let (subject, cutset) = (text(args, 0)?, text(args, 1)?);
    Ok(Value::string(subject.trim_matches(|c| cutset.contains(c))))
}

pub(super) fn trim_prefix(args: &[Value]) -> CallResult {
    exactly::<2>(args)?;
    let (subject, prefix) = (text(args, 0)?, text(args, 1)?);
    Ok(Value::string(subject.strip_prefix(&*prefix).unwrap_or(&subject)))
}

pub(super) fn trim_suffix(args: &[Value]) -> CallResult {
    exactly::<2>(args)?;
    let (subject, suffix) = (text(args, 0)?, text(args, 1)?);
    Ok(Value::string(subject.strip_suffix(&*suffix).unwrap_or(&subject)))
}

pub(super) fn trim_space(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    Ok(Value::string(text(args, 0)?.trim()))
}
