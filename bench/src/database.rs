//! A database for one measurement: a new SQLite file, or a new database in a Postgres where that is allowed.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// Which databases are measured.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The embedded default.
    Sqlite,
    /// The server at a URL.
    Postgres(String),
}

/// A database of our own.
#[derive(Debug)]
pub struct Database {
    /// The value of `[database] url`.
    pub url: String,
    // The server that it is to be removed from, and its name there.
    postgres: Option<(String, String)>,
    _folder: TempDir,
}

impl Kind {
    /// SQLite, and Postgres where there is one.
    pub fn all(postgres: Option<&str>) -> Vec<Self> {
        std::iter::once(Self::Sqlite).chain(postgres.map(|url| Self::Postgres(url.to_owned()))).collect()
    }

    /// For tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "Postgres",
        }
    }

    /// Makes one.
    pub async fn make(&self) -> anyhow::Result<Database> {
        let folder = tempfile::Builder::new().prefix("entryguard-bench-").tempdir()?;
        let Self::Postgres(address) = self else {
            let url = format!("sqlite://{}", folder.path().join("bench.db").display());
            return Ok(Database { url, postgres: None, _folder: folder });
        };
        let name = folder.path().file_name().and_then(|name| name.to_str()).context("the folder has a name")?;
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase();
        administer(address, &format!("CREATE DATABASE {name}")).await?;
        let (server, _) = address.rsplit_once('/').context("the URL of Postgres ends in a database's name")?;
        Ok(Database { url: format!("{server}/{name}"), postgres: Some((address.clone(), name)), _folder: folder })
    }
}

impl Database {
    /// Removes it.
    pub async fn drop_it(self) -> anyhow::Result<()> {
        match &self.postgres {
            Some((address, name)) => administer(address, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await,
            None => Ok(()),
        }
    }
}

async fn administer(address: &str, statement: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(address).await.context("Postgres cannot be reached")?;
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    Ok(connection.close().await?)
}
