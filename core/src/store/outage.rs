//! What is wrong with the database, as far as a person can do something about it: from the driver's errors.

use sqlx::Error;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use super::StoreError;

/// What is wrong with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Its disk is full, or it is at a limit of its own.
    DiskFull,
    /// Its disk does not read or write.
    DiskFailed,
    /// It takes no changes.
    ReadOnly,
    /// It is not there, or its file cannot be opened.
    Missing,
    /// What it holds is not a sound database, or not this installation's.
    Damaged,
    /// No server answers at its address.
    Unreachable,
    /// It takes too long.
    Slow,
    /// Another transaction got in the way; the same again may succeed at once.
    Conflict,
    /// Its answer to a commit was lost.
    OutcomeUnknown,
    /// Anything else.
    Other,
}

impl StoreError {
    /// What is wrong with the database.
    pub fn outage(&self) -> Outage {
        match self {
            Self::Database(error) => of_driver(error),
            Self::OutcomeUnknown(_) => Outage::OutcomeUnknown,
            Self::Shared(error) => error.outage(),
            Self::NoFile { .. } | Self::NoDatabase(_) => Outage::Missing,
            Self::AnotherDatabase | Self::Overwritten | Self::NoTables | Self::Unreadable { .. } => Outage::Damaged,
            Self::NoAnswer => Outage::Unreachable,
            Self::Busy | Self::Interrupted => Outage::Slow,
            Self::Migration(_)
            | Self::PoolerRefuses(_)
            | Self::OlderTables
            | Self::NewerTables
            | Self::InUse(_)
            | Self::Lock { .. }
            | Self::NotPrivate { .. }
            | Self::OpenToOthers { .. }
            | Self::UnknownUrl
            | Self::OldSqlite(_)
            | Self::Closed => Outage::Other,
        }
    }

    /// A commit that failed. Where the answer was lost, or SQLite could not make sure of what it had written, it may have been done.
    pub(super) fn commit(error: Error) -> Self {
        match of_driver(&error) {
            Outage::Unreachable | Outage::DiskFailed | Outage::Slow => Self::OutcomeUnknown(error),
            _ => Self::Database(error),
        }
    }

    /// Whether the database may only be starting, or be on its way back.
    pub(super) fn is_away(&self) -> bool {
        self.outage() == Outage::Unreachable
    }
}

fn of_driver(error: &Error) -> Outage {
    match error {
        Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                of_postgres(error.code())
            } else if error.try_downcast_ref::<SqliteError>().is_some() {
                of_sqlite(error.code().and_then(|code| code.parse().ok()).unwrap_or_default())
            } else {
                Outage::Other
            }
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Outage::Slow,
        // Who breaks off in the middle of a message, or is no Postgres.
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => Outage::Unreachable,
        _ => Outage::Other,
    }
}

/// SQLite could not make the index of its log as large as it has to be.
const IOERR_SHMSIZE: u32 = 10 | 19 << 8;

/// From an extended result code: <https://sqlite.org/rescode.html>.
const fn of_sqlite(code: u32) -> Outage {
    // The index of the log needs some room, too.
    if code == IOERR_SHMSIZE {
        return Outage::DiskFull;
    }
    match code & 0xff {
        5 | 6 => Outage::Slow,
        8 => Outage::ReadOnly,
        10 => Outage::DiskFailed,
        11 | 26 => Outage::Damaged,
        13 => Outage::DiskFull,
        14 => Outage::Missing,
        _ => Outage::Other,
    }
}

/// From an SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(state: &str) -> Outage {
    match (state.get(..2).unwrap_or_default(), state) {
        (_, "53100") => Outage::DiskFull,
        (_, "25006") => Outage::ReadOnly,
        (_, "55P03" | "57014") => Outage::Slow,
        (_, "3D000") => Outage::Missing,
        // Its connections are all taken, or it starts, ends, or has ended our connection.
        ("08" | "53" | "57", _) | (_, "25P03" | "25P04") => Outage::Unreachable,
        ("40", _) => Outage::Conflict,
        ("58", _) => Outage::DiskFailed,
        ("XX", _) => Outage::Damaged,
        _ => Outage::Other,
    }
}

/// Whether a table is not there.
pub(super) fn is_missing_table(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| match error.try_downcast_ref::<PgDatabaseError>() {
        Some(error) => error.code() == "42P01",
        None => error.message().starts_with("no such table"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_is_wrong() {
        for (code, outage) in [
            (13, Outage::DiskFull),
            (10 | 3 << 8, Outage::DiskFailed),
            (8 | 4 << 8, Outage::ReadOnly),
            (26, Outage::Damaged),
            (14, Outage::Missing),
            (5, Outage::Slow),
            (19, Outage::Other),
        ] {
            assert_eq!(of_sqlite(code), outage, "{code}");
        }
        for (state, outage) in [
            ("53100", Outage::DiskFull),
            ("53300", Outage::Unreachable),
            ("57P01", Outage::Unreachable),
            ("25006", Outage::ReadOnly),
            ("40001", Outage::Conflict),
            ("40P01", Outage::Conflict),
            ("23505", Outage::Other),
            ("XX001", Outage::Damaged),
        ] {
            assert_eq!(of_postgres(state), outage, "{state}");
        }
    }

    #[test]
    fn a_commit_whose_answer_was_lost_may_have_been_done() {
        let lost = || Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(StoreError::commit(lost()).outage(), Outage::OutcomeUnknown);
        assert_eq!(StoreError::Database(lost()).outage(), Outage::Unreachable);
        assert_eq!(StoreError::commit(Error::AnyDriverError("nothing was sent".into())).outage(), Outage::Other);
    }
}
