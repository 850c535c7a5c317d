//! The tables: brought up to date by the server, and refused by others where they are another version's.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::migrate::{Migration, Migrator};

use super::StoreError;
use super::dialect::Dialect;
use super::pool::Pool;

/// One text serves both databases (`migrations/`), except for what SQL has no common words for (`migrations/sqlite` and `postgres`).
pub(super) fn migrations(dialect: Dialect) -> Vec<Migration> {
    let common = sqlx::migrate!("../migrations");
    let own = match dialect {
        Dialect::Sqlite => sqlx::migrate!("../migrations/sqlite"),
        Dialect::Postgres => sqlx::migrate!("../migrations/postgres"),
    };
    common.iter().chain(own.iter()).cloned().collect()
}

/// Runs what was not yet run.
pub(super) async fn bring_up_to_date(pool: &Pool, dialect: Dialect) -> Result<(), StoreError> {
    let mut connection = pool.lend().await?;
    // Where this fails or is cancelled, the connection is closed, and with it goes the lock that keeps other replicas from migrating.
    Migrator::with_migrations(migrations(dialect)).run_direct(None, connection.bare()?, false).await?;
    connection.is_sound();
    Ok(())
}

/// Refuses tables that this program did not expect; changes nothing.
pub(super) async fn refuse_other_versions(pool: &Pool, dialect: Dialect) -> Result<(), StoreError> {
    let mut connection = pool.lend().await?;
    let known = dialect.pick(
        "SELECT COUNT(*) AS known FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'",
        "SELECT COUNT(*) AS known FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')",
    );
    if sqlx::query(known).fetch_one(&mut *connection).await?.try_get::<i64, _>("known")? == 0 {
        return Err(StoreError::NoTables);
    }
    let rows = sqlx::query("SELECT version FROM _sqlx_migrations").fetch_all(&mut *connection).await?;
    let run = rows.iter().map(|row| row.try_get("version")).collect::<Result<BTreeSet<i64>, _>>()?;
    let ours: BTreeSet<i64> = migrations(dialect).iter().map(|migration| migration.version).collect();
    // Where both have something that the other lacks, it is the newer program that has to bring them together.
    match (run.is_subset(&ours), ours.is_subset(&run)) {
        (true, true) => Ok(()),
        (true, false) => Err(StoreError::OlderTables),
        (false, _) => Err(StoreError::NewerTables),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_migrations_have_one_number() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let all: Vec<i64> = migrations(dialect).iter().map(|migration| migration.version).collect();
            let different: BTreeSet<i64> = all.iter().copied().collect();
            assert_eq!(all.len(), different.len(), "{dialect:?}: {all:?}");
        }
    }
}
