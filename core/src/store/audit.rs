//! The audit log.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::{AuditEvent, AuditId, SessionId, Timestamp};
use crate::random::Random;

impl Tx {
    /// Writes an entry, in the same transaction as the change that it tells of.
    pub async fn record(&mut self, event: &AuditEvent, random: &dyn Random) -> Result<(), StoreError> {
        let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 RETURNING seq").fetch_one(&mut *self.inner).await?;
        sqlx::query(
            "INSERT INTO audit_events (id, seq, at, actor, surface, action, session, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(AuditId::new(event.at, random).as_str())
        .bind(head.try_get::<i64, _>("seq")?)
        .bind(event.at.as_millis())
        .bind(event.actor.name())
        .bind(event.actor.surface().map(crate::domain::Surface::as_str))
        .bind(event.action.as_str())
        .bind(event.session.as_ref().map(SessionId::as_str))
        .bind(event.details.to_string())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// When the newest entry was written.
    pub(super) async fn last_event_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at FROM audit_events ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *self.inner).await?;
        row.map(|row| Ok(Timestamp::from_millis(row.try_get("at")?))).transpose()
    }

    /// The actions recorded of a session, oldest first.
    pub async fn audit_of(&mut self, session: &SessionId) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT action FROM audit_events WHERE session = $1 ORDER BY seq")
            .bind(session.as_str())
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("action")?)).collect()
    }
}
