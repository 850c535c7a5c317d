//! Signed requests that were accepted once and must not be again.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Row};

use super::rows::placeholders;
use super::{StoreError, Tx};
use crate::domain::Span;

/// How long a request is remembered: longer than its signature counts, and longer than a chat goes on sending it again.
const MEMORY: Span = Span::from_hours(2);

impl Tx {
    /// Accepts requests, each by a name of its own; those that were not accepted before.
    pub async fn accept_once(&mut self, names: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
        let sql = format!(
            "INSERT INTO accepted_requests (signature, accepted_at) VALUES {} ON CONFLICT (signature) DO NOTHING RETURNING signature",
            placeholders(names.len(), 2)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for name in names {
            query = query.bind(name).bind(self.now.as_millis());
        }
        let rows = query.fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Ok(row.try_get("signature")?)).collect()
    }

    /// Whether a request of that name was accepted before.
    pub async fn was_accepted(&mut self, name: &str) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT 1 AS found FROM accepted_requests WHERE signature = $1").bind(name);
        Ok(found.fetch_optional(&mut *self.inner).await?.is_some())
    }

    /// Forgets those that nobody sends again.
    pub async fn forget_accepted(&mut self) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM accepted_requests WHERE accepted_at < $1")
            .bind(self.now.minus(MEMORY).as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
