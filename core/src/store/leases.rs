//! Locks and leases: one worker at a time acts on a resource, and one that lost its lease cannot record an outcome.

use sqlx::{AssertSqlSafe, Row};

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{MemberName, ResourceName, Span};

/// What is due: additions where nothing blocks them or a probe is due, and everything else. It looks once for each resource and family,
/// and not at each addition that waits.
const DUE: &str = "SELECT resource, closing, due_at FROM openings WHERE due_at <= $1 AND (state <> 'ADDING' OR closing = 1)
    UNION ALL
    SELECT resource, 0 AS closing, COALESCE(probe_at, due_at) AS due_at FROM
      (SELECT families.name AS resource, families.probe_at AS probe_at,
              (SELECT openings.due_at FROM openings WHERE openings.resource = families.name AND openings.family = families.family
               AND openings.state = 'ADDING' AND openings.closing = 0 AND openings.due_at <= $1
               ORDER BY openings.due_at LIMIT 1) AS due_at
       FROM (SELECT resources.name AS name, each.family AS family, blocks.probe_at AS probe_at FROM resources
             CROSS JOIN (SELECT 4 AS family UNION ALL SELECT 6 AS family) each
             LEFT JOIN blocks ON blocks.resource = resources.name AND blocks.family = each.family
             WHERE blocks.probe_at IS NULL OR blocks.probe_at <= $1) families) additions
    WHERE due_at IS NOT NULL";

/// The right to act on a resource, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// On which resource.
    pub resource: ResourceName,
    // Grows with every lease; an outcome is recorded only under the newest.
    fence: i64,
}

/// A resource that has something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimable {
    /// Which.
    pub resource: ResourceName,
    /// Whether something is to be removed from it: a hint for the order, and no more.
    pub closing: bool,
}

impl Tx {
    /// The resources that have something due and that nobody is at work on: those with removals first, then the longest due. With
    /// Postgres they are locked, without waiting, until the transaction ends.
    pub async fn claimable(&mut self, at_most: u32) -> Result<Vec<Claimable>, StoreError> {
        let lock = self.dialect.pick("", "FOR UPDATE OF resources SKIP LOCKED");
        let sql = format!(
            "SELECT name, due.closing AS closing FROM resources JOIN
               (SELECT resource, MAX(closing) AS closing, MIN(due_at) AS due_at FROM ({DUE}) every GROUP BY resource) due
               ON due.resource = resources.name
             WHERE lease_until <= $1 ORDER BY due.closing DESC, due.due_at, name LIMIT $2 {lock}"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(self.now.as_millis()).bind(i64::from(at_most));
        let rows = query.fetch_all(&mut *self.inner).await?;
        rows.iter()
            .map(|row| {
                let read = Reader::new(row, "resources", "name")?;
                Ok(Claimable { resource: read.resource("name")?, closing: read.number("closing")? > 0 })
            })
            .collect()
    }

    /// Takes the lease of one resource, if nobody has it.
    pub async fn lease(&mut self, resource: &ResourceName, worker: &str, length: Span) -> Result<Option<Lease>, StoreError> {
        let row = sqlx::query(
            "UPDATE resources SET lease_owner = $1, lease_until = $2, fence = fence + 1
             WHERE name = $3 AND lease_until <= $4 RETURNING fence",
        )
        .bind(worker)
        .bind(self.now.plus(length).as_millis())
        .bind(resource.as_str())
        .bind(self.now.as_millis())
        .fetch_optional(&mut *self.inner)
        .await?;
        row.map(|row| Ok(Lease { resource: resource.clone(), fence: row.try_get("fence")? })).transpose()
    }

    /// Makes the lease last longer; false where it is not ours any more.
    pub async fn renew_lease(&mut self, lease: &Lease, length: Span) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE resources SET lease_until = $1 WHERE name = $2 AND fence = $3")
            .bind(self.now.plus(length).as_millis())
            .bind(lease.resource.as_str())
            .bind(lease.fence)
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives the lease back, which also proves that it was still ours: where it was not, nothing may be recorded.
    pub async fn give_back(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE resources SET lease_owner = NULL, lease_until = 0 WHERE name = $1 AND fence = $2")
            .bind(lease.resource.as_str())
            .bind(lease.fence)
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether the lease is still ours; if so, its resource is locked until the transaction ends.
    pub async fn still_holds(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE resources SET fence = fence WHERE name = $1 AND fence = $2")
            .bind(lease.resource.as_str())
            .bind(lease.fence)
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Frees what a worker held that is known to be dead: with SQLite, whoever held a lease or a thread before we started.
    pub async fn free_what_the_dead_held(&mut self) -> Result<(), StoreError> {
        if self.dialect == super::Dialect::Sqlite {
            sqlx::query("UPDATE resources SET lease_owner = NULL, lease_until = 0, fence = fence + 1")
                .execute(&mut *self.inner)
                .await?;
            sqlx::query("UPDATE webhooks SET lease_until = 0").execute(&mut *self.inner).await?;
            sqlx::query("UPDATE posts SET due_at = $1 WHERE due_at > $1")
                .bind(self.now.as_millis())
                .execute(&mut *self.inner)
                .await?;
        }
        Ok(())
    }

    /// Keeps others from changing this member's sessions until the transaction ends.
    pub async fn lock_member(&mut self, member: &MemberName) -> Result<(), StoreError> {
        sqlx::query("UPDATE members SET first_seen = first_seen WHERE name = $1")
            .bind(member.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Keeps others from changing what is wanted of these resources until the transaction ends. They must come in order of name.
    pub async fn lock_resources(&mut self, resources: &std::collections::BTreeSet<ResourceName>) -> Result<(), StoreError> {
        if self.dialect == super::Dialect::Sqlite {
            return Ok(());
        }
        for resource in resources {
            sqlx::query("SELECT name FROM resources WHERE name = $1 FOR UPDATE")
                .bind(resource.as_str())
                .fetch_optional(&mut *self.inner)
                .await?;
        }
        Ok(())
    }
}
