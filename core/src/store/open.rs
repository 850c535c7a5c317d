//! Opening the database: the URL, the lock, the pragmas, the migrations.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Executor, Row};

use super::dialect::Dialect;
use super::{Store, StoreError, StoreTime};
use crate::clock::Clock;
use crate::random::Random;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Where the database is. A Postgres URL holds a password, so it shows itself to nobody.
#[derive(Clone, Debug)]
pub struct StoreUrl(SecretString);

impl StoreUrl {
    /// From `sqlite://PATH` or `postgres://…`.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let url = Self(SecretString::from(text.to_owned()));
        url.dialect().map(|_| url)
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(super) fn secret(&self) -> SecretString {
        self.0.clone()
    }

    pub(super) fn dialect(&self) -> Result<Dialect, StoreError> {
        let text = self.0.expose_secret();
        match text.split_once(':') {
            Some(("sqlite", _)) => Ok(Dialect::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(Dialect::Postgres),
            _ => Err(StoreError::UnknownUrl),
        }
    }

    pub(super) fn sqlite_path(&self) -> PathBuf {
        let text = self.0.expose_secret();
        let path = text.trim_start_matches("sqlite:").trim_start_matches("//");
        PathBuf::from(path.split('?').next().unwrap_or(path))
    }
}

impl Store {
    /// Opens the database, and brings its tables up to date.
    pub async fn open(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = url.dialect()?;
        let (options, lock) = match dialect {
            Dialect::Sqlite => {
                let path = real_path(&url.sqlite_path());
                let lock = lock_beside(&path)?;
                // The URL's own parameters give way: losing a commit that a cloud was told about is not for configuration.
                let options = AnyConnectOptions::from_str(&format!("sqlite://{}?mode=rwc", path.display()))?;
                (options, Some(lock))
            }
            Dialect::Postgres => (AnyConnectOptions::from_str(url.expose())?, None),
        };
        let pool = connect(dialect, options).await?;
        MIGRATIONS.run(&pool).await?;
        super::append_only::keep_append_only(&pool, dialect).await?;
        let store = Self { pool, dialect, url: url.secret(), time: StoreTime::new(clock, dialect), _lock: lock };
        // A clock that has gone back while nobody was there is found out by what was written last.
        if let Some(at) = store.begin().await?.last_event_at().await? {
            store.time.note(at);
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
        let deployment = tx.deployment(tx.now(), random).await?;
        tx.know(directory, tx.now()).await?;
        tx.commit().await?;
        Ok(deployment)
    }
}

pub(super) async fn connect(dialect: Dialect, options: AnyConnectOptions) -> Result<AnyPool, StoreError> {
    let pool = match dialect {
        Dialect::Sqlite => sqlite_pool(),
        Dialect::Postgres => AnyPoolOptions::new().max_connections(10),
    };
    let pool = pool.connect_with(options).await?;
    if dialect == Dialect::Sqlite {
        let row = sqlx::query("SELECT sqlite_version() AS version").fetch_one(&pool).await?;
        refuse_old_sqlite(row.try_get("version")?)?;
    }
    Ok(pool)
}

/// One connection, so one writer; each commit is on disk before anybody hears of it.
fn sqlite_pool() -> sqlx::pool::PoolOptions<sqlx::Any> {
    AnyPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).after_connect(|connection, _| {
        Box::pin(async move {
            for pragma in [
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA busy_timeout = 5000",
            ] {
                connection.execute(pragma).await?;
            }
            Ok(())
        })
    })
}

/// One file has one lock, by whatever name it is reached.
fn real_path(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = || Some(parent.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

fn lock_beside(database: &Path) -> Result<File, StoreError> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let failed = |reason| StoreError::Lock { path: path.clone(), reason };
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path).map_err(failed)?;
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

    #[tokio::test]
    async fn a_second_process_on_the_same_sqlite_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap();
        let clock = || Arc::new(crate::clock::SystemClock);
        let first = Store::open(&url, clock()).await.unwrap();
        let refused = Store::open(&url, clock()).await.unwrap_err();
        assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
        drop(first);
        Store::open(&url, clock()).await.unwrap();
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
