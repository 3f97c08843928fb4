//! Names of users.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::files;

/// Names by number, from `/etc/passwd`. Users that are kept elsewhere go by their number.
pub(crate) struct Users {
    path: PathBuf,
    names: HashMap<u32, String>,
}

impl Users {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), names: HashMap::new() }
    }

    /// The user's name. The file is read again for a number that has not been seen, so that a new user has a name.
    pub(crate) fn name(&mut self, uid: u32) -> String {
        if let Some(name) = self.names.get(&uid) {
            return name.clone();
        }
        let text = files::read(&self.path).unwrap_or_default();
        for line in text.lines() {
            // name:password:number:...
            let mut fields = line.split(':');
            let (name, number) = (fields.next().unwrap_or_default(), fields.nth(1));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                self.names.entry(number).or_insert_with(|| name.to_owned());
            }
        }
        self.names.entry(uid).or_insert_with(|| uid.to_string()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_numbers_names_them_and_an_unknown_number_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwd");
        std::fs::write(&path, "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nada:x:1000:100::/:/bin/sh\n")
            .unwrap();
        let mut users = Users::new(&path);
        assert_eq!([users.name(0), users.name(1000), users.name(7)], ["root", "ada", "7"]);
        let mut absent = Users::new(dir.path().join("none"));
        assert_eq!(absent.name(0), "0");
    }
}
