//! The table of functions: what lookup, documentation and completions read.

use super::{array, encoding, format, jsonpath, strings, system, yaml};
use crate::value::{CallError, Value};

/// How settled a function is. Corten makes all of them available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// Settled.
    GenerallyAvailable,
    /// May still change in Alloy.
    Experimental,
}

/// A function of the standard library.
#[derive(Debug, Clone, Copy)]
pub struct FunctionInfo {
    /// Its full name.
    pub name: &'static str,
    /// Parameters and result, for people.
    pub signature: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// How settled it is.
    pub stability: Stability,
    /// For a deprecated name, the name to use instead.
    pub replaced_by: Option<&'static str>,
    /// What it does.
    pub call: fn(&[Value]) -> Result<Value, CallError>,
}

type Call = fn(&[Value]) -> Result<Value, CallError>;

const fn settled(name: &'static str, signature: &'static str, doc: &'static str, call: Call) -> FunctionInfo {
    FunctionInfo { name, signature, doc, stability: Stability::GenerallyAvailable, replaced_by: None, call }
}

const fn experimental(name: &'static str, signature: &'static str, doc: &'static str, call: Call) -> FunctionInfo {
    FunctionInfo { name, signature, doc, stability: Stability::Experimental, replaced_by: None, call }
}

const fn deprecated(
    name: &'static str,
    replaced_by: &'static str,
    signature: &'static str,
    call: Call,
) -> FunctionInfo {
    FunctionInfo {
        name,
        signature,
        doc: "Deprecated name.",
        stability: Stability::GenerallyAvailable,
        replaced_by: Some(replaced_by),
        call,
    }
}

/// All functions, deprecated names last.
pub static FUNCTIONS: &[FunctionInfo] = &[
    experimental(
        "array.combine_maps",
        "(left: array(object), right: array(object), keys: array(string), keep_left?: bool) -> array(object)",
        "Joins two arrays of objects: each left object is merged with each right object that has the same values \
         under all keys; the right one's fields win. With `keep_left`, a left object also stays once for each right \
         object that does not match.",
        array::combine_maps,
    ),
    settled("array.concat", "(arrays: array...) -> array", "Joins arrays into one.", array::concat),
    experimental(
        "array.group_by",
        "(items: array(object), key: string, drop_missing: bool) -> array(object)",
        "Groups objects by a text field: one `{KEY = value, items = [...]}` for each value, in order of appearance. \
         Objects without the field form the group `\"\"` unless dropped.",
        array::group_by,
    ),
    settled(
        "coalesce",
        "(values: any...) -> any",
        "The first argument that is not null, false, zero or empty, else the last one.",
        array::coalesce,
    ),
    settled(
        "convert.nonsensitive",
        "(value: secret) -> string",
        "The text of a secret, which is shown from here on.",
        system::nonsensitive,
    ),
    settled(
        "encoding.from_URLbase64",
        "(text: string) -> bytes",
        "Decodes Base64 in the URL-safe alphabet.",
        encoding::from_urlbase64,
    ),
    settled("encoding.from_base64", "(text: string) -> bytes", "Decodes Base64.", encoding::from_base64),
    settled("encoding.from_json", "(text: string) -> any", "Decodes JSON; numbers are floats.", encoding::from_json),
    settled(
        "encoding.from_yaml",
        "(text: string) -> any",
        "Decodes the first document of YAML text; whole numbers stay whole.",
        yaml::from_yaml,
    ),
    settled(
        "encoding.to_URLbase64",
        "(text: string) -> string",
        "Encodes as Base64 in the URL-safe alphabet.",
        encoding::to_urlbase64,
    ),
    settled("encoding.to_base64", "(text: string) -> string", "Encodes as Base64.", encoding::to_base64),
    settled(
        "encoding.to_json",
        "(value: object) -> string",
        "Encodes an object as JSON; keys are sorted. Secrets are refused.",
        encoding::to_json,
    ),
    settled("encoding.url_decode", "(text: string) -> string", "Decodes a query component.", encoding::url_decode),
    settled(
        "encoding.url_encode",
        "(text: string) -> string",
        "Encodes text as a query component; blanks become `+`.",
        encoding::url_encode,
    ),
    settled(
        "file.path_join",
        "(parts: string...) -> string",
        "Joins the parts of a path and cleans the result.",
        system::path_join,
    ),
    settled(
        "json_path",
        "(json: string, path: string) -> array",
        "All values of a JSON text that a JSONPath selects; a leading `$` may be left out.",
        jsonpath::json_path,
    ),
    settled(
        "string.format",
        "(format: string, values: any...) -> string",
        "Go's formatted print: `%s`, `%d`, `%5.2f`, `%q`, `%v`, `%[1]d` and so on. Secrets are refused.",
        format::format,
    ),
    settled(
        "string.join",
        "(parts: array(string), separator: string) -> string",
        "Joins texts with a separator between them.",
        strings::join,
    ),
    settled(
        "string.replace",
        "(text: string, old: string, new: string) -> string",
        "Replaces every occurrence of a text.",
        strings::replace,
    ),
    settled(
        "string.split",
        "(text: string, separator: string) -> array(string)",
        "Splits text at a separator; an empty one splits into characters.",
        strings::split,
    ),
    settled("string.to_lower", "(text: string) -> string", "Text in lower case.", strings::to_lower),
    settled("string.to_upper", "(text: string) -> string", "Text in upper case.", strings::to_upper),
    settled(
        "string.trim",
        "(text: string, characters: string) -> string",
        "Removes the given characters from both ends.",
        strings::trim,
    ),
    settled(
        "string.trim_prefix",
        "(text: string, prefix: string) -> string",
        "Removes a prefix, if there.",
        strings::trim_prefix,
    ),
    settled("string.trim_space", "(text: string) -> string", "Removes blanks from both ends.", strings::trim_space),
    settled(
        "string.trim_suffix",
        "(text: string, suffix: string) -> string",
        "Removes a suffix, if there.",
        strings::trim_suffix,
    ),
    settled(
        "sys.env",
        "(name: string) -> string",
        "The value of an environment variable; empty if it is not set.",
        system::env,
    ),
    deprecated("base64_decode", "encoding.from_base64", "(text: string) -> bytes", encoding::from_base64),
    deprecated("concat", "array.concat", "(arrays: array...) -> array", array::concat),
    deprecated("env", "sys.env", "(name: string) -> string", system::env),
    deprecated("format", "string.format", "(format: string, values: any...) -> string", format::format),
    deprecated("join", "string.join", "(parts: array(string), separator: string) -> string", strings::join),
    deprecated("json_decode", "encoding.from_json", "(text: string) -> any", encoding::from_json),
    deprecated("nonsensitive", "convert.nonsensitive", "(value: secret) -> string", system::nonsensitive),
    deprecated("replace", "string.replace", "(text: string, old: string, new: string) -> string", strings::replace),
    deprecated("split", "string.split", "(text: string, separator: string) -> array(string)", strings::split),
    deprecated("to_lower", "string.to_lower", "(text: string) -> string", strings::to_lower),
    deprecated("to_upper", "string.to_upper", "(text: string) -> string", strings::to_upper),
    deprecated("trim", "string.trim", "(text: string, characters: string) -> string", strings::trim),
    deprecated("trim_prefix", "string.trim_prefix", "(text: string, prefix: string) -> string", strings::trim_prefix),
    deprecated("trim_space", "string.trim_space", "(text: string) -> string", strings::trim_space),
    deprecated("yaml_decode", "encoding.from_yaml", "(text: string) -> any", yaml::from_yaml),
    deprecated("trim_suffix", "string.trim_suffix", "(text: string, suffix: string) -> string", strings::trim_suffix),
];
