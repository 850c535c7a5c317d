//! A session's turns as its thread tells them: read from the audit log, which has each of them in the transaction that made it.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::sessions::members_in;
use super::{StoreError, Tx};
use crate::domain::{MemberName, SessionId, Timestamp};

/// One thing that happened to a session and that people are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its place in the audit log.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who made it happen.
    pub actor: String,
    /// What, as the audit log calls it.
    pub action: String,
    /// The facts.
    pub details: serde_json::Value,
}

impl Tx {
    /// The last entry of the audit log.
    pub async fn last_turn(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(seq), 0) AS last FROM audit_events").fetch_one(&mut *self.inner).await?;
        Ok(row.try_get("last")?)
    }

    /// To whose sessions something has happened after the entry `told`.
    pub async fn members_with_turns(&mut self, told: i64) -> Result<BTreeSet<MemberName>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT sessions.member AS member FROM audit_events JOIN sessions ON sessions.id = audit_events.session
             WHERE audit_events.seq > $1",
        )
        .bind(told)
        .fetch_all(&mut *self.inner)
        .await?;
        members_in(&rows, "member")
    }

    /// What happened to a session after the entry `told`, oldest first; its rules' single steps are not turns.
    pub async fn turns_of(&mut self, session: &SessionId, told: i64) -> Result<Vec<Turn>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, at, actor, action, details FROM audit_events
             WHERE session = $1 AND seq > $2 AND (action LIKE 'session.%' OR action LIKE 'member.%') ORDER BY seq LIMIT 50",
        )
        .bind(session.as_str())
        .bind(told)
        .fetch_all(&mut *self.inner)
        .await?;
        let turn = |row: &AnyRow| {
            Ok(Turn {
                seq: row.try_get("seq")?,
                at: Timestamp::from_millis(row.try_get("at")?),
                actor: row.try_get("actor")?,
                action: row.try_get("action")?,
                details: serde_json::from_str(&row.try_get::<String, _>("details")?).unwrap_or_default(),
            })
        };
        rows.iter().map(turn).collect()
    }
}
