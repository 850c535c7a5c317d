//! What resources remember of refusals, shared by all replicas; and the openings that wait for it.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::openings::{COLUMNS as OPENING, WANTED, opening_from};
use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{AddressFamily, Block, BlockCause, Opening, OpeningId, ResourceName, Timestamp};

/// What is read of a block.
const COLUMNS: &str = "resource, family, cause, reason, since, probe_at, attempts, batch, fewer_than, rules_seen, untold";
/// An addition that waits for its turn; not one that is to be taken back.
const WAITS: &str = "openings.state = 'ADDING' AND openings.closing = 0 AND openings.due_at IS NOT NULL";

/// A resource that refuses additions, and how many wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedGrants {
    /// Why, since when, and when it is tried again.
    pub block: Block,
    /// How many openings wait.
    pub waiting: u64,
}

/// An addition whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueAddition {
    /// The opening to add.
    pub opening: OpeningId,
    /// Until when it is wanted, if it still is.
    pub until: Option<Timestamp>,
}

impl Tx {
    /// What a resource remembers, for each family that is refused.
    pub async fn blocks_on(&mut self, resource: &ResourceName) -> Result<Vec<Block>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM blocks WHERE resource = $1 ORDER BY family");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(block_from).collect()
    }

    /// What a resource remembers for one family.
    pub async fn block(&mut self, resource: &ResourceName, family: AddressFamily) -> Result<Option<Block>, StoreError> {
        Ok(self.blocks_on(resource).await?.into_iter().find(|block| block.family == family))
    }

    /// Every resource that refuses additions which wait for it.
    pub async fn blocked_grants(&mut self) -> Result<Vec<BlockedGrants>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT COUNT(*) FROM openings WHERE openings.resource = blocks.resource
             AND openings.family = blocks.family AND {WAITS}) AS waiting FROM blocks ORDER BY resource, family"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *self.inner).await?;
        let blocked = |row: &AnyRow| {
            let waiting = u64::try_from(row.try_get::<i64, _>("waiting")?).unwrap_or_default();
            Ok(BlockedGrants { block: block_from(row)?, waiting })
        };
        let all = rows.iter().map(blocked).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(all.into_iter().filter(|blocked| blocked.waiting > 0).collect())
    }

    /// Writes what a resource remembers.
    pub async fn save_block(&mut self, block: &Block) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO blocks (resource, family, cause, reason, since, probe_at, attempts, batch, fewer_than, rules_seen, untold)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (resource, family) DO UPDATE SET cause = excluded.cause, reason = excluded.reason, since = excluded.since,
             probe_at = excluded.probe_at, attempts = excluded.attempts, batch = excluded.batch, fewer_than = excluded.fewer_than,
             rules_seen = excluded.rules_seen, untold = excluded.untold",
        )
        .bind(block.resource.as_str())
        .bind(block.family.number())
        .bind(block.cause.as_str())
        .bind(&block.reason)
        .bind(block.since.as_millis())
        .bind(block.probe_at.as_millis())
        .bind(i64::from(block.attempts))
        .bind(i64::from(block.batch))
        .bind(block.fewer_than.map(i64::from))
        .bind(block.rules_seen.map(i64::from))
        .bind(i64::from(block.untold))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The resource takes additions again: what waits is due.
    pub async fn lift_block(&mut self, resource: &ResourceName, family: AddressFamily) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM blocks WHERE resource = $1 AND family = $2")
            .bind(resource.as_str())
            .bind(family.number())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Forgets what a resource remembers, where it cannot be read: its next addition finds out anew.
    pub(super) async fn forget_blocks(&mut self, resource: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM blocks WHERE resource = $1").bind(resource).execute(&mut *self.inner).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Lets a resource that refused be tried now: something about it may have changed.
    pub async fn probe_now(&mut self, resource: &ResourceName) -> Result<(), StoreError> {
        sqlx::query("UPDATE blocks SET probe_at = $1 WHERE resource = $2 AND probe_at > $1")
            .bind(self.now.as_millis())
            .bind(resource.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Lets every resource that refused be tried now.
    pub async fn probe_all_now(&mut self) -> Result<(), StoreError> {
        sqlx::query("UPDATE blocks SET probe_at = $1 WHERE probe_at > $1")
            .bind(self.now.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Whether additions of a family wait on a resource.
    pub async fn some_wait(&mut self, resource: &ResourceName, family: AddressFamily) -> Result<bool, StoreError> {
        let sql = format!("SELECT id FROM openings WHERE resource = $1 AND family = $2 AND {WAITS} LIMIT 1");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).bind(family.number());
        Ok(query.fetch_optional(&mut *self.inner).await?.is_some())
    }

    /// Lets what was refused wait for the resource alone, and not for a time of its own as well: the oldest is served first.
    pub async fn wait_for_block(&mut self, resource: &ResourceName, family: AddressFamily) -> Result<(), StoreError> {
        let sql = format!("UPDATE openings SET due_at = $1 WHERE resource = $2 AND family = $3 AND {WAITS} AND due_at > $1");
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.now.as_millis())
            .bind(resource.as_str())
            .bind(family.number())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The additions whose turn it is on a resource: the oldest that nothing blocks, or those of the probe that is due, whichever has
    /// been due for longer. Never both: they would share a call, and one would be refused for the other's sake.
    pub async fn due_additions(&mut self, resource: &ResourceName, at_most: usize) -> Result<Vec<DueAddition>, StoreError> {
        let blocks = self.blocks_on(resource).await?;
        let (mut free, mut turns) = (Vec::new(), Vec::new());
        for (family, due_at) in self.first_due(resource).await? {
            match blocks.iter().find(|block| block.family == family) {
                None => free.push((due_at, family)),
                Some(block) if block.probe_at <= self.now => {
                    turns.push((block.probe_at, vec![family], at_most.min(usize::try_from(block.batch).unwrap_or(1).max(1))));
                }
                Some(_) => {}
            }
        }
        if let Some(due_at) = free.iter().map(|(due_at, _)| *due_at).min() {
            turns.push((due_at, free.into_iter().map(|(_, family)| family).collect(), at_most));
        }
        match turns.into_iter().min_by_key(|(due_at, ..)| *due_at) {
            Some((_, families, at_most)) => self.oldest_additions(resource, &families, at_most).await,
            None => Ok(Vec::new()),
        }
    }

    /// Since when the longest due addition of each family has been due.
    async fn first_due(&mut self, resource: &ResourceName) -> Result<Vec<(AddressFamily, Timestamp)>, StoreError> {
        // One look into the index for each family, and not at everything that is due.
        let first = |family: AddressFamily| {
            format!(
                "(SELECT MIN(due_at) FROM openings WHERE resource = $1 AND family = {} AND state = 'ADDING' AND closing = 0
                 AND due_at <= $2) AS family_{}",
                family.number(),
                family.number()
            )
        };
        let sql = format!("SELECT {}", AddressFamily::ALL.map(first).join(", "));
        let query = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).bind(self.now.as_millis());
        let row = query.fetch_one(&mut *self.inner).await?;
        let mut due = Vec::new();
        for family in AddressFamily::ALL {
            let first: Option<i64> = row.try_get(format!("family_{}", family.number()).as_str())?;
            due.extend(first.map(|first| (family, Timestamp::from_millis(first))));
        }
        Ok(due)
    }

    async fn oldest_additions(
        &mut self,
        resource: &ResourceName,
        families: &[AddressFamily],
        at_most: usize,
    ) -> Result<Vec<DueAddition>, StoreError> {
        let both = [families.first(), families.last()].map(|family| family.map_or(0, |family| family.number()));
        let sql = format!(
            "SELECT id, (SELECT MAX(sessions.expires_at) FROM {WANTED} AND session_rules.opening = openings.id) AS until
             FROM openings WHERE resource = $1 AND family IN ($2, $3) AND state = 'ADDING' AND closing = 0
             AND due_at <= $4 ORDER BY created_at, id LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(resource.as_str())
            .bind(both[0])
            .bind(both[1])
            .bind(self.now.as_millis())
            .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.inner)
            .await?;
        let addition = |row: &AnyRow| {
            let read = Reader::new(row, "openings", "id")?;
            Ok(DueAddition { opening: OpeningId::from_stored(read.text("id")?), until: read.optional_time("until")? })
        };
        rows.iter().map(addition).collect()
    }

    /// A block whose reason not every waiting rule may show yet.
    pub async fn untold_block(&mut self) -> Result<Option<Block>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM blocks WHERE untold = 1 ORDER BY since, resource, family LIMIT 1");
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(block_from).transpose()
    }

    /// Waiting openings whose session rules do not show the block's reason, the oldest first.
    pub async fn untold_openings(&mut self, block: &Block, at_most: u32) -> Result<Vec<Opening>, StoreError> {
        let sql = format!(
            "SELECT {OPENING} FROM openings WHERE resource = $1 AND family = $2 AND {WAITS} AND EXISTS
               (SELECT r.id FROM session_rules r JOIN sessions s ON s.id = r.session
                WHERE r.opening = openings.id AND r.quarantined_at IS NULL AND s.ended_at IS NULL AND s.quarantined_at IS NULL
                AND (r.status = 'PENDING' OR (r.status = 'FAILED' AND COALESCE(r.error, '') <> $3)))
             ORDER BY created_at, id LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(block.resource.as_str())
            .bind(block.family.number())
            .bind(&block.reason)
            .bind(i64::from(at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(opening_from).collect()
    }

    /// Another addition waits, and may not show why yet.
    pub(super) async fn tell_of_block(&mut self, resource: &ResourceName, family: AddressFamily) -> Result<(), StoreError> {
        sqlx::query("UPDATE blocks SET untold = 1 WHERE resource = $1 AND family = $2")
            .bind(resource.as_str())
            .bind(family.number())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Every waiting rule shows the block's reason.
    pub async fn block_told(&mut self, block: &Block) -> Result<(), StoreError> {
        sqlx::query("UPDATE blocks SET untold = 0 WHERE resource = $1 AND family = $2")
            .bind(block.resource.as_str())
            .bind(block.family.number())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }
}

fn block_from(row: &AnyRow) -> Result<Block, StoreError> {
    let read = Reader::new(row, "blocks", "resource")?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let optional = |column| row.try_get::<Option<i64>, _>(column).map(|number| number.map(count));
    Ok(Block {
        resource: read.resource("resource")?,
        family: AddressFamily::numbered(read.number("family")?).ok_or_else(|| read.unreadable("family"))?,
        cause: read.parsed("cause", BlockCause::parse)?,
        reason: read.text("reason")?,
        since: read.time("since")?,
        probe_at: read.time("probe_at")?,
        attempts: count(read.number("attempts")?),
        batch: count(read.number("batch")?),
        fewer_than: optional("fewer_than")?,
        rules_seen: optional("rules_seen")?,
        untold: read.number("untold")? > 0,
    })
}
