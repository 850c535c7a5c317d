//! Where SQLite and Postgres must differ.

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// How a transaction that may write begins. SQLite's deferred ones fail at once when they turn out to write, and a
    /// standby of Postgres's refuses to begin rather than to write.
    pub(super) const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN READ WRITE",
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
