//! Sets the one time back to a clock that was ahead: what was written by the wrong time is brought back to the right one, and what was
//! handed out by it ends.

use sqlx::{AssertSqlSafe, Row};

use super::time::Kept;
use super::{Dialect, Store, StoreError, Tx};
use crate::domain::{Span, Timestamp};

/// When something happened, or is to be tried: a time that has not come yet becomes the present. What is due is tried at once.
const BROUGHT_BACK: &[(&str, &str)] = &[
    ("sessions", "started_at"),
    ("sessions", "ended_at"),
    ("sessions", "closed_at"),
    ("sessions", "quarantined_at"),
    ("session_rules", "applied_at"),
    ("session_rules", "removed_at"),
    ("session_rules", "quarantined_at"),
    ("openings", "due_at"),
    ("openings", "created_at"),
    ("openings", "present_at"),
    ("openings", "gone_at"),
    ("openings", "unseen_since"),
    ("openings", "quarantined_at"),
    ("confirmations", "created_at"),
    ("confirmations", "used_at"),
    ("posts", "due_at"),
    ("channels", "free_at"),
    ("accepted_requests", "accepted_at"),
    ("blocks", "since"),
    ("blocks", "probe_at"),
    ("buckets", "refilled_at"),
    ("commit_trials", "at"),
    ("sweeps", "at"),
    ("drifts", "at"),
    ("drifts", "taken_at"),
    ("drifts", "told_at"),
    ("panics", "at"),
    ("panics", "lifted_at"),
    ("held_roles", "seen_at"),
    ("joined_identities", "joined_at"),
    ("departed_identities", "departed_at"),
    ("join_codes", "used_at"),
    ("sign_in_links", "used_at"),
    ("api_keys", "revoked_at"),
    ("api_keys", "last_used_at"),
    ("idempotency_keys", "asked_at"),
    ("web_sessions", "ended_at"),
    ("webhooks", "due_at"),
    ("webhooks", "disabled_at"),
    ("schedule_ticks", "tried_at"),
    ("members", "first_seen"),
    ("deployment", "created_at"),
];

/// What was handed out by the wrong time, and unused one-time links and codes end. `$1` is the accepted time. Ends that
/// were stored before the clock was wrong stay where they are.
const ENDED: &[&str] = &[
    "UPDATE confirmations SET expires_at = 0 WHERE used_at IS NULL AND expires_at > $1",
    "UPDATE confirmations SET learnt_by = 'forgotten' WHERE used_at > $1 AND learnt_by = 'link'",
    "UPDATE sign_in_links SET expires_at = 0 WHERE used_at IS NULL AND expires_at > $1",
    "UPDATE join_codes SET expires_at = 0 WHERE used_at IS NULL AND expires_at > $1",
    "UPDATE web_sessions SET ended_at = $1
     WHERE ended_at IS NULL AND (created_at > $1 OR renewed_at > $1 OR seen_at > $1 OR before_until > $1)",
    // A tick that has not come yet is to start its session when it comes.
    "DELETE FROM schedule_ticks WHERE tick > $1",
];

/// How long a worker may still hold a lease, at the most: one that was taken by the wrong time must not last until that comes.
const LONGEST_LEASE: Span = Span::from_seconds(60);

impl Store {
    /// Begins a transaction while no other one runs, in any replica: those under way end first, and others wait for it.
    pub async fn begin_alone(&self) -> Result<Tx, StoreError> {
        let mut tx = self.begin().await?;
        if self.dialect == Dialect::Postgres {
            // Every transaction of ours has read this table, and holds its lock on it until it ends. While this one waits, the next ones
            // wait behind it: not for long, where a backup is taken.
            sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *tx.inner).await?;
            sqlx::query("LOCK TABLE clock IN ACCESS EXCLUSIVE MODE").execute(&mut *tx.inner).await?;
            (tx.now, tx.kept) = self.time.read(&mut tx.inner).await?;
        }
        Ok(tx)
    }

    /// How far the clock was behind the one time when that was last told.
    pub fn clock_behind(&self) -> Span {
        self.time.behind()
    }
}

impl Tx {
    /// Sets the one time to `accepted`, for every replica; from here on this transaction has it, too. No other may run, and no session
    /// may be live: see [`Store::begin_alone`].
    pub async fn accept_clock(&mut self, accepted: Timestamp) -> Result<(), StoreError> {
        let wrong_by = self.now.since(accepted);
        for sql in ENDED {
            self.by_time(sql, accepted).await?;
        }
        // A key that was made by the wrong time keeps what is left of its life.
        sqlx::query("UPDATE api_keys SET expires_at = expires_at - $1, created_at = $2 WHERE created_at > $2")
            .bind(wrong_by.as_millis())
            .bind(accepted.as_millis())
            .execute(&mut *self.inner)
            .await?;
        for table in ["resources", "webhooks"] {
            let longest = accepted.plus(LONGEST_LEASE);
            self.by_time(&format!("UPDATE {table} SET lease_until = $1 WHERE lease_until > $1"), longest).await?;
        }
        self.now = accepted;
        self.bring_back().await?;
        self.kept = Kept::accepted(accepted, &self.kept);
        sqlx::query("UPDATE clock SET latest = $1, generation = $2, boot = NULL, monotonic = NULL")
            .bind(accepted.as_millis())
            .bind(self.kept.generation)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Brings back what is in the future and cannot be. What is due later is tried at once, which costs no more than a look.
    pub(super) async fn bring_back(&mut self) -> Result<(), StoreError> {
        for (table, column) in BROUGHT_BACK {
            self.by_time(&format!("UPDATE {table} SET {column} = $1 WHERE {column} > $1"), self.now).await?;
        }
        Ok(())
    }

    /// Whether any session is live.
    pub async fn has_live_sessions(&mut self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS live FROM sessions WHERE ended_at IS NULL").fetch_one(&mut *self.inner).await?;
        Ok(row.try_get::<i64, _>("live")? > 0)
    }

    async fn by_time(&mut self, sql: &str, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(sql.to_owned())).bind(at.as_millis()).execute(&mut *self.inner).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::StoreUrl;

    /// Numbers that are no times, and times that are ends or leases: [`ENDED`], the leases and the keys see to those.
    const OTHERS: &[&str] = &[
        "api_keys.created_at",
        "api_keys.expires_at",
        "audit_events.at",
        "audit_events.seq",
        "audit_head.chained_from",
        "audit_head.seq",
        "blocks.attempts",
        "blocks.batch",
        "blocks.family",
        "blocks.fewer_than",
        "blocks.rules_seen",
        "blocks.untold",
        "buckets.rate_milli",
        "buckets.tokens_milli",
        "clock.generation",
        "clock.latest",
        "clock.monotonic",
        "commit_trials.trials",
        "confirmations.break_glass",
        "confirmations.duration_ms",
        "confirmations.expires_at",
        "join_codes.expires_at",
        "known.version",
        "openings.attempts",
        "openings.closing",
        "openings.family",
        "openings.marked_until",
        "posts.attempts",
        "posts.version",
        "resources.fence",
        "resources.lease_until",
        "schedule_ticks.duration",
        "schedule_ticks.tick",
        "sessions.asked_ms",
        "sessions.expires_at",
        "sessions.remind_at",
        "sign_in_links.expires_at",
        "web_sessions.before_until",
        "web_sessions.created_at",
        "web_sessions.expires_at",
        "web_sessions.renewed_at",
        "web_sessions.seen_at",
        "webhooks.attempts",
        "webhooks.lease_until",
        "webhooks.next_seq",
    ];

    #[tokio::test]
    async fn every_number_that_is_stored_is_brought_back_or_said_not_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::parse(&format!("sqlite://{}", folder.path().join("test.db").display())).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let store = Store::open(&url, clock).await.unwrap();
        let sql = "SELECT tables.name || '.' || columns.name AS name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
                   WHERE tables.type = 'table' AND tables.name NOT LIKE '\\_%' ESCAPE '\\' AND columns.type = 'BIGINT'";
        let rows = sqlx::query(sql).fetch_all(&mut *store.pool.lend().await.unwrap()).await.unwrap();
        let stored: BTreeSet<String> = rows.iter().map(|row| row.try_get("name").unwrap()).collect();
        let brought_back = BROUGHT_BACK.iter().map(|(table, column)| format!("{table}.{column}"));
        let known: BTreeSet<String> = brought_back.chain(OTHERS.iter().map(ToString::to_string)).collect();
        assert_eq!(stored, known, "add a new column to BROUGHT_BACK, or see that what it ends is ended, and add it to OTHERS");
    }
}
