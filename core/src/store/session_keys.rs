//! Keys that programs chose for their sessions.

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{Identity, SessionId};

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
}
