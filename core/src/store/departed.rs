//! Identities whose surface says that their person is gone.

use std::collections::BTreeSet;

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::Identity;

impl Tx {
    /// Notes that somebody is gone; false where that was known.
    pub async fn note_departed(&mut self, identity: &Identity, why: &str) -> Result<bool, StoreError> {
        let sql =
            "INSERT INTO departed_identities (identity, departed_at, why) VALUES ($1, $2, $3) ON CONFLICT (identity) DO NOTHING";
        let query = sqlx::query(sql).bind(identity.to_string()).bind(self.now.as_millis()).bind(why);
        Ok(query.execute(&mut *self.inner).await?.rows_affected() == 1)
    }

    /// Notes that somebody is back; false where they were never gone.
    pub async fn forget_departed(&mut self, identity: &Identity) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM departed_identities WHERE identity = $1").bind(identity.to_string());
        Ok(query.execute(&mut *self.inner).await?.rows_affected() == 1)
    }

    /// Everybody who is gone.
    pub(super) async fn departed(&mut self) -> Result<BTreeSet<Identity>, StoreError> {
        let rows = sqlx::query("SELECT identity FROM departed_identities").fetch_all(&mut *self.inner).await?;
        let mut departed = BTreeSet::new();
        for row in &rows {
            // What cannot be read is nobody's identity.
            departed.extend(row.try_get::<String, _>("identity")?.parse().ok());
        }
        Ok(departed)
    }
}
