//! What can go wrong with the database.

use std::path::PathBuf;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The driver's error.
    #[error("the database did not answer as it should; see the cause, and try again")]
    Database(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the database could not be migrated; restore it from a backup or run the version that wrote it")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Another process has the SQLite file.
    #[error("{} is in use by another EntryGuard process; stop that one, or use Postgres to run several", .0.display())]
    InUse(PathBuf),
    /// Nothing is there yet.
    #[error("there is no database of EntryGuard's at {}; start the server first", .0.display())]
    NoDatabase(PathBuf),
    /// The tables are another version's.
    #[error(
        "the database's tables are of version {found} and this program's of {expected}; use the program that the server is of"
    )]
    OtherTables {
        /// What the database has.
        found: i64,
        /// What this program has.
        expected: i64,
    },
    /// The lock file could not be made.
    #[error("{} cannot be created or locked: {reason}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Neither SQLite nor Postgres.
    #[error("the database URL must begin with sqlite:// or postgres://")]
    UnknownUrl,
    /// An SQLite that may lose committed pages.
    #[error("SQLite {0} can corrupt its write-ahead log; EntryGuard needs 3.51.3 or later")]
    OldSqlite(String),
    /// A row that makes no sense.
    #[error("the database has an unreadable {column} in {table}, row {row}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: String,
    },
}
