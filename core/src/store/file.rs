//! The file of an SQLite database, seen from outside: SQLite itself goes on with a file that was deleted, replaced or overwritten, and
//! what it commits there is lost.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::StoreError;

/// The file, and what was known of it when it was opened.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    opened: Mutex<Option<Opened>>,
    // A test that holds it is a disk that hangs.
    #[cfg(test)]
    pub(super) disk: std::sync::Arc<Mutex<()>>,
}

/// What every SQLite database begins with (<https://sqlite.org/fileformat.html>).
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

#[derive(Debug)]
struct Opened {
    file: Identity,
    // Held for as long as SQLite has the file: POSIX takes all of a process's locks on a file away when the process closes any descriptor
    // of it, and SQLite relies on its own.
    handle: Option<File>,
    // It never shrinks while we have it: nothing of ours gives pages back.
    length: u64,
    log: Option<Identity>,
}

/// A device, and an inode on it.
type Identity = (u64, u64);

/// What became of the file since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the same.
    Same,
    /// It is shorter, or another file, or its write-ahead log is.
    Changed,
}

impl DatabaseFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            opened: Mutex::default(),
            #[cfg(test)]
            disk: std::sync::Arc::default(),
        }
    }

    /// What became of it. It may block for as long as the disk does not answer.
    ///
    /// # Errors
    /// [`StoreError::NoFile`] where it is not there; it may come back, and what is open leads to it then. [`StoreError::Overwritten`] where
    /// it is the same file and holds no database: nothing may be written there, not even the write-ahead log.
    pub(super) fn fate(&self) -> Result<Fate, StoreError> {
        let now = self.metadata()?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match opened.as_mut() {
            Some(opened) if opened.file != identity(&now) || now.len() < opened.length => Fate::Changed,
            Some(opened) if opened.is_overwritten() => return Err(StoreError::Overwritten),
            Some(opened) if opened.log.is_some() && opened.log != self.log() => Fate::Changed,
            Some(opened) => {
                opened.length = now.len();
                // It is made with the first transaction.
                opened.log = opened.log.or_else(|| self.log());
                Fate::Same
            }
            None => Fate::Same,
        })
    }

    /// Before it is opened: it is there, and the log beside it is not that of another file that was there before.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        let now = self.metadata()?;
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = opened.as_ref().filter(|opened| opened.file != identity(&now)).and_then(|opened| opened.log);
        drop(opened);
        if let Some(log) = replaced {
            self.put_log_aside(log);
        }
        Ok(())
    }

    /// It has been opened.
    pub(super) fn note_opened(&self) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(now) = self.metadata() else {
            *opened = None;
            return;
        };
        let file = identity(&now);
        let held = opened.take().filter(|before| before.file == file).and_then(|before| before.handle);
        let handle = held.or_else(|| File::open(&self.path).ok());
        *opened = Some(Opened { file, handle, length: now.len(), log: self.log() });
    }

    /// SQLite would write the replaced file's log into the file that has taken its place.
    fn put_log_aside(&self, log: Identity) {
        if self.log() != Some(log) {
            return;
        }
        let (path, aside) = (self.beside("-wal"), self.beside("-wal.replaced"));
        match fs::rename(&path, &aside) {
            Ok(()) => {
                tracing::warn!(aside = %aside.display(), "the database file was replaced; the old one's write-ahead log was renamed")
            }
            Err(error) => {
                tracing::error!(%error, log = %path.display(), "the replaced database's write-ahead log cannot be renamed")
            }
        }
        // It is only an index of the log.
        let _ = fs::remove_file(self.beside("-shm"));
    }

    fn metadata(&self) -> Result<Metadata, StoreError> {
        #[cfg(test)]
        drop(self.disk.lock());
        fs::metadata(&self.path).map_err(|reason| StoreError::NoFile { path: self.path.clone(), reason })
    }

    fn log(&self) -> Option<Identity> {
        fs::metadata(self.beside("-wal")).ok().as_ref().map(identity)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    }
}

impl Opened {
    /// An empty file is an empty database.
    fn is_overwritten(&self) -> bool {
        let mut beginning = [0; MAGIC.len()];
        let read = self.handle.as_ref().map(|file| file.read_exact_at(&mut beginning, 0));
        matches!(read, Some(Ok(()))) && beginning != MAGIC
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}
