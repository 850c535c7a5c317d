//! The tables: brought up to date by the server, and refused by others where they are another version's.

use std::collections::BTreeSet;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{Executor, Row};

use super::StoreError;
use super::dialect::Dialect;
use super::pool::Pool;
use super::route::Route;

/// What replicas that migrate at once wait for each other by, in the database's advisory locks.
const MIGRATING: i64 = 0x656e_7472_7967;

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
    if connection.route() == Route::Pooled {
        drop(connection);
        return bring_up_in_one_transaction(pool, dialect).await;
    }
    // Where this fails or is cancelled, the connection is closed, and with it goes the lock that keeps other replicas from migrating.
    Migrator::with_migrations(migrations(dialect)).run_direct(None, connection.bare()?, false).await?;
    connection.is_sound();
    Ok(())
}

/// The same in one transaction, and in the migrator's own table: a pooler keeps no lock of a session's, and no statement that has a
/// name.
async fn bring_up_in_one_transaction(pool: &Pool, dialect: Dialect) -> Result<(), StoreError> {
    let mut migrations = migrations(dialect);
    migrations.sort_by_key(|migration| migration.version);
    let mut connection = pool.lend().await?;
    connection.begin(dialect.begin()).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATING).execute(&mut *connection).await?;
    (&mut *connection)
        .execute(
            "CREATE TABLE IF NOT EXISTS _sqlx_migrations (
                 version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
                 success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)",
        )
        .await?;
    let sql = "SELECT version, encode(checksum, 'hex') AS checksum, CASE WHEN success THEN 1 ELSE 0 END AS success
               FROM _sqlx_migrations ORDER BY version";
    let mut run = BTreeSet::new();
    for row in sqlx::query(sql).fetch_all(&mut *connection).await? {
        let version: i64 = row.try_get("version")?;
        let ours = migrations.iter().find(|migration| migration.version == version);
        let ours = ours.ok_or(MigrateError::VersionMissing(version))?;
        if row.try_get::<i32, _>("success")? == 0 {
            return Err(MigrateError::Dirty(version).into());
        }
        if row.try_get::<String, _>("checksum")? != hex::encode(&*ours.checksum) {
            return Err(MigrateError::VersionMismatch(version).into());
        }
        run.insert(version);
    }
    for migration in migrations.iter().filter(|migration| !run.contains(&migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *connection).await?;
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                   VALUES ($1, $2, TRUE, decode($3, 'hex'), -1)";
        let query = sqlx::query(sql).bind(migration.version).bind(&*migration.description);
        query.bind(hex::encode(&*migration.checksum)).execute(&mut *connection).await?;
    }
    connection.commit().await
}

/// Refuses tables that this program did not expect; changes nothing.
pub(super) async fn refuse_other_versions(pool: &Pool, dialect: Dialect) -> Result<(), StoreError> {
    let mut connection = pool.reader().await?;
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
