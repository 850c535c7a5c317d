//! What somebody with the database's password could do.

use entryguard_tests::World;
use sqlx::{AnyConnection, Connection};

/// Changes the database behind the server's back; the database's words where it refuses.
pub async fn tamper(world: &World, sql: &'static str) -> Result<(), String> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(world.database_url()).await.unwrap();
    let done = sqlx::query(sql).execute(&mut connection).await.map_err(|error| error.to_string())?;
    assert!(done.rows_affected() > 0, "nothing was tampered with");
    connection.close().await.unwrap();
    Ok(())
}

/// Removes what keeps the audit log append-only.
pub async fn allow_changes_of_the_audit_log(world: &World) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(world.database_url()).await.unwrap();
    let statements: &[&'static str] = match world.database_url().starts_with("sqlite") {
        true => &["DROP TRIGGER audit_events_stay", "DROP TRIGGER audit_events_remain"],
        false => &["DROP TRIGGER audit_events_stay ON audit_events"],
    };
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}
