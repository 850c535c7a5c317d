//! SQLite's file, watched from outside: a process goes on writing to a file that was deleted or overwritten, and hears of no error.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::StoreError;

/// What every SQLite database begins with (<https://sqlite.org/fileformat.html>).
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// The file that was opened.
///
/// It is held open until the process ends, and never opened a second time: POSIX takes **all** of a process's locks on a file away when
/// the process closes any descriptor of it, and SQLite relies on its own.
#[derive(Debug)]
pub(super) struct WatchedFile {
    path: PathBuf,
    log: PathBuf,
    file: File,
    // Without a write-ahead log there is none to be missed.
    has_log: bool,
}

impl WatchedFile {
    /// The file at a path that SQLite has opened and written to.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        Ok(Self { path: path.to_owned(), file: File::open(path)?, has_log: log.exists(), log })
    }

    /// Fails where what is written now would not be found after a restart.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let lost = |why: String| StoreError::FileLost { path: self.path.clone(), why };
        let opened = self.file.metadata().map_err(|error| lost(error.to_string()))?;
        match fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => {}
            Ok(_) => return Err(lost("another file is in its place".to_owned())),
            Err(error) => return Err(lost(error.to_string())),
        }
        let mut beginning = [0; MAGIC.len()];
        match self.file.read_exact_at(&mut beginning, 0) {
            Ok(()) if beginning == MAGIC => {}
            Ok(()) => return Err(lost("it was overwritten".to_owned())),
            Err(error) => return Err(lost(error.to_string())),
        }
        if self.has_log && !self.log.exists() {
            return Err(lost(format!("{} is missing", self.log.display())));
        }
        Ok(())
    }
}
