//! Who we are, and the rows that other tables' locks hang on.

use secrecy::SecretString;
use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::{DeploymentId, Directory, Timestamp};
use crate::random::{Random, bytes};

impl Tx {
    /// This installation's id. A new database takes `before`, the id that was in this place, or makes one.
    pub async fn deployment(
        &mut self,
        now: Timestamp,
        before: Option<DeploymentId>,
        random: &dyn Random,
    ) -> Result<DeploymentId, StoreError> {
        // Replicas may start together on an empty database: the first one's id counts for all.
        let made = before.unwrap_or_else(|| DeploymentId::new(now, random));
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

    /// A secret that all replicas share, made when it is asked for the first time.
    pub async fn shared_secret(&mut self, name: &str, random: &dyn Random) -> Result<SecretString, StoreError> {
        let made = hex::encode(bytes::<64>(random));
        sqlx::query("INSERT INTO shared_secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(made)
            .execute(&mut *self.inner)
            .await?;
        let row = sqlx::query("SELECT secret FROM shared_secrets WHERE name = $1").bind(name).fetch_one(&mut *self.inner).await?;
        Ok(SecretString::from(row.try_get::<String, _>("secret")?))
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
