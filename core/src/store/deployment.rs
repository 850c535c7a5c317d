//! Who we are, and the rows that other tables' locks hang on.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::{DeploymentId, Directory, Timestamp};
use crate::random::Random;

impl Tx {
    /// This installation's id, made at the first start.
    pub async fn deployment(&mut self, now: Timestamp, random: &dyn Random) -> Result<DeploymentId, StoreError> {
        // Replicas may start together on an empty database: the first one's id counts for all.
        let made = DeploymentId::new(now, random);
        sqlx::query(
            "INSERT INTO deployment (singleton, id, created_at) VALUES ('this', $1, $2) ON CONFLICT (singleton) DO NOTHING",
        )
        .bind(made.as_str())
        .bind(now.as_millis())
        .execute(&mut *self.inner)
        .await?;
        let row = sqlx::query("SELECT id FROM deployment WHERE singleton = 'this'").fetch_one(&mut *self.inner).await?;
        Ok(DeploymentId::from_stored(row.try_get::<String, _>("id")?))
    }

    /// Makes a row for every member and resource of the directory.
    pub async fn know(&mut self, directory: &Directory) -> Result<(), StoreError> {
        for member in directory.members.keys() {
            self.know_member(member).await?;
        }
        for resource in directory.resources.keys() {
            sqlx::query("INSERT INTO resources (name) VALUES ($1) ON CONFLICT (name) DO NOTHING")
                .bind(resource.as_str())
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }
}
