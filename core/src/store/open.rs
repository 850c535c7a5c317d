//! Opening the database: the URL, the lock, the pragmas; as its server, or beside it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::Row;
use sqlx::any::AnyConnectOptions;

use super::connector::{Connector, Settings};
use super::dialect::Dialect;
use super::file::DatabaseFile;
use super::pool::Pool;
use super::{Store, StoreError, StoreTime, Trials, own_files, tables};
use crate::clock::Clock;
use crate::random::Random;

/// Where the database is. A Postgres URL holds a password, so it shows itself to nobody.
#[derive(Clone, Debug)]
pub struct StoreUrl(SecretString);

impl StoreUrl {
    /// From `sqlite://PATH` or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let url = Self(SecretString::from(text.to_owned()));
        url.dialect().map(|_| url)
    }

    fn dialect(&self) -> Result<Dialect, StoreError> {
        let text = self.0.expose_secret();
        match text.split_once(':') {
            Some(("sqlite", _)) => Ok(Dialect::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(Dialect::Postgres),
            _ => Err(StoreError::UnknownUrl),
        }
    }

    /// Whether it is a Postgres, which several servers may share.
    pub fn is_postgres(&self) -> bool {
        matches!(self.dialect(), Ok(Dialect::Postgres))
    }

    /// The URL, password and all.
    pub(crate) const fn text(&self) -> &SecretString {
        &self.0
    }

    fn sqlite_path(&self) -> PathBuf {
        sqlite_path_of(&self.0)
    }
}

/// Where the database's file is that such a URL names.
pub(super) fn sqlite_path_of(url: &SecretString) -> PathBuf {
    let text = url.expose_secret();
    let path = text.trim_start_matches("sqlite:").trim_start_matches("//");
    PathBuf::from(path.split('?').next().unwrap_or(path))
}

impl Store {
    /// Opens the database as its server does: alone where it is SQLite. Brings its tables up to date.
    pub async fn open(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = url.dialect()?;
        let (pool, lock) = match dialect {
            Dialect::Sqlite => {
                // Before the file is made: where a running server's was removed, an empty one in its place hides that from it.
                refuse_in_use(&real_path(&url.sqlite_path()))?;
                own_files::make_private(&url.sqlite_path())?;
                let path = real_path(&url.sqlite_path());
                let lock = lock_beside(&path)?;
                (sqlite_pool(path, AS_SERVER, SERVER_LIMIT).await?, Some(lock))
            }
            Dialect::Postgres => (started(postgres_pool(url, 10)?).await?, None),
        };
        tables::bring_up_to_date(&pool, dialect).await?;
        let (time, trials) = (StoreTime::new(clock, dialect), Trials::new());
        let store = Self { pool, dialect, url: url.0.clone(), time, _lock: lock, trials };
        // A clock that went back while no server ran is found out by what was written last.
        if let Some(at) = store.begin().await?.last_event_at().await? {
            store.time.note_entry(at);
        }
        store.ping().await?;
        Ok(store)
    }

    /// Goes by this machine's clock, a test's, also where the database has one of its own.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn on_the_tests_time(self) -> Self {
        Self { time: self.time.ask_the_machine(), ..self }
    }

    /// Gives each connection these settings besides, those that are open included: a limit to the file's size, say.
    #[cfg(any(test, feature = "testing"))]
    pub async fn set_further(&self, settings: &[&'static str]) {
        self.pool.set_further(settings).await;
    }

    /// Opens the database beside a server that may be running on it. Only for what takes no lease and runs no pass: a server
    /// counts on being the only one who does where the database is SQLite. Transactions may write; each waits for the other's.
    pub async fn open_beside(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = url.dialect()?;
        let pool = match dialect {
            Dialect::Sqlite => {
                let path = real_path(&url.sqlite_path());
                if !path.exists() {
                    return Err(StoreError::NoDatabase(path));
                }
                sqlite_pool(path, BESIDE_SERVER, BESIDE_LIMIT).await?
            }
            Dialect::Postgres => started(postgres_pool(url, 2)?).await?,
        };
        tables::refuse_other_versions(&pool, dialect).await?;
        let (time, trials) = (StoreTime::new(clock, dialect), Trials::new());
        Ok(Self { pool, dialect, url: url.0.clone(), time, _lock: None, trials })
    }

    /// Opens the database and makes its rows for what is configured.
    pub async fn open_for(
        url: &StoreUrl,
        directory: &crate::domain::Directory,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<(Self, crate::domain::DeploymentId), StoreError> {
        let store = Self::open(url, clock).await?;
        let deployment = store.know(directory, random).await?;
        Ok((store, deployment))
    }

    /// Makes the database's rows for what is configured; this installation's id.
    pub async fn know(
        &self,
        directory: &crate::domain::Directory,
        random: &dyn Random,
    ) -> Result<crate::domain::DeploymentId, StoreError> {
        let mut tx = self.begin().await?;
        let deployment = tx.deployment(tx.now(), self.owner_beside()?, random).await?;
        tx.know(directory).await?;
        tx.commit().await?;
        self.keep_owner_beside(&deployment)?;
        self.pool.belongs_to(deployment.as_str());
        Ok(deployment)
    }
}

/// Each commit is on disk before anybody hears of it.
const AS_SERVER: Settings =
    &["PRAGMA busy_timeout = 5000", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"];
/// The journal's mode is the server's to choose. Somebody who waits at a terminal may wait longer than a request to the server.
const BESIDE_SERVER: Settings = &["PRAGMA busy_timeout = 15000", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"];
/// A replica that stands still or is cut off inside a transaction holds locks that all the others need: Postgres takes them away
/// sooner than a lease runs out. No transaction of ours waits for anything but Postgres, so none comes near it.
const POSTGRES: Settings = &["SET idle_in_transaction_session_timeout = '10s'"];

/// How long one statement may take: longer than it waits for other writers, for a disk is slow at times.
const SERVER_LIMIT: Duration = Duration::from_secs(15);
/// The same beside a server.
const BESIDE_LIMIT: Duration = Duration::from_secs(25);
/// The same over a network, which may lose the answer: as long as Postgres lets the transaction live that another one waits for.
const POSTGRES_LIMIT: Duration = Duration::from_secs(10);

/// How long a database that does not answer is tried at the start: a Postgres may be starting beside us.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// The pause between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// One connection, so one writer in this process.
async fn sqlite_pool(path: PathBuf, settings: Settings, limit: Duration) -> Result<Pool, StoreError> {
    // The URL's own parameters give way: losing a commit that a cloud was told about is not for configuration. The file is never made
    // here: where it has gone, an empty one in its place would open nothing and close nothing.
    let options = AnyConnectOptions::from_str(&format!("sqlite://{}?mode=rw", path.display()))?;
    let pool = Pool::new(Connector::new(options, settings, limit, Some(DatabaseFile::new(path))), 1);
    let pool = started(pool).await?;
    let row = sqlx::query("SELECT sqlite_version() AS version").fetch_one(&mut *pool.lend().await?).await?;
    refuse_old_sqlite(row.try_get("version")?)?;
    Ok(pool)
}

fn postgres_pool(url: &StoreUrl, connections: u32) -> Result<Pool, StoreError> {
    let options = AnyConnectOptions::from_str(url.0.expose_secret())?;
    Ok(Pool::new(Connector::new(options, POSTGRES, POSTGRES_LIMIT, None), connections))
}

/// The same, once it can be reached.
async fn started(pool: Pool) -> Result<Pool, StoreError> {
    let began = Instant::now();
    loop {
        match pool.lend().await {
            Ok(_) => return Ok(pool),
            Err(error) if error.is_away() && began.elapsed() < STARTS_WITHIN => tokio::time::sleep(TRY_AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

/// One file has one lock, by whatever name it is reached.
fn real_path(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = || Some(parent.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

/// Refuses a database that a server runs on. Whatever else may be wrong with its files shows when they are opened.
fn refuse_in_use(database: &Path) -> Result<(), StoreError> {
    if !own_files::beside(database, own_files::LOCK).exists() {
        return Ok(());
    }
    match lock_beside(database) {
        Err(in_use @ StoreError::InUse(_)) => Err(in_use),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn lock_beside(database: &Path) -> Result<File, StoreError> {
    let path = own_files::beside(database, own_files::LOCK);
    let failed = |reason| StoreError::Lock { path: path.clone(), reason };
    let file = own_files::open_private(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(database.to_owned())),
        Err(TryLockError::Error(reason)) => Err(failed(reason)),
    }
}

fn refuse_old_sqlite(version: String) -> Result<(), StoreError> {
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    if numbers >= vec![3, 51, 3] { Ok(()) } else { Err(StoreError::OldSqlite(version)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Arc<dyn Clock> {
        Arc::new(crate::clock::SystemClock)
    }

    fn url_in(folder: &tempfile::TempDir) -> StoreUrl {
        StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap()
    }

    #[tokio::test]
    async fn a_second_process_on_the_same_sqlite_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let url = url_in(&folder);
        let first = Store::open(&url, clock()).await.unwrap();
        let refused = Store::open(&url, clock()).await.unwrap_err();
        assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
        drop(first);
        Store::open(&url, clock()).await.unwrap();
    }

    #[tokio::test]
    async fn beside_no_server_there_is_nothing_to_open() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Store::open_beside(&url_in(&folder), clock()).await.unwrap_err();
        assert!(missing.to_string().contains("start the server first"), "{missing}");
        assert!(matches!(missing, StoreError::NoDatabase(_)) && !url_in(&folder).sqlite_path().exists());
        std::fs::write(url_in(&folder).sqlite_path(), "").unwrap();
        assert!(matches!(Store::open_beside(&url_in(&folder), clock()).await, Err(StoreError::NoTables)));
    }

    #[tokio::test]
    async fn tables_of_another_version_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let server = Store::open(&url_in(&folder), clock()).await.unwrap();
        let newest = "(SELECT MAX(version) FROM _sqlx_migrations)";
        let alter = async |sql: String| {
            let mut connection = server.pool.lend().await?;
            Ok::<_, StoreError>(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *connection).await?)
        };
        alter(format!("UPDATE _sqlx_migrations SET version = 9999 WHERE version = {newest}")).await.unwrap();
        assert!(matches!(Store::open_beside(&url_in(&folder), clock()).await, Err(StoreError::NewerTables)));
        alter("DELETE FROM _sqlx_migrations WHERE version = 9999".to_owned()).await.unwrap();
        assert!(matches!(Store::open_beside(&url_in(&folder), clock()).await, Err(StoreError::OlderTables)));
    }

    #[test]
    fn an_sqlite_with_the_write_ahead_log_bug_is_refused() {
        assert!(refuse_old_sqlite("3.51.3".into()).is_ok() && refuse_old_sqlite("3.52.0".into()).is_ok());
        assert!(refuse_old_sqlite("3.51.2".into()).is_err() && refuse_old_sqlite("3.40.1".into()).is_err());
    }

    #[test]
    fn a_database_url_shows_its_password_to_nobody() {
        let url = StoreUrl::parse("postgres://entryguard:hunter2@db/entryguard").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
