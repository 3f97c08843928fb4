//! `did you mean`, for `help:` lines.

use crate::nearest;

/// `did you mean "x"?` for the candidate nearest to a misspelt name, if one is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|found| format!("did you mean \"{found}\"?"))
}
