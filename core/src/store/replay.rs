//! Signed requests that were accepted once and must not be again.

use super::{StoreError, Tx};
use crate::domain::{Span, Timestamp};

impl Tx {
    /// Accepts a request by its signature; false where it was accepted before. Forgets those that their age refuses anyway.
    pub async fn accept_once(&mut self, signature: &str, now: Timestamp, window: Span) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM accepted_requests WHERE accepted_at < $1")
            .bind(now.minus(window).as_millis())
            .execute(&mut *self.inner)
            .await?;
        let done = sqlx::query(
            "INSERT INTO accepted_requests (signature, accepted_at) VALUES ($1, $2) ON CONFLICT (signature) DO NOTHING",
        )
        .bind(signature)
        .bind(now.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
