//! What surfaces have told of people, and how often that has changed.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, placeholders};
use super::{StoreError, Tx};
use crate::domain::{Identity, Known, MemberName, RoleIdentity};

impl Tx {
    /// How often what is known has changed.
    pub async fn known_version(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT version FROM known").fetch_one(&mut *self.inner).await?;
        Ok(row.try_get("version")?)
    }

    /// What is known.
    pub async fn known(&mut self) -> Result<Known, StoreError> {
        let joined = sqlx::query("SELECT identity, member FROM joined_identities").fetch_all(&mut *self.inner).await?;
        let held = sqlx::query("SELECT identity, role FROM held_roles").fetch_all(&mut *self.inner).await?;
        let identity = |read: &Reader<'_>| read.parsed("identity", |text| text.parse::<Identity>().ok());
        let joining = |row: &AnyRow| {
            let read = Reader::new(row, "joined_identities", "identity")?;
            Ok::<_, StoreError>((identity(&read)?, read.parsed("member", |text| MemberName::new(text).ok())?))
        };
        let mut roles = BTreeMap::<_, BTreeSet<_>>::new();
        for row in &held {
            let read = Reader::new(row, "held_roles", "identity")?;
            let role = read.parsed("role", |text| text.parse::<RoleIdentity>().ok())?;
            roles.entry(identity(&read)?).or_default().insert(role);
        }
        let joined = joined.iter().map(joining).collect::<Result<_, _>>()?;
        Ok(Known { joined, held: roles, departed: self.departed().await? })
    }

    /// Notes that what is known changes; others that change it wait until the transaction ends.
    pub async fn known_changes(&mut self) -> Result<(), StoreError> {
        sqlx::query("UPDATE known SET version = version + 1").execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Replaces the roles that an identity holds.
    pub async fn set_held_roles(&mut self, identity: &Identity, roles: &BTreeSet<RoleIdentity>) -> Result<(), StoreError> {
        let identity = identity.to_string();
        sqlx::query("DELETE FROM held_roles WHERE identity = $1").bind(&identity).execute(&mut *self.inner).await?;
        if roles.is_empty() {
            return Ok(());
        }
        let sql = format!("INSERT INTO held_roles (identity, role, seen_at) VALUES {}", placeholders(roles.len(), 3));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for role in roles {
            query = query.bind(&identity).bind(role.to_string()).bind(self.now.as_millis());
        }
        query.execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Makes sure that a member can be locked whom the configuration does not name.
    pub async fn know_member(&mut self, name: &MemberName) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO members (name, first_seen) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name.as_str())
            .bind(self.now.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}
