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
    /// Sessions that await approval.
    pub requested: i64,
    /// Rules that may be there, and that nobody's time lets be there any more.
    pub overdue: i64,
    /// For how long the time of the oldest of them has been over.
    pub overdue_for: Span,
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
                    (SELECT COUNT(*) FROM panics WHERE lifted_at IS NULL) AS panics,
                    (SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL AND approval = 'AWAITED') AS requested",
        )
        .fetch_one(&mut *self.inner)
        .await?;
        let (overdue, overdue_for) = self.overdue_rules().await?;
        let since = row.try_get::<Option<i64>, _>("closing_since")?.map(Timestamp::from_millis);
        Ok(Stats {
            live: row.try_get("live")?,
            closing: row.try_get("closing")?,
            closing_for: since.map_or(Span::from_millis(0), |since| self.now.since(since)),
            removals_due: row.try_get("removals_due")?,
            removal_attempts: row.try_get::<Option<i64>, _>("removal_attempts")?.unwrap_or_default(),
            panics: row.try_get("panics")?,
            requested: row.try_get("requested")?,
            overdue,
            overdue_for,
        })
    }

    /// Rules that outlived what wanted them: those that are to go and were not seen gone, and those of sessions that ran out and
    /// that nobody has ended.
    async fn overdue_rules(&mut self) -> Result<(i64, Span), StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS overdue, MIN(over_since) AS since FROM (
               SELECT openings.id AS id,
                      (SELECT MAX(COALESCE(s.ended_at, s.expires_at)) FROM session_rules r JOIN sessions s ON s.id = r.session
                       WHERE r.opening = openings.id) AS over_since
               FROM openings WHERE closing = 1 AND due_at IS NOT NULL AND unseen_since IS NULL
               UNION
               SELECT r.opening AS id, MAX(s.expires_at) AS over_since FROM sessions s JOIN session_rules r ON r.session = s.id
               WHERE s.ended_at IS NULL AND s.expires_at <= $1 AND r.status = 'APPLIED'
                 AND NOT EXISTS (SELECT 1 FROM session_rules other JOIN sessions o ON o.id = other.session
                                 WHERE other.opening = r.opening AND o.ended_at IS NULL AND o.expires_at > $1)
               GROUP BY r.opening
             ) AS late",
        )
        .bind(self.now.as_millis())
        .fetch_one(&mut *self.inner)
        .await?;
        let since = row.try_get::<Option<i64>, _>("since")?.map(Timestamp::from_millis);
        // What a panic takes from a session that goes on is overdue from no certain moment on.
        let late = since.map_or(Span::from_millis(0), |since| self.now.since(since));
        Ok((row.try_get("overdue")?, late))
    }
}
