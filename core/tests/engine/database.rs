//! A database that outlives the processes of one test: a new SQLite file, or a new database in the Postgres of all tests.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, PgConnection};

/// Which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    /// Postgres behind PgBouncer, which gives each transaction another connection.
    Pooled,
}

/// The database of one test.
pub struct Database {
    pub url: String,
    // The file goes with it.
    _folder: Option<tempfile::TempDir>,
    postgres: Option<String>,
}

impl Kind {
    pub async fn make(self) -> Database {
        match self {
            Self::Sqlite => {
                // In memory where that can be had: processes die here, and never the machine.
                let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
                let url = format!("sqlite://{}", folder.path().join("test.db").display());
                Database { url, _folder: Some(folder), postgres: None }
            }
            Self::Postgres | Self::Pooled => {
                static NEXT: AtomicU32 = AtomicU32::new(1);
                let name = format!("engine_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
                administer(&format!("CREATE DATABASE {name}")).await;
                let address = if self == Self::Pooled { pooler_address() } else { postgres_address() };
                let (server, _) = address.rsplit_once('/').expect("the address ends in a database's name");
                Database { url: format!("{server}/{name}"), _folder: None, postgres: Some(name) }
            }
        }
    }
}

impl Database {
    /// Takes it away from the processes that run on it, as a lost disk or a lost network does, until it is given back.
    pub async fn take_away(&self) {
        match &self.postgres {
            Some(name) => {
                administer(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await;
                let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
                administer(&others).await;
            }
            None => std::fs::rename(self.file(), self.file_aside()).unwrap(),
        }
    }

    /// Gives it back as it was.
    pub async fn give_back(&self) {
        match &self.postgres {
            Some(name) => administer(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")).await,
            None => std::fs::rename(self.file_aside(), self.file()).unwrap(),
        }
    }

    fn file(&self) -> &str {
        self.url.strip_prefix("sqlite://").expect("SQLite's file")
    }

    fn file_aside(&self) -> String {
        format!("{}.aside", self.file())
    }

    /// Runs a statement behind the back of the processes.
    pub async fn run(&self, statement: &str) {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect(statement);
        connection.close().await.unwrap();
    }

    /// Removes it from the shared Postgres.
    pub async fn drop_it(&self) {
        if let Some(name) = &self.postgres {
            administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

/// Whether there is a pooler: it is Debian's, and some machines have none.
pub fn has_pooler() -> bool {
    std::env::var("ENTRYGUARD_TEST_PGBOUNCER").is_ok_and(|address| !address.is_empty())
}

fn pooler_address() -> String {
    std::env::var("ENTRYGUARD_TEST_PGBOUNCER").expect("PgBouncer is up: run the tests with ./x test, which starts it")
}

fn postgres_address() -> String {
    std::env::var("ENTRYGUARD_TEST_POSTGRES").expect("Postgres is up: run the tests with ./x test, which starts it")
}

/// Where the Postgres of all tests is.
pub fn postgres_socket() -> std::net::SocketAddr {
    let address = postgres_address();
    let (server, _) = address.rsplit_once('/').expect("the address ends in a database's name");
    server.rsplit(['@', '/']).next().expect("a host and a port").parse().expect("an address on loopback")
}

pub async fn administer(statement: &str) {
    let mut connection = PgConnection::connect(&postgres_address()).await.expect("Postgres is up");
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect(statement);
    connection.close().await.unwrap();
}
