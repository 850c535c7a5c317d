//! Where SQLite and Postgres must differ.

use sqlx::SqlStr;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// How a transaction that may write begins. SQLite's deferred ones fail at once when they turn out to write.
    pub(super) fn begin(self) -> SqlStr {
        match self {
            Self::Sqlite => SqlStr::from_static("BEGIN IMMEDIATE"),
            Self::Postgres => SqlStr::from_static("BEGIN"),
        }
    }

    /// One of two texts: SQLite has one writer at a time, and so no row locks.
    pub(super) fn pick(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}
