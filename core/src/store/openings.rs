//! Openings: the instances of real rules, and who wants them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, batches, cast_places_after, padded, placeholders, places_after};
use super::{StoreError, Tx};
use crate::domain::{
    AddressFamily, HeldRule, HostAddress, MemberName, Opening, OpeningId, OpeningState, ProviderRuleId, ResourceName, RuleOwner,
    RulePart, SessionId, Timestamp,
};
use crate::reconcile::{Wish, WishedOpening};

/// What is read of an opening.
pub(super) const COLUMNS: &str = "id, resource, address, state, rules, marked_until, due_at, attempts, error, unseen_since";

/// The rules of live sessions that want their opening.
pub(super) const WANTED: &str = "session_rules JOIN sessions ON sessions.id = session_rules.session
     WHERE session_rules.quarantined_at IS NULL AND session_rules.status NOT IN ('REMOVING', 'REMOVED') AND sessions.ended_at IS NULL";

#[derive(Serialize, Deserialize)]
struct StoredRule {
    id: String,
    part: String,
    owner: RuleOwner,
}

impl Tx {
    /// The opening for an address that a new wish can join: one that is there or on its way, and not on its way out.
    pub async fn joinable(&mut self, resource: &ResourceName, address: HostAddress) -> Result<Option<Opening>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM openings WHERE resource = $1 AND address = $2 AND state IN ('ADDING', 'PRESENT')");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(resource.as_str())
            .bind(address.to_string())
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(opening_from).transpose()
    }

    /// Adds an opening, due at once.
    pub async fn insert_opening(&mut self, opening: &Opening, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO openings (id, resource, address, family, state, rules, due_at, created_at)
             VALUES ($1, $2, $3, $7, $4, $5, $6, $6)",
        )
        .bind(opening.id.as_str())
        .bind(opening.resource.as_str())
        .bind(opening.address.to_string())
        .bind(opening.state.as_str())
        .bind(rules_text(&opening.rules))
        .bind(now.as_millis())
        .bind(AddressFamily::of(opening.address).number())
        .execute(&mut *self.inner)
        .await?;
        self.tell_of_block(&opening.resource, AddressFamily::of(opening.address)).await
    }

    /// An opening takes the place of one that has vanished, also among those that wait.
    pub async fn take_place_of(&mut self, vanished: &OpeningId, opening: &OpeningId) -> Result<(), StoreError> {
        sqlx::query("UPDATE openings SET created_at = (SELECT created_at FROM openings WHERE id = $1) WHERE id = $2")
            .bind(vanished.as_str())
            .bind(opening.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The resources that have something open, or not surely closed.
    pub async fn resources_with_openings(&mut self) -> Result<BTreeSet<ResourceName>, StoreError> {
        let rows =
            sqlx::query("SELECT DISTINCT resource FROM openings WHERE state <> 'GONE'").fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Reader::new(row, "openings", "resource")?.resource("resource")).collect()
    }

    /// Asks the reconciler to look at an opening now.
    pub async fn mark_due(&mut self, opening: &OpeningId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE openings SET due_at = $1 WHERE id = $2 AND state <> 'GONE' AND state <> 'QUARANTINED'")
            .bind(now.as_millis())
            .bind(opening.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Asks the reconciler to remove an opening that nobody wants any more, before it adds others.
    pub async fn mark_closing(&mut self, opening: &OpeningId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE openings SET due_at = $1, closing = 1,
             unseen_since = CASE WHEN state = 'REMOVING' THEN unseen_since ELSE NULL END
             WHERE id = $2 AND state <> 'GONE' AND state <> 'QUARANTINED'",
        )
        .bind(self.now.as_millis())
        .bind(opening.as_str())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The openings of a resource that are due, and those that stand in their way: at the same address and not gone. Of the additions,
    /// those named ([`Tx::due_additions`]).
    pub async fn due_openings(
        &mut self,
        resource: &ResourceName,
        adding: &[OpeningId],
    ) -> Result<Vec<WishedOpening>, StoreError> {
        let named = batches(adding.iter().map(OpeningId::as_str)).concat();
        let of_additions = match named.len() {
            0 => String::new(),
            many => format!("UNION ALL SELECT address FROM openings WHERE id IN {}", places_after(2, many)),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM openings WHERE resource = $1 AND state <> 'GONE' AND state <> 'QUARANTINED' AND address IN
               (SELECT address FROM openings WHERE resource = $1 AND due_at <= $2 AND (state <> 'ADDING' OR closing = 1)
                {of_additions})
             ORDER BY created_at, id"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).bind(self.now.as_millis());
        for id in &named {
            query = query.bind(*id);
        }
        let rows = query.fetch_all(&mut *self.inner).await?;
        let mut due = self.with_wishes(&rows).await?;
        // An addition that only stands at the address of something else waits for its turn.
        for wished in &mut due {
            let waits = wished.opening.state == OpeningState::Adding && wished.wish.is_some();
            if waits && !adding.contains(&wished.opening.id) {
                wished.due_at = None;
            }
        }
        Ok(due)
    }

    /// Every opening of a resource that may have a rule there, with what is wanted of it now. One that was never tried has none.
    pub async fn wished_openings(&mut self, resource: &ResourceName) -> Result<Vec<WishedOpening>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM openings WHERE resource = $1 AND state <> 'GONE' AND state <> 'QUARANTINED'
             AND NOT (state = 'ADDING' AND attempts = 0) ORDER BY created_at, id"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(resource.as_str()).fetch_all(&mut *self.inner).await?;
        self.with_wishes(&rows).await
    }

    async fn with_wishes(&mut self, rows: &[AnyRow]) -> Result<Vec<WishedOpening>, StoreError> {
        let openings = rows.iter().map(opening_from).collect::<Result<Vec<_>, _>>()?;
        let mut wishes = self.wishes_for(&openings.iter().map(|opening| &opening.id).collect::<Vec<_>>()).await?;
        let wished = |(opening, row): (Opening, _)| {
            let due_at = Reader::new(row, "openings", "id")?.optional_time("due_at")?;
            let wish = wishes.remove(&opening.id);
            Ok(WishedOpening { opening, due_at, wish })
        };
        openings.into_iter().zip(rows).map(wished).collect()
    }

    /// What is wanted of an opening: it is while a live session's rule wants it. A query, never a stored counter.
    pub async fn wish_for(&mut self, opening: &OpeningId) -> Result<Option<Wish>, StoreError> {
        Ok(self.wishes_for(&[opening]).await?.remove(opening))
    }

    /// The same of many openings; none where an opening is not wanted. Of the sessions that want it, the one that began first is named.
    pub async fn wishes_for(&mut self, openings: &[&OpeningId]) -> Result<BTreeMap<OpeningId, Wish>, StoreError> {
        let mut wishes = BTreeMap::<_, Wish>::new();
        for some in batches(openings.iter().map(|opening| opening.as_str())) {
            let sql = format!(
                "SELECT session_rules.opening AS opening, sessions.id AS id, sessions.member AS member, sessions.expires_at AS until
                 FROM {WANTED} AND session_rules.opening IN {} ORDER BY sessions.started_at, sessions.id",
                placeholders(1, some.len())
            );
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = some.iter().fold(query, |query, opening| query.bind(*opening));
            for row in &query.fetch_all(&mut *self.inner).await? {
                let read = Reader::new(row, "sessions", "id")?;
                let until = read.time("until")?;
                match wishes.entry(OpeningId::from_stored(read.text("opening")?)) {
                    Entry::Occupied(mut first) => first.get_mut().until = first.get().until.max(until),
                    Entry::Vacant(place) => {
                        let member = read.parsed("member", |text| MemberName::new(text).ok())?;
                        place.insert(Wish { until, session: SessionId::from_stored(read.text("id")?), member });
                    }
                }
            }
        }
        Ok(wishes)
    }

    /// Counts another try of these openings, which are due again at `due_at`: what is planned for them changes nothing else.
    pub async fn try_openings<'a>(
        &mut self,
        openings: impl Iterator<Item = &'a OpeningId>,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        for some in batches(openings.map(OpeningId::as_str)) {
            let sql =
                format!("UPDATE openings SET attempts = attempts + 1, due_at = $1 WHERE id IN {}", places_after(1, some.len()));
            let query = sqlx::query(AssertSqlSafe(sql)).bind(due_at.as_millis());
            some.iter().fold(query, |query, opening| query.bind(*opening)).execute(&mut *self.inner).await?;
        }
        Ok(())
    }

    /// Writes an opening, and when to look at it again.
    pub async fn save_opening(&mut self, opening: &Opening, due_at: Option<Timestamp>, now: Timestamp) -> Result<(), StoreError> {
        self.save_openings(&[(opening, due_at)], now).await
    }

    /// Writes openings, and when to look at each again.
    pub async fn save_openings(&mut self, all: &[(&Opening, Option<Timestamp>)], now: Timestamp) -> Result<(), StoreError> {
        for some in padded(all) {
            let sql = format!(
                "UPDATE openings SET state = new.column2, rules = new.column3, marked_until = new.column4, attempts = new.column5,
                 error = new.column6, due_at = new.column7, unseen_since = new.column8, closing = new.column9,
                 present_at = CASE new.column2 WHEN 'PRESENT' THEN COALESCE(present_at, $1) WHEN 'ADDING' THEN NULL
                   ELSE present_at END,
                 gone_at = CASE new.column2 WHEN 'GONE' THEN COALESCE(gone_at, $1) ELSE gone_at END
                 FROM (VALUES {}) AS new WHERE openings.id = new.column1",
                cast_places_after(1, some.len(), &["TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "TEXT", "BIGINT", "BIGINT", "BIGINT"])
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(now.as_millis());
            for (opening, due_at) in some {
                query = query
                    .bind(opening.id.as_str())
                    .bind(opening.state.as_str())
                    .bind(rules_text(&opening.rules))
                    .bind(opening.marked_until.map(Timestamp::as_millis))
                    .bind(i64::from(opening.attempts))
                    .bind(opening.error.as_deref())
                    .bind(due_at.map(Timestamp::as_millis))
                    .bind(opening.unseen_since.map(Timestamp::as_millis))
                    .bind(i64::from(opening.is_closing()));
            }
            query.execute(&mut *self.inner).await?;
        }
        Ok(())
    }

    /// Makes everything that was in flight or waiting due at once: what a start does after a crash.
    pub async fn resume_in_flight(&mut self) -> Result<u64, StoreError> {
        // Not a look at every opening: those that are as they should be have no due time, and are not in its index.
        let done = sqlx::query("UPDATE openings SET due_at = $1 WHERE due_at > $1")
            .bind(self.now.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected())
    }

    /// Whether an opening is as it was when somebody looked at it.
    pub async fn is_still(&mut self, opening: &OpeningId, state: OpeningState) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT id FROM openings WHERE id = $1 AND state = $2")
            .bind(opening.as_str())
            .bind(state.as_str())
            .fetch_optional(&mut *self.inner)
            .await?;
        Ok(row.is_some())
    }

    /// Whether an opening of another resource is alive: two resources may be parts of one list.
    pub async fn is_alive_elsewhere(&mut self, opening: &OpeningId, resource: &ResourceName) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT id FROM openings WHERE id = $1 AND resource <> $2 AND state <> 'GONE' AND state <> 'QUARANTINED'",
        )
        .bind(opening.as_str())
        .bind(resource.as_str())
        .fetch_optional(&mut *self.inner)
        .await?;
        Ok(row.is_some())
    }

    /// Since when the longest due opening has been due, or when the next one is. What a block holds back is due with its probe.
    pub async fn next_due(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MIN(CASE WHEN blocks.probe_at > openings.due_at THEN blocks.probe_at ELSE openings.due_at END) AS next
                   FROM openings LEFT JOIN blocks ON blocks.resource = openings.resource AND blocks.family = openings.family
                   AND openings.state = 'ADDING' AND openings.closing = 0
                   WHERE openings.due_at IS NOT NULL";
        let row = sqlx::query(sql).fetch_one(&mut *self.inner).await?;
        Ok(row.try_get::<Option<i64>, _>("next")?.map(Timestamp::from_millis))
    }

    /// When the next opening is due that is not due yet, or the next probe.
    pub async fn next_due_later(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT (SELECT MIN(due_at) FROM openings WHERE due_at > $1) AS opening,
                          (SELECT MIN(probe_at) FROM blocks WHERE probe_at > $1) AS probe";
        let row = sqlx::query(sql).bind(self.now.as_millis()).fetch_one(&mut *self.inner).await?;
        let times: [Option<i64>; 2] = [row.try_get("opening")?, row.try_get("probe")?];
        Ok(times.into_iter().flatten().min().map(Timestamp::from_millis))
    }
}

fn rules_text(rules: &[HeldRule]) -> String {
    let stored: Vec<_> = rules
        .iter()
        .map(|rule| StoredRule { id: rule.id.as_str().to_owned(), part: rule.part.0.clone(), owner: rule.owner })
        .collect();
    serde_json::json!(stored).to_string()
}

/// The provider's rules of an opening, from their stored text.
pub(super) fn held_rules(text: &str) -> Option<Vec<HeldRule>> {
    let stored: Vec<StoredRule> = serde_json::from_str(text).ok()?;
    let held =
        |rule: StoredRule| HeldRule { id: ProviderRuleId::from_stored(rule.id), part: RulePart(rule.part), owner: rule.owner };
    Some(stored.into_iter().map(held).collect())
}

pub(super) fn opening_from(row: &AnyRow) -> Result<Opening, StoreError> {
    let read = Reader::new(row, "openings", "id")?;
    Ok(Opening {
        id: OpeningId::from_stored(read.text("id")?),
        resource: read.resource("resource")?,
        address: read.address("address")?,
        state: read.parsed("state", OpeningState::parse)?,
        rules: read.parsed("rules", held_rules)?,
        marked_until: read.optional_time("marked_until")?,
        attempts: u32::try_from(read.number("attempts")?).unwrap_or(u32::MAX),
        error: read.optional_text("error")?,
        unseen_since: read.optional_time("unseen_since")?,
    })
}
