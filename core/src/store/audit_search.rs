//! Looking for entries of the audit log, the newest first.

use super::audit::read;
use super::{Store, StoreError};
use crate::domain::{AuditEntry, MemberName, SessionId, Timestamp};

/// Which entries to look for.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// What this member did, and what became of their sessions.
    pub member: Option<MemberName>,
    /// What was done: `session.started`.
    pub action: Option<String>,
    /// What became of this session.
    pub session: Option<SessionId>,
    /// Only what stands before this place in the log.
    pub before: Option<i64>,
    /// Not more than this.
    pub at_most: u32,
}

impl Store {
    /// The newest entries that the filter lets through, the newest first.
    pub async fn audit_search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, seq, at, actor, surface, action, session, details, prev_hash, hash FROM audit_events
             WHERE seq < $1 AND at >= $2 AND at < $3 AND ($4 = '' OR action = $4) AND ($5 = '' OR session = $5)
             AND ($6 = '' OR actor = $6 OR session IN (SELECT id FROM sessions WHERE member = $6))
             ORDER BY seq DESC LIMIT $7",
        )
        .bind(filter.before.unwrap_or(i64::MAX))
        .bind(filter.since.map_or(i64::MIN, Timestamp::as_millis))
        .bind(filter.until.map_or(i64::MAX, Timestamp::as_millis))
        .bind(filter.action.as_deref().unwrap_or(""))
        .bind(filter.session.as_ref().map_or("", SessionId::as_str))
        .bind(filter.member.as_ref().map_or("", MemberName::as_str))
        .bind(i64::from(filter.at_most))
        .fetch_all(&mut *self.pool.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }
}
