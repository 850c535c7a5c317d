//! Identities that people joined to a member, and the codes by which they do.

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{Identity, MemberName, Timestamp};

impl Tx {
    /// Adds a code, by its hash; those that are over go, and the oldest of the identity's where there are `most`. Whether one did that
    /// could still be used.
    pub async fn insert_join_code(
        &mut self,
        hash: &str,
        from: &Identity,
        expires_at: Timestamp,
        most: u32,
    ) -> Result<bool, StoreError> {
        let now = self.now.as_millis();
        sqlx::query("DELETE FROM join_codes WHERE expires_at < $1").bind(now).execute(&mut *self.inner).await?;
        let replaced = sqlx::query(
            "DELETE FROM join_codes WHERE identity = $1 AND used_at IS NULL AND code_hash NOT IN (
                 SELECT code_hash FROM join_codes WHERE identity = $1 AND used_at IS NULL
                 ORDER BY expires_at DESC, code_hash LIMIT $2)",
        )
        .bind(from.to_string())
        .bind(i64::from(most) - 1)
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("INSERT INTO join_codes (code_hash, identity, expires_at) VALUES ($1, $2, $3)")
            .bind(hash)
            .bind(from.to_string())
            .bind(expires_at.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(replaced.rows_affected() > 0)
    }

    /// Who was handed the code with this hash, if it can still be used.
    pub async fn open_join_code(&mut self, hash: &str) -> Result<Option<Identity>, StoreError> {
        let row = sqlx::query(
            "SELECT code_hash, identity FROM join_codes WHERE code_hash = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .bind(hash)
        .bind(self.now.as_millis())
        .fetch_optional(&mut *self.inner)
        .await?;
        let from = |row| Reader::new(row, "join_codes", "code_hash")?.parsed("identity", |text| text.parse().ok());
        row.as_ref().map(from).transpose()
    }

    /// Uses a code up; whether it was there to be used.
    pub async fn use_join_code(&mut self, hash: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE join_codes SET used_at = $1 WHERE code_hash = $2 AND used_at IS NULL AND expires_at > $1";
        let used = sqlx::query(sql).bind(self.now.as_millis()).bind(hash).execute(&mut *self.inner).await?;
        Ok(used.rows_affected() == 1)
    }

    /// Joins an identity to a member.
    pub async fn join_identity(&mut self, identity: &Identity, member: &MemberName) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO joined_identities (identity, member, joined_at) VALUES ($1, $2, $3)
             ON CONFLICT (identity) DO UPDATE SET member = excluded.member, joined_at = excluded.joined_at",
        )
        .bind(identity.to_string())
        .bind(member.as_str())
        .bind(self.now.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Takes a joined identity away.
    pub async fn part_identity(&mut self, identity: &Identity) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM joined_identities WHERE identity = $1")
            .bind(identity.to_string())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
