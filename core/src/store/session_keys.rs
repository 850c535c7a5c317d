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
        let row = sqlx::query("SELECT key_hash, session, identity FROM session_keys WHERE key_hash = $1")
            .bind(hash)
            .fetch_optional(&mut *self.inner)
            .await?;
        let read = |row| {
            let read = Reader::new(row, "session_keys", "key_hash")?;
            Ok((SessionId::from_stored(read.text("session")?), read.parsed("identity", |text| text.parse().ok())?))
        };
        row.as_ref().map(read).transpose()
    }

    /// Lets a session end with whatever another would have ended with: the API key that it was started by, the run of its workflow.
    pub async fn copy_origin(&mut self, from: &SessionId, to: &SessionId) -> Result<(), StoreError> {
        for sql in [
            "INSERT INTO api_key_sessions (session, api_key) SELECT $1, api_key FROM api_key_sessions WHERE session = $2",
            "INSERT INTO session_runs (session, run) SELECT $1, run FROM session_runs WHERE session = $2",
        ] {
            sqlx::query(sql).bind(to.as_str()).bind(from.as_str()).execute(&mut *self.inner).await?;
        }
        Ok(())
    }

    /// Lets a session be found by the keys of the one whose place it has taken.
    pub async fn carry_keys(&mut self, from: &SessionId, to: &SessionId) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE session_keys SET session = $1 WHERE session = $2");
        query.bind(to.as_str()).bind(from.as_str()).execute(&mut *self.inner).await?;
        Ok(())
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
