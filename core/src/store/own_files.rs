//! The files of an SQLite database are for the server's own user alone: an account that reads them reads what pages are sealed with,
//! and one that writes them can open any address. SQLite gives its write-ahead log the database's rights.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::dialect::Dialect;
use super::{Store, StoreError};
use crate::domain::DeploymentId;
use crate::random::{Random, bytes};
use crate::trusted_file::{self, Untrusted};

/// What others may do with a file.
const OTHERS: u32 = 0o077;
/// What stands beside the database, by what its name has more.
const BESIDE: [&str; 6] = ["-wal", "-shm", "-journal", LOCK, KEY, OWNER];
/// What a server holds while it runs.
pub(super) const LOCK: &str = ".lock";
/// The deployment id, with which the rules in the cloud are tagged: for a database that has to begin anew.
const OWNER: &str = ".owner";
/// The key that is no part of the database.
const KEY: &str = ".key";
/// More than an id has.
const OWNER_LENGTH: u64 = 128;
/// 32 random bytes, in hexadecimal.
const KEY_LENGTH: usize = 64;

/// Makes the database's file where there is none, and takes the rights of others away from all that are there.
pub(super) fn make_private(database: &Path) -> Result<(), StoreError> {
    let failed = |reason| not_private(database, reason);
    let database = trusted_file::resolve(database).map_err(failed)?;
    let folder = database.parent().unwrap_or(Path::new("/"));
    if trusted_file::is_everybodys(folder) {
        tracing::warn!(folder = %folder.display(), "every account may write in the database's folder; give it to EntryGuard's user alone");
    }
    open_private(&database).map_err(|error| failed(error.into()))?;
    std::iter::once(database.clone()).chain(BESIDE.iter().map(|more| beside(&database, more))).try_for_each(|path| narrow(&path))
}

/// Opens a file of ours, and makes it where there is none: for our own user alone from the first moment on.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

fn narrow(path: &Path) -> Result<(), StoreError> {
    let failed = |reason| not_private(path, reason);
    let file = match trusted_file::open(path, OpenOptions::new().read(true)) {
        Err(error) if error.is_missing() => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let mode = file.metadata().map_err(|error| failed(error.into()))?.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    match file.set_permissions(Permissions::from_mode(mode & !OTHERS)) {
        Ok(()) => {
            let shown = format!("{mode:04o}");
            tracing::warn!(file = %path.display(), mode = shown, "other accounts could use a file of the database; their rights were taken away");
            Ok(())
        }
        Err(_) => Err(StoreError::OpenToOthers { path: path.to_owned(), mode }),
    }
}

pub(super) fn beside(database: &Path, more: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(more);
    name.into()
}

impl Store {
    /// A secret that is no part of the database and of its backups: in a file beside SQLite's, made when it is asked for the first time.
    /// None for Postgres, which has no place that only its replicas reach.
    pub fn key_beside(&self, random: &dyn Random) -> Result<Option<SecretString>, StoreError> {
        if matches!(self.dialect, Dialect::Postgres) {
            return Ok(None);
        }
        let path = self.path_beside(KEY)?;
        read_or_make(&path, random).map(Some).map_err(|error| not_private(&path, error.into()))
    }

    /// The deployment id of the database that was in this place before, if it is known. Where that database was lost, its rules are then
    /// known as ours, and the next sweeps remove what the new one does not want.
    pub(super) fn owner_beside(&self) -> Result<Option<DeploymentId>, StoreError> {
        if matches!(self.dialect, Dialect::Postgres) {
            return Ok(None);
        }
        let path = self.path_beside(OWNER)?;
        let mut file = match trusted_file::open(&path, OpenOptions::new().read(true)) {
            Err(error) if error.is_missing() => return Ok(None),
            opened => opened.map_err(|error| not_private(&path, error))?,
        };
        let mut text = String::new();
        Read::by_ref(&mut file)
            .take(OWNER_LENGTH + 1)
            .read_to_string(&mut text)
            .map_err(|error| not_private(&path, error.into()))?;
        let text = text.trim();
        Ok((!text.is_empty() && text.len() as u64 <= OWNER_LENGTH).then(|| DeploymentId::from_stored(text)))
    }

    /// Keeps the deployment id for a database that has to begin anew in this place.
    pub(super) fn keep_owner_beside(&self, owner: &DeploymentId) -> Result<(), StoreError> {
        if matches!(self.dialect, Dialect::Postgres) || self.owner_beside()?.as_ref() == Some(owner) {
            return Ok(());
        }
        let path = self.path_beside(OWNER)?;
        let write = || {
            let mut file = open_private(&path)?;
            file.set_len(0)?;
            file.write_all(owner.as_str().as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error: io::Error| not_private(&path, error.into()))
    }

    fn path_beside(&self, more: &str) -> Result<PathBuf, StoreError> {
        let database = super::open::sqlite_path_of(&self.url);
        let resolved = trusted_file::resolve(&database).map_err(|error| not_private(&database, error))?;
        Ok(beside(&resolved, more))
    }
}

fn not_private(path: &Path, reason: Untrusted) -> StoreError {
    StoreError::NotPrivate { path: path.to_owned(), reason: reason.to_string() }
}

fn read_or_make(path: &Path, random: &dyn Random) -> io::Result<SecretString> {
    let (mut file, mut text) = (open_private(path)?, String::new());
    Read::by_ref(&mut file).take(KEY_LENGTH as u64 + 1).read_to_string(&mut text)?;
    let text = text.trim();
    if text.len() == KEY_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(SecretString::from(text.to_owned()));
    }
    // New, or cut off by a crash before anything was sealed with it.
    let made = hex::encode(bytes::<32>(random));
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(made.as_bytes())?;
    file.sync_all()?;
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    Ok(SecretString::from(made))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::random::SystemRandom;
    use crate::store::StoreUrl;

    fn url(folder: &tempfile::TempDir) -> StoreUrl {
        StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap()
    }

    async fn open(url: &StoreUrl) -> Result<Store, StoreError> {
        Store::open(url, Arc::new(crate::clock::SystemClock)).await
    }

    fn modes(folder: &tempfile::TempDir) -> Vec<(String, u32)> {
        let all = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
        let mut all: Vec<_> = all
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777))
            .collect();
        all.sort();
        all
    }

    #[tokio::test]
    async fn every_file_of_the_database_is_for_its_own_user_alone_and_becomes_so_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&url(&folder)).await.unwrap();
        store.key_beside(&SystemRandom).unwrap().unwrap();
        let made = modes(&folder);
        let names: Vec<_> = made.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["test.db", "test.db-shm", "test.db-wal", "test.db.key", "test.db.lock"]);
        assert!(made.iter().all(|(_, mode)| *mode == 0o600), "{made:?}");
        drop(store);
        for (name, _) in modes(&folder) {
            fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o664)).unwrap();
        }
        let _store = open(&url(&folder)).await.unwrap();
        let again = modes(&folder);
        assert!(again.iter().all(|(_, mode)| *mode == 0o600), "{again:?}");
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_a_file_of_the_database_is_not_written_through() {
        for more in ["-wal", ".lock", ".key", ".owner"] {
            let folder = tempfile::tempdir().unwrap();
            let victim = folder.path().join("victim");
            fs::write(&victim, "theirs").unwrap();
            symlink(&victim, folder.path().join(format!("test.db{more}"))).unwrap();
            let refused = open(&url(&folder)).await.unwrap_err();
            assert!(matches!(refused, StoreError::NotPrivate { .. }), "{more}: {refused}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
        }
    }

    #[tokio::test]
    async fn the_key_beside_the_database_stays_and_is_not_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&url(&folder)).await.unwrap();
        let key = store.key_beside(&SystemRandom).unwrap().unwrap();
        assert_eq!(store.key_beside(&SystemRandom).unwrap().unwrap().expose_secret(), key.expose_secret());
        fs::write(folder.path().join("test.db.key"), "cut of").unwrap();
        assert_ne!(store.key_beside(&SystemRandom).unwrap().unwrap().expose_secret(), key.expose_secret());
    }

    #[tokio::test]
    async fn a_new_database_in_the_place_of_a_lost_one_keeps_the_owner_of_its_rules() {
        let folder = tempfile::tempdir().unwrap();
        let directory = crate::domain::testing::directory(Vec::new());
        let owner = open(&url(&folder)).await.unwrap().know(&directory, &SystemRandom).await.unwrap();
        for more in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(folder.path().join(format!("test.db{more}")));
        }
        let store = open(&url(&folder)).await.unwrap();
        assert_eq!(store.know(&directory, &SystemRandom).await.unwrap(), owner);
        drop(store);
        fs::write(folder.path().join("test.db.owner"), "another").unwrap();
        let store = open(&url(&folder)).await.unwrap();
        assert_eq!(store.know(&directory, &SystemRandom).await.unwrap(), owner, "a database that is there has the word");
        assert_eq!(fs::read_to_string(folder.path().join("test.db.owner")).unwrap(), owner.as_str());
    }

    #[tokio::test]
    async fn a_second_process_makes_no_file_in_the_place_of_one_that_was_removed_under_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let _server = open(&url(&folder)).await.unwrap();
        fs::remove_file(folder.path().join("test.db")).unwrap();
        assert!(matches!(open(&url(&folder)).await, Err(StoreError::InUse(_))));
        assert!(!folder.path().join("test.db").exists());
    }
}
