//! Sets aside a row that cannot be read, so that the rest goes on. What it granted is taken back: nobody can say any more what it
//! was.

use serde_json::json;
use sqlx::Row;

use super::{Store, StoreError, Tx};
use crate::domain::{Actor, AuditAction, AuditEvent, Drift, DriftKind, OpeningId, ResourceName, SessionId};
use crate::random::Random;

impl Store {
    /// Sets aside the row that an error is about; false where it is about none, or about one that others cannot do without.
    pub async fn set_aside(&self, error: &StoreError, random: &dyn Random) -> Result<bool, StoreError> {
        let StoreError::Unreadable { table, column, row } = error else { return Ok(false) };
        let mut tx = self.begin().await?;
        let (mut ended, session) = (false, SessionId::from_stored(row.clone()));
        let found = match *table {
            "sessions" => {
                ended = tx.is_live(&session).await?;
                tx.set_session_aside(row).await?
            }
            "session_rules" => tx.set_rule_aside(row).await?,
            "openings" => tx.set_opening_aside(row).await?,
            // It is a memory of what the provider said, and the provider can be asked again.
            "blocks" => tx.forget_blocks(row).await?,
            _ => return Ok(false),
        };
        if !found {
            return Ok(false);
        }
        tracing::error!(table, column, row, "a row cannot be read; it is set aside, and what it granted is taken back");
        let what = format!("{table} {row}, column {column}");
        let (at, details) = (tx.now(), json!({ "table": table, "column": column, "row": row }));
        let event = AuditEvent { at, actor: Actor::System, action: AuditAction::RowQuarantined, session: None, details };
        tx.record(&event, random).await?;
        if ended {
            // Whoever was told that it began is told that it is over.
            let (action, details) = (AuditAction::SessionStopped, json!({ "why": "it cannot be read" }));
            tx.record(&AuditEvent { at, actor: Actor::System, action, session: Some(session), details }, random).await?;
        }
        tx.note_drift(&Drift { at, kind: DriftKind::Quarantined, resource: None, what }, random).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Tx {
    async fn set_session_aside(&mut self, id: &str) -> Result<bool, StoreError> {
        let done =
            self.mark_aside("UPDATE sessions SET quarantined_at = $1 WHERE id = $2 AND quarantined_at IS NULL", id).await?;
        // It wants nothing any more.
        let end =
            "UPDATE sessions SET ended_at = COALESCE(ended_at, $1), end_reason = COALESCE(end_reason, 'MANUAL') WHERE id = $2";
        self.mark_aside(end, id).await?;
        self.close_openings("SELECT opening FROM session_rules WHERE session = $2", id).await?;
        Ok(done)
    }

    async fn is_live(&mut self, id: &SessionId) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM sessions WHERE id = $1 AND ended_at IS NULL AND quarantined_at IS NULL";
        Ok(sqlx::query(sql).bind(id.as_str()).fetch_optional(&mut *self.inner).await?.is_some())
    }

    async fn set_rule_aside(&mut self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE session_rules SET quarantined_at = $1 WHERE id = $2 AND quarantined_at IS NULL";
        let done = self.mark_aside(sql, id).await?;
        self.close_openings("SELECT opening FROM session_rules WHERE id = $2", id).await?;
        Ok(done)
    }

    /// Its rule in the cloud is the sweep's from now on: it goes by the mark.
    async fn set_opening_aside(&mut self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE openings SET quarantined_at = $1, state = 'QUARANTINED', due_at = NULL, closing = 0
                   WHERE id = $2 AND quarantined_at IS NULL";
        self.mark_aside(sql, id).await
    }

    async fn mark_aside(&mut self, sql: &'static str, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(sql).bind(self.now.as_millis()).bind(id).execute(&mut *self.inner).await?;
        Ok(done.rows_affected() == 1)
    }

    async fn close_openings(&mut self, which: &'static str, id: &str) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE openings SET due_at = $1, closing = 1 WHERE state <> 'GONE' AND state <> 'QUARANTINED' AND id IN ({which})"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.now.as_millis()).bind(id).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// The openings of a resource that were set aside and whose rules may still be there.
    pub async fn openings_aside(&mut self, resource: &ResourceName) -> Result<Vec<OpeningId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM openings WHERE resource = $1 AND state <> 'GONE' AND state = 'QUARANTINED'")
            .bind(resource.as_str())
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(|row| Ok(OpeningId::from_stored(row.try_get::<String, _>("id")?))).collect()
    }

    /// The rule of an opening that was set aside is gone.
    pub async fn opening_aside_is_gone(&mut self, id: &OpeningId) -> Result<(), StoreError> {
        for sql in [
            "UPDATE openings SET state = 'GONE', gone_at = $1 WHERE id = $2 AND state = 'QUARANTINED'",
            "UPDATE session_rules SET status = 'REMOVED', removed_at = COALESCE(removed_at, $1) WHERE opening = $2",
        ] {
            sqlx::query(sql).bind(self.now.as_millis()).bind(id.as_str()).execute(&mut *self.inner).await?;
        }
        Ok(())
    }
}
