//! Keys that programs chose for their sessions, and the workflow runs that these end with.

use sqlx::Row;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{Identity, SessionId, WorkflowRun};

impl Tx {
    /// Adds a key, by its hash.
    pub async fn insert_session_key(&mut self, hash: &str, session: &SessionId, identity: &Identity) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO session_keys (key_hash, session, identity) VALUES ($1, $2, $3)")
            .bind(hash)
            .bind(session.as_str())
            .bind(identity.to_string())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The session that a key is for, and whose it is.
    pub async fn session_of_key(&mut self, hash: &str) -> Result<Option<(SessionId, Identity)>, StoreError> {
        let row =
            sqlx::query("SELECT * FROM session_keys WHERE key_hash = $1").bind(hash).fetch_optional(&mut *self.inner).await?;
        let read = |row| {
            let read = Reader::new(row, "session_keys", "key_hash")?;
            Ok((SessionId::from_stored(read.text("session")?), read.parsed("identity", |text| text.parse().ok())?))
        };
        row.as_ref().map(read).transpose()
    }

    /// Notes which run a session ends with.
    pub async fn insert_session_run(&mut self, session: &SessionId, run: &WorkflowRun) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO session_runs (session, run) VALUES ($1, $2)")
            .bind(session.as_str())
            .bind(run.to_string())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// What a run has started and has not ended.
    pub async fn live_sessions_of_run(&mut self, run: &WorkflowRun) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT sessions.id AS id FROM session_runs JOIN sessions ON sessions.id = session_runs.session
                   WHERE session_runs.run = $1 AND sessions.ended_at IS NULL";
        let rows = sqlx::query(sql).bind(run.to_string()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Ok(SessionId::from_stored(row.try_get::<String, _>("id")?))).collect()
    }
}
