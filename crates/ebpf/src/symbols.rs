//! Where functions are in a program's file, so that a probe can be put there.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache};

/// File offsets of functions that the file itself has, by name; those it lacks are left out. Looked up in the dynamic
/// symbols first, then in those for debuggers.
///
/// # Errors
/// If the file cannot be read or is no program, in words.
pub fn functions<'a>(path: &Path, names: &[&'a str]) -> Result<HashMap<&'a str, u64>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| said(&error))?;
    // Reads what is asked for: a program may have a hundred megabytes.
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache).map_err(|error| said(&error))?;
    let mut found = HashMap::new();
    for symbol in object.dynamic_symbols().chain(object.symbols()) {
        if symbol.is_undefined() || symbol.address() == 0 {
            continue;
        }
        let Ok(name) = symbol.name() else { continue };
        if let Some(name) = names.iter().find(|wanted| **wanted == name)
            && !found.contains_key(name)
            && let Some(offset) = offset(&object, symbol.address())
        {
            found.insert(*name, offset);
        }
        if found.len() == names.len() {
            break;
        }
    }
    Ok(found)
}

/// Names of the sections of a program's file.
///
/// # Errors
/// If the file cannot be read or is no program, in words.
pub fn sections(path: &Path) -> Result<Vec<String>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| said(&error))?;
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache).map_err(|error| said(&error))?;
    Ok(object.sections().filter_map(|section| section.name().ok().map(str::to_owned)).collect())
}

/// Where in the file an address is loaded from.
fn offset<'data>(object: &impl Object<'data>, address: u64) -> Option<u64> {
    object.segments().find_map(|segment| {
        let inside = address.checked_sub(segment.address())?;
        let (start, length) = segment.file_range();
        (inside < length).then(|| start + inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Details;

    #[test]
    fn a_program_has_sections() {
        let own = std::env::current_exe().expect("a path");
        assert!(sections(&own).expect("a program").iter().any(|name| name == ".text"));
        assert!(sections(Path::new("/etc/passwd")).is_err());
    }

    #[test]
    fn functions_of_the_c_library_are_found() {
        let mappings = Details::of(std::process::id()).mappings();
        let library = mappings.iter().find(|mapping| mapping.path.contains("libc.so")).expect("the C library");
        let found = functions(Path::new(&library.path), &["malloc", "getpid", "no_such_function"]).expect("a program");
        assert_eq!(found.len(), 2);
        assert_ne!(found["malloc"], found["getpid"]);
    }

    #[test]
    fn what_is_no_program_is_an_error() {
        assert!(functions(Path::new("/proc/self/status"), &["main"]).is_err());
        assert!(functions(Path::new("/no/such/file"), &["main"]).is_err_and(|error| error.contains("/no/such/file")));
    }
}
