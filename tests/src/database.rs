//! A database for one test: a new SQLite file, or a new database in the Postgres of all tests.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::services::postgres_address;
use crate::unique::unique;

/// Which kind a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The embedded default.
    Sqlite,
    /// For many replicas.
    Postgres,
}

/// The database of one test.
#[derive(Debug)]
pub struct OwnDatabase {
    /// The value of `[database] url`.
    pub url: String,
    postgres: Option<String>,
}

impl Database {
    /// Makes one. SQLite's file goes into `place`.
    pub async fn make(self, place: &Path) -> OwnDatabase {
        match self {
            Self::Sqlite => OwnDatabase { url: format!("sqlite://{}", place.join("entryguard.db").display()), postgres: None },
            Self::Postgres => {
                let name = unique("entryguard").replace('-', "_");
                administer(&format!("CREATE DATABASE {name}")).await;
                let address = postgres_address();
                let (server, _) = address.rsplit_once('/').expect("the address ends in a database's name");
                OwnDatabase { url: format!("{server}/{name}"), postgres: Some(name) }
            }
        }
    }
}

impl OwnDatabase {
    /// Loses it, as a disk or an intruder would. Nothing may run on it.
    pub async fn lose(&self) {
        self.drop_it().await;
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            for file in [path.to_owned(), format!("{path}-wal"), format!("{path}-shm")] {
                // SQLite tidies up behind itself where it can.
                let _ = std::fs::remove_file(file);
            }
        }
    }

    /// Removes it from the shared Postgres, whoever is still connected.
    pub async fn drop_it(&self) {
        if let Some(name) = &self.postgres {
            administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

async fn administer(statement: &str) {
    let mut connection = PgConnection::connect(&postgres_address()).await.expect("Postgres is up");
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect(statement);
    connection.close().await.unwrap();
}
