//! Who a log is kept for, where that may change: destinations that are added and taken away.
//!
//! A destination is known by its cursor's file. Without one it is new and gets what comes from now on, not what
//! others have had or still wait for; so the file is on the disk before anything is written for it. One that is not
//! named any more is forgotten, and with it what was kept for it alone.

use std::io;

use super::core::{Core, forgo_missing, raise};
use super::cursor::{Cursor, CursorError, file_name};
use super::format::KINDS;
use super::report::OpenError;

impl Core {
    /// Keeps the log for these destinations from now on. Returns their places.
    pub(crate) fn assign(&mut self, names: &[String]) -> Result<Vec<usize>, OpenError> {
        let io = |name: &str, error| OpenError::io(self.disk.path().join(name), error);
        let mut places = Vec::with_capacity(names.len());
        let mut added = Vec::new();
        for name in names {
            let file = file_name(name);
            let known = self.cursors.iter().position(|cursor| !cursor.retired && cursor.file_name == file);
            places.push(known.unwrap_or(self.cursors.len() + added.len()));
            if known.is_none() {
                added.push(self.open_cursor(name)?);
            }
        }
        let listed = self.disk.list().map_err(|error| io("", error))?;
        for cursor in &added {
            raise(&mut self.next, cursor);
        }
        self.cursors.extend(added);
        for (place, cursor) in self.cursors.iter_mut().enumerate() {
            cursor.retired |= !places.contains(&place);
        }
        let is_stale =
            |file: &&String| file.starts_with(&file_name("")) && names.iter().all(|name| file_name(name) != **file);
        // Should one stay, its destination gets some records again if it comes back.
        let removed = listed.iter().filter(is_stale).filter(|file| self.disk.remove(file).is_ok()).count();
        if removed > 0 {
            let _ = self.disk.sync();
        }
        self.write_cursors();
        Ok(places)
    }

    fn open_cursor(&self, name: &str) -> Result<Cursor, OpenError> {
        let path = || self.disk.path().join(file_name(name));
        let (mut cursor, lost) = Cursor::open(&*self.disk, name).map_err(|error| match error {
            CursorError::Newer { version } => OpenError::Newer { file: path(), version, reader: version },
            CursorError::Io(error) => OpenError::io(path(), error),
        })?;
        if lost {
            tracing::warn!(file = %path().display(), "a position is lost; what is there is delivered again");
        }
        if cursor.has_file() {
            forgo_missing(&mut cursor, &self.present, &self.opened);
        } else {
            for kind in 0..KINDS {
                cursor.settle(kind, 0, self.next[kind]);
            }
            cursor.unwritten = true;
            cursor.write(&*self.disk).map_err(|error: io::Error| OpenError::io(path(), error))?;
        }
        Ok(cursor)
    }
}
