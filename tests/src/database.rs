//! A database for one test: a new SQLite file, or a new database in the Postgres of all tests.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use sqlx::{AnyConnection, AssertSqlSafe, Connection, PgConnection};

use crate::services::{postgres_address, tools};
use crate::tcp_proxy::TcpProxy;
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

/// Files of SQLite's that are not where they belong.
#[derive(Debug)]
pub struct TakenAway {
    moves: Vec<(String, String)>,
}

impl TakenAway {
    /// Puts them back, in the place of what the server may have made there since.
    pub fn put_back(self) {
        for (from, to) in &self.moves {
            std::fs::rename(to, from).expect("it was moved there");
        }
    }
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
    /// A proxy before it, where it is Postgres, and its URL by that way.
    pub(crate) async fn behind_proxy(&self) -> (Option<TcpProxy>, String) {
        if self.postgres.is_none() {
            return (None, self.url.clone());
        }
        let proxy = TcpProxy::before(postgres_socket(&self.url)).await;
        let url = proxy.by_way(&self.url);
        (Some(proxy), url)
    }

    /// SQLite's file.
    pub fn file(&self) -> Option<&Path> {
        self.url.strip_prefix("sqlite://").map(Path::new)
    }

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

    /// Copies it while servers run on it, as the guide says: what [`OwnDatabase::restore`] takes.
    pub async fn back_up(&self, copy: &Path) {
        let copy = copy.to_str().expect("a path of ours");
        if self.postgres.is_some() {
            return postgres_tool("pg_dump", &["--format=custom", "--file", copy, &self.url]);
        }
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.url).await.expect("the database");
        sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{copy}'"))).execute(&mut connection).await.expect("a copy");
        connection.close().await.expect("it is closed");
    }

    /// Puts a copy in its place. Nothing may run on it.
    pub async fn restore(&self, copy: &Path) {
        self.lose().await;
        match (&self.postgres, self.url.strip_prefix("sqlite://")) {
            (Some(name), _) => {
                administer(&format!("CREATE DATABASE {name}")).await;
                postgres_tool("pg_restore", &["--dbname", &self.url, copy.to_str().expect("a path of ours")]);
            }
            (None, path) => drop(std::fs::copy(copy, path.expect("SQLite's")).expect("the copy is put in place")),
        }
    }

    /// Moves SQLite's files away, as a script that tidies up would: what has them open still has them.
    pub fn take_away(&self) -> TakenAway {
        let path = self.url.strip_prefix("sqlite://").expect("a file can be taken away");
        let moves = ["-wal", "-shm", ""].map(|end| (format!("{path}{end}"), format!("{path}{end}.away")));
        // SQLite makes the two beside the file as it needs them.
        let moves = moves.into_iter().filter(|(from, to)| std::fs::rename(from, to).is_ok()).collect();
        TakenAway { moves }
    }

    /// Removes it from the shared Postgres, whoever is still connected.
    pub async fn drop_it(&self) {
        if let Some(name) = &self.postgres {
            administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

/// `postgres://user@127.0.0.1:5432/name`: where that is.
fn postgres_socket(url: &str) -> SocketAddr {
    let (server, _) = url.rsplit_once('/').expect("the address ends in a database's name");
    let place = server.rsplit(['@', '/']).next().expect("a host and a port");
    place.parse().expect("an address on loopback")
}

fn postgres_tool(program: &str, arguments: &[&str]) {
    let ran = Command::new(program).args(arguments).env("PATH", tools()).output().expect(program);
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
}

async fn administer(statement: &str) {
    let mut connection = PgConnection::connect(&postgres_address()).await.expect("Postgres is up");
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect(statement);
    connection.close().await.unwrap();
}
