//! API keys, by their hashes, and the sessions that were started with them.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{ApiKeyName, ApiKeyRecord, MemberName, SessionId, Span, Timestamp};

/// How exactly the last use is known: not each use is worth a write.
const LAST_USE: Span = Span::from_minutes(1);

/// What is read of a key.
const COLUMNS: &str = "name, member, scopes, created_at, created_by, expires_at, revoked_at, last_used_at";

impl Tx {
    /// Adds a key; false where its name is taken.
    pub async fn insert_api_key(&mut self, key: &ApiKeyRecord, hash: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO api_keys (name, key_hash, member, scopes, created_at, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING",
        )
        .bind(key.name.as_str())
        .bind(hash)
        .bind(key.member.as_str())
        .bind(key.scopes.to_string())
        .bind(key.created_at.as_millis())
        .bind(&key.created_by)
        .bind(key.expires_at.map(Timestamp::as_millis))
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The key with this hash.
    pub async fn api_key_by_hash(&mut self, hash: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM api_keys WHERE key_hash = $1")))
            .bind(hash)
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The key of this name.
    pub async fn api_key(&mut self, name: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM api_keys WHERE name = $1")))
            .bind(name)
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every key, by name.
    pub async fn api_keys(&mut self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM api_keys ORDER BY name")))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Takes a key back; false where somebody did before.
    pub async fn revoke_api_key(&mut self, name: &ApiKeyName) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE api_keys SET revoked_at = $1 WHERE name = $2 AND revoked_at IS NULL")
            .bind(self.now.as_millis())
            .bind(name.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes that a key was shown now; whether there was anything to write.
    pub async fn note_api_key_use(&mut self, key: &ApiKeyRecord) -> Result<bool, StoreError> {
        if key.last_used_at.is_some_and(|at| self.now.since(at) < LAST_USE) {
            return Ok(false);
        }
        sqlx::query("UPDATE api_keys SET last_used_at = $1 WHERE name = $2")
            .bind(self.now.as_millis())
            .bind(key.name.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(true)
    }

    /// Notes with which key a session was started.
    pub async fn insert_api_key_session(&mut self, session: &SessionId, key: &str) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO api_key_sessions (session, api_key) VALUES ($1, $2)")
            .bind(session.as_str())
            .bind(key)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// With which key a session was started, if with any.
    pub async fn api_key_of(&mut self, session: &SessionId) -> Result<Option<String>, StoreError> {
        let query = sqlx::query("SELECT api_key FROM api_key_sessions WHERE session = $1").bind(session.as_str());
        Ok(query.fetch_optional(&mut *self.inner).await?.map(|row| row.try_get("api_key")).transpose()?)
    }

    /// What was started with a key and has not ended.
    pub async fn live_sessions_of_api_key(&mut self, key: &ApiKeyName) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT sessions.id AS id FROM api_key_sessions JOIN sessions ON sessions.id = api_key_sessions.session
                   WHERE api_key_sessions.api_key = $1 AND sessions.ended_at IS NULL ORDER BY sessions.id";
        let rows = sqlx::query(sql).bind(key.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Ok(SessionId::from_stored(row.try_get::<String, _>("id")?))).collect()
    }
}

fn read(row: &AnyRow) -> Result<ApiKeyRecord, StoreError> {
    let row = Reader::new(row, "api_keys", "name")?;
    Ok(ApiKeyRecord {
        name: row.parsed("name", |text| text.parse().ok())?,
        member: row.parsed("member", |text| MemberName::new(text).ok())?,
        scopes: row.parsed("scopes", |text| text.parse().ok())?,
        created_at: row.time("created_at")?,
        created_by: row.text("created_by")?,
        expires_at: row.optional_time("expires_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        last_used_at: row.optional_time("last_used_at")?,
    })
}
