//! What somebody closed at once, and what that closes.

use sqlx::Row;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{Panic, PanicId, PanicScope, SessionId};

impl Tx {
    /// Adds a panic.
    pub async fn insert_panic(&mut self, panic: &Panic) -> Result<(), StoreError> {
        let (scope, name) = panic.scope.as_words();
        sqlx::query("INSERT INTO panics (id, scope, name, reason, at, closed_by) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(panic.id.as_str())
            .bind(scope)
            .bind(name)
            .bind(panic.reason.as_deref())
            .bind(panic.at.as_millis())
            .bind(&panic.by)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The panics that nobody has lifted, the oldest first.
    pub async fn panics_in_force(&mut self) -> Result<Vec<Panic>, StoreError> {
        let rows =
            sqlx::query("SELECT id, scope, name, reason, at, closed_by FROM panics WHERE lifted_at IS NULL ORDER BY at, id")
                .fetch_all(&mut *self.inner)
                .await?;
        rows.iter()
            .map(|row| {
                let read = Reader::new(row, "panics", "id")?;
                let (scope, name) = (read.text("scope")?, read.text("name")?);
                Ok(Panic {
                    id: PanicId::from_stored(read.text("id")?),
                    scope: PanicScope::parse(&scope, &name).ok_or_else(|| read.unreadable("scope"))?,
                    reason: read.optional_text("reason")?,
                    at: read.time("at")?,
                    by: read.text("closed_by")?,
                })
            })
            .collect()
    }

    /// Ends a panic.
    pub async fn lift_panic(&mut self, id: &PanicId, by: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE panics SET lifted_at = $1, lifted_by = $2 WHERE id = $3 AND lifted_at IS NULL")
            .bind(self.now.as_millis())
            .bind(by)
            .bind(id.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Live sessions that a scope closes and that still want something there.
    pub async fn live_in(&mut self, scope: &PanicScope, at_most: u32) -> Result<Vec<SessionId>, StoreError> {
        let sql = match scope {
            PanicScope::All => "SELECT id FROM sessions WHERE ended_at IS NULL AND $1 = '' LIMIT $2",
            PanicScope::Member(_) => "SELECT id FROM sessions WHERE ended_at IS NULL AND member = $1 LIMIT $2",
            PanicScope::Resource(_) => {
                "SELECT DISTINCT sessions.id AS id FROM sessions JOIN session_rules ON session_rules.session = sessions.id
                 WHERE ended_at IS NULL AND resource = $1 AND status NOT IN ('REMOVING', 'REMOVED')
                 AND session_rules.quarantined_at IS NULL LIMIT $2"
            }
        };
        let rows = sqlx::query(sql).bind(scope.as_words().1).bind(i64::from(at_most)).fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Ok(SessionId::from_stored(row.try_get::<String, _>("id")?))).collect()
    }
}
