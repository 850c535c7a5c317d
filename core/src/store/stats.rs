//! Numbers for those who watch over the server.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::{Span, Timestamp};

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Sessions that have neither run out nor been stopped.
    pub live: i64,
    /// Sessions that are over and not closed yet.
    pub closing: i64,
    /// How long the longest of those has been over.
    pub closing_for: Span,
    /// Rules that are to be removed and are not yet.
    pub removals_due: i64,
    /// How often the removal that goes worst has been tried.
    pub removal_attempts: i64,
    /// Scopes that are closed by a panic.
    pub panics: i64,
}

impl Tx {
    /// How things stand.
    pub async fn stats(&mut self) -> Result<Stats, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL) AS live,
                    (SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL AND closed_at IS NULL) AS closing,
                    (SELECT MIN(ended_at) FROM sessions WHERE ended_at IS NOT NULL AND closed_at IS NULL) AS closing_since,
                    (SELECT COUNT(*) FROM openings WHERE closing = 1 AND due_at IS NOT NULL) AS removals_due,
                    (SELECT MAX(attempts) FROM openings WHERE closing = 1 AND due_at IS NOT NULL) AS removal_attempts,
                    (SELECT COUNT(*) FROM panics WHERE lifted_at IS NULL) AS panics",
        )
        .fetch_one(&mut *self.inner)
        .await?;
        let since = row.try_get::<Option<i64>, _>("closing_since")?.map(Timestamp::from_millis);
        Ok(Stats {
            live: row.try_get("live")?,
            closing: row.try_get("closing")?,
            closing_for: since.map_or(Span::from_millis(0), |since| self.now.since(since)),
            removals_due: row.try_get("removals_due")?,
            removal_attempts: row.try_get::<Option<i64>, _>("removal_attempts")?.unwrap_or_default(),
            panics: row.try_get("panics")?,
        })
    }
}
