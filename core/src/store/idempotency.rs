//! What callers named when they asked for a session, or for its end, so that asking again starts no second one and ends no other one.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::{Identity, SessionId, Span};

/// How long a name is remembered.
pub const IDEMPOTENCY_MEMORY: Span = Span::from_hours(24);

impl Tx {
    /// What a caller has named so lately: the hash of the question, and the session.
    pub async fn asked_before(&mut self, identity: &Identity, key: &str) -> Result<Option<(String, SessionId)>, StoreError> {
        let sql = "SELECT body_hash, session FROM idempotency_keys WHERE identity = $1 AND key_hash = $2 AND asked_at > $3";
        let oldest = self.now.minus(IDEMPOTENCY_MEMORY).as_millis();
        let row = sqlx::query(sql).bind(identity.to_string()).bind(key).bind(oldest).fetch_optional(&mut *self.inner).await?;
        row.map(|row| Ok((row.try_get("body_hash")?, SessionId::from_stored(row.try_get::<String, _>("session")?)))).transpose()
    }

    /// Remembers a question and its session, and forgets those that are too old.
    pub async fn remember_asked(
        &mut self,
        identity: &Identity,
        key: &str,
        body: &str,
        session: &SessionId,
    ) -> Result<(), StoreError> {
        let oldest = self.now.minus(IDEMPOTENCY_MEMORY).as_millis();
        sqlx::query("DELETE FROM idempotency_keys WHERE asked_at <= $1").bind(oldest).execute(&mut *self.inner).await?;
        sqlx::query(
            "INSERT INTO idempotency_keys (identity, key_hash, body_hash, session, asked_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(identity.to_string())
        .bind(key)
        .bind(body)
        .bind(session.as_str())
        .bind(self.now.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}
