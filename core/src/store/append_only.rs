//! Keeps the audit log append-only in the database itself: a mistake is refused, and tampering has to begin with removing this.

use sqlx::{AnyPool, Executor, Row};

use super::{Dialect, StoreError};

const SQLITE: [&str; 2] = [
    "CREATE TRIGGER IF NOT EXISTS audit_events_stay BEFORE UPDATE ON audit_events
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_events_remain BEFORE DELETE ON audit_events
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
];

const POSTGRES: [&str; 2] = [
    "CREATE OR REPLACE FUNCTION entryguard_append_only() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
     FOR EACH STATEMENT EXECUTE FUNCTION entryguard_append_only()",
];

/// Replicas that start together make the trigger once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7237081146)";
const FOUND: &str =
    "SELECT COUNT(*) AS found FROM pg_trigger WHERE tgname = 'audit_events_stay' AND tgrelid = 'audit_events'::regclass";

/// Makes the triggers where they are not there yet.
pub(super) async fn keep_append_only(pool: &AnyPool, dialect: Dialect) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let statements = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => {
            tx.execute(LOCK).await?;
            let found: i64 = tx.fetch_one(FOUND).await?.try_get("found")?;
            if found > 0 {
                return Ok(());
            }
            POSTGRES
        }
    };
    for statement in statements {
        tx.execute(statement).await?;
    }
    Ok(tx.commit().await?)
}
