//! What can go wrong with the database.

use std::path::PathBuf;
use std::sync::Arc;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The driver's error.
    #[error("the database did not answer as it should; see the cause, and try again")]
    Database(#[from] sqlx::Error),
    /// A pooler does not let the driver in.
    #[error(
        "the pooler before the database refuses a setting that every connection begins with; in pgbouncer.ini, add it to \
         ignore_startup_parameters (extra_float_digits)"
    )]
    PoolerRefuses(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the database could not be migrated; restore it from a backup or run the version that wrote it")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// No server ever ran on this SQLite file.
    #[error("there is no database at {}; start the server first, or run this in the folder that the server runs in", .0.display())]
    NoDatabase(PathBuf),
    /// No server ever ran on this database.
    #[error("the database has no tables of EntryGuard; start the server first, or mend [database] url")]
    NoTables,
    /// The database was last opened by an older server.
    #[error(
        "the database's tables are older than this program; start this version's server, which brings them up to date, or run the version that the server is"
    )]
    OlderTables,
    /// The database was last opened by a newer server.
    #[error("the database's tables are newer than this program; run the version of it that the server is")]
    NewerTables,
    /// Another process has the SQLite file.
    #[error("{} is in use by another EntryGuard process; stop that one, or use Postgres to run several", .0.display())]
    InUse(PathBuf),
    /// The lock file could not be made.
    #[error("{} cannot be created or locked: {reason}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file of the database that may be another account's.
    #[error("{} cannot be kept to EntryGuard's own user: {reason}", path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// A file of the database that others may use, and whose rights are not ours to change.
    #[error(
        "{} may be used by other accounts (mode {mode:04o}), and its rights cannot be changed: give it to EntryGuard's user (chown), and take \
         the rights of others away (chmod 0600)",
        path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Neither SQLite nor Postgres.
    #[error("the database URL must begin with sqlite:// or postgres://")]
    UnknownUrl,
    /// An SQLite that may lose committed pages.
    #[error("SQLite {0} can corrupt its write-ahead log; EntryGuard needs 3.51.3 or later")]
    OldSqlite(String),
    /// The driver's error to a commit that may have been done all the same.
    #[error("the database's answer to a commit was lost, so the change may have been made or not; look before you try again")]
    OutcomeUnknown(#[source] sqlx::Error),
    /// No answer in time.
    #[error("the database did not answer in time; see whether it runs, and whether the network leads to it")]
    NoAnswer,
    /// Others had every connection for too long.
    #[error("no connection to the database became free within 10 s; see what keeps the database busy, and try again")]
    Busy,
    /// The store was closed.
    #[error("the connections to the database were closed, because the program ends")]
    Closed,
    /// The SQLite file went away under the server.
    #[error("the database file {} was removed or cannot be reached ({reason}); put it back, or restore a backup there", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// What is there now is not what was there at the start.
    #[error(
        "the database was replaced or emptied, and is not this installation's any more; restore a backup of it, or start the server again"
    )]
    AnotherDatabase,
    /// Something else was written into the SQLite file under the server.
    #[error(
        "the database file was overwritten while the server runs on it; stop the server, restore a backup, and start it again"
    )]
    Overwritten,
    /// An error that several have to be told.
    #[error(transparent)]
    Shared(Arc<StoreError>),
    /// What was written together with others was not written.
    #[error("the database did not take it; try again")]
    Interrupted,
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
