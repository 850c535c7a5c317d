//! Opening the database beside a running server: for commands that take no lease and run no pass.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::Row;
use sqlx::any::AnyConnectOptions;

use super::open::{MIGRATIONS, StoreUrl, connect};
use super::{Dialect, Store, StoreError, StoreTime};
use crate::clock::Clock;

impl Store {
    /// Opens a database that a server has made, whether or not one runs on it. Its tables must be this program's.
    pub async fn open_beside(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = url.dialect()?;
        let options = match dialect {
            Dialect::Sqlite => {
                let path = url.sqlite_path();
                if !path.exists() {
                    return Err(StoreError::NoDatabase(path));
                }
                AnyConnectOptions::from_str(&format!("sqlite://{}?mode=rw", path.display()))?
            }
            Dialect::Postgres => AnyConnectOptions::from_str(url.expose())?,
        };
        let pool = connect(dialect, options).await?;
        let store = Self { pool, dialect, url: url.secret(), time: StoreTime::new(clock, dialect), _lock: None };
        store.refuse_other_tables().await?;
        Ok(store)
    }

    async fn refuse_other_tables(&self) -> Result<(), StoreError> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        let row = sqlx::query("SELECT MAX(version) AS version FROM _sqlx_migrations").fetch_one(&self.pool).await;
        let found = match row {
            Ok(row) => row.try_get::<Option<i64>, _>("version")?.unwrap_or_default(),
            Err(sqlx::Error::Database(_)) => return Err(StoreError::NoDatabase(PathBuf::from("the configured URL"))),
            Err(error) => return Err(error.into()),
        };
        if found == newest { Ok(()) } else { Err(StoreError::OtherTables { found, expected: newest }) }
    }
}
