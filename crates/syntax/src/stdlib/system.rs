//! `sys.env`, `file.path_join` and `convert.nonsensitive`.

use super::args::{CallResult, exactly, text};
use crate::value::{CallError, Value, to_secret};

pub(super) fn env(args: &[Value]) -> CallResult {
    exactly::<1>(args)?;
    let name = text(args, 0)?;
    // Looking up such a name would panic; no variable can have it.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Ok(Value::string(""));
    }
    Ok(Value::string(std::env::var_os(&*name).map(|v| v.to_string_lossy().into_owned()).unwrap_or_default()))
}

pub(super) fn nonsensitive(args: &[Value]) -> CallResult {
    let [value] = exactly(args)?;
    let secret = to_secret(value).map_err(|message| CallError::argument(0, message))?;
    Ok(Value::string(secret.expose()))
}

pub(super) fn path_join(args: &[Value]) -> CallResult {
    let mut parts = Vec::with_capacity(args.len());
    for index in 0..args.len() {
        parts.push(text(args, index)?);
    }
    let joined = parts.iter().map(|p| &**p).filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/");
    Ok(Value::string(if joined.is_empty() { joined } else { clean(&joined) }))
}

/// The shortest path that names the same thing lexically: no `.`, no repeated `/`, `..` resolved where it can be.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if rooted => {}
            part => kept.push(part),
        }
    }
    match (rooted, kept.is_empty()) {
        (true, _) => format!("/{}", kept.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => kept.join("/"),
    }
}
