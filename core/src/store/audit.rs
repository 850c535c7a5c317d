//! The audit log: it only grows, and each entry's hash covers the one before.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, placeholders};
use super::{Store, StoreError, Tx};
use crate::domain::{AuditEntry, AuditEvent, AuditId, ChainHead, SessionId, Timestamp};
use crate::random::Random;

/// A run of entries by their places, both inclusive. None where `last` is before `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRange {
    /// The first entry's place.
    pub first: i64,
    /// The last entry's place.
    pub last: i64,
}

/// The newest entry's place and hash.
#[derive(Debug)]
struct Head {
    seq: i64,
    hash: Option<String>,
}

/// Entries of a transaction that are chained and not yet written, and the head that they lead to.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    // The log's head, once this transaction has locked it.
    head: Option<Head>,
    entries: Vec<AuditEntry>,
}

/// So many entries are written in one statement.
const WRITTEN_AT_ONCE: usize = 500;

impl Tx {
    /// Writes an entry, in the same transaction as the change that it tells of.
    pub async fn record(&mut self, event: &AuditEvent, random: &dyn Random) -> Result<(), StoreError> {
        self.record_all(std::slice::from_ref(event), random).await
    }

    /// Writes entries in their order.
    pub async fn record_all(&mut self, events: &[AuditEvent], random: &dyn Random) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let Head { mut seq, mut hash } = self.lock_head().await?;
        for event in events {
            seq += 1;
            let entry = AuditEntry::chained(event, &AuditId::new(event.at, random), seq, hash.take());
            hash.clone_from(&entry.hash);
            self.audit.entries.push(entry);
        }
        self.audit.head = Some(Head { seq, hash });
        if self.audit.entries.len() >= WRITTEN_AT_ONCE {
            self.write_entries().await?;
        }
        self.keep_time_of(self.now).await
    }

    /// Writes the entries that this transaction has recorded; its commit does, and what reads them before.
    pub(super) async fn write_entries(&mut self) -> Result<(), StoreError> {
        let entries = std::mem::take(&mut self.audit.entries);
        let Some(head) = self.audit.head.as_ref().filter(|_| !entries.is_empty()) else { return Ok(()) };
        let sql = format!(
            "INSERT INTO audit_events (id, seq, at, actor, surface, action, session, details, prev_hash, hash) VALUES {}",
            placeholders(entries.len(), 10)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for entry in &entries {
            query = query.bind(&entry.id).bind(entry.seq).bind(entry.at.as_millis()).bind(&entry.actor);
            query = query.bind(entry.surface.as_deref()).bind(&entry.action).bind(entry.session.as_deref()).bind(&entry.details);
            query = query.bind(entry.prev_hash.as_deref()).bind(entry.hash.as_deref());
        }
        query.execute(&mut *self.inner).await?;
        sqlx::query("UPDATE audit_head SET seq = $1, hash = $2")
            .bind(head.seq)
            .bind(head.hash.as_deref())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The head, which is this transaction's from here to its end: every other writer, in every replica, waits for its hash. It is
    /// read once in a transaction.
    async fn lock_head(&mut self) -> Result<Head, StoreError> {
        if let Some(head) = self.audit.head.take() {
            return Ok(head);
        }
        let head = sqlx::query("UPDATE audit_head SET seq = seq RETURNING seq, hash").fetch_one(&mut *self.inner).await?;
        Ok(Head { seq: head.try_get("seq")?, hash: head.try_get("hash")? })
    }

    /// When the newest entry was written.
    pub(super) async fn last_event_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.write_entries().await?;
        let row = sqlx::query("SELECT at FROM audit_events ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *self.inner).await?;
        row.map(|row| Ok(Timestamp::from_millis(row.try_get("at")?))).transpose()
    }

    /// What happened to sessions from one place to another, both inclusive, in order.
    pub(super) async fn session_entries(&mut self, first: i64, last: i64, at_most: i64) -> Result<Vec<AuditEntry>, StoreError> {
        self.write_entries().await?;
        let rows = sqlx::query(
            "SELECT id, seq, at, actor, surface, action, session, details, prev_hash, hash FROM audit_events
             WHERE seq >= $1 AND seq <= $2 AND session IS NOT NULL AND action LIKE 'session.%' ORDER BY seq LIMIT $3",
        )
        .bind(first)
        .bind(last)
        .bind(at_most)
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The actions recorded of a session, oldest first.
    pub async fn audit_of(&mut self, session: &SessionId) -> Result<Vec<String>, StoreError> {
        self.write_entries().await?;
        let rows = sqlx::query("SELECT action FROM audit_events WHERE session = $1 ORDER BY seq")
            .bind(session.as_str())
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("action")?)).collect()
    }
}

/// A place in the log, by which a database is told from an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    seq: i64,
    hash: Option<String>,
}

impl Store {
    /// The newest place of the log.
    ///
    /// # Errors
    /// The database fails.
    pub async fn log_place(&self) -> Result<LogPlace, StoreError> {
        let row = sqlx::query("SELECT seq, hash FROM audit_head").fetch_optional(&mut *self.pool.reader().await?).await?;
        let none = LogPlace { seq: 0, hash: None };
        row.map_or(Ok(none), |row| Ok(LogPlace { seq: row.try_get("seq")?, hash: row.try_get("hash")? }))
    }

    /// Whether the log still has that place. It has not where the database was replaced by an older one: a backup, or a replica that had
    /// not heard of the last commits.
    ///
    /// # Errors
    /// The database fails.
    pub async fn log_has(&self, place: &LogPlace) -> Result<bool, StoreError> {
        if place.seq == 0 {
            return Ok(true);
        }
        let query = sqlx::query("SELECT hash FROM audit_events WHERE seq = $1").bind(place.seq);
        let row = query.fetch_optional(&mut *self.pool.reader().await?).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get::<Option<String>, _>("hash")? == place.hash))
    }

    /// The log's head, and all of its entries at the same moment, those beyond the head included: there should be none.
    pub async fn audit_head(&self) -> Result<(ChainHead, AuditRange), StoreError> {
        // One statement sees one moment, however many are being written meanwhile.
        let row = sqlx::query(
            "SELECT ends.first AS first, ends.last AS last, seq, hash, chained_from
             FROM (SELECT COALESCE(MIN(seq), 1) AS first, COALESCE(MAX(seq), 0) AS last FROM audit_events) AS ends
             LEFT JOIN audit_head ON TRUE",
        )
        .fetch_one(&mut *self.pool.reader().await?)
        .await?;
        // A head that was taken away knows of no entry.
        let head = ChainHead {
            seq: row.try_get::<Option<i64>, _>("seq")?.unwrap_or(0),
            hash: row.try_get("hash")?,
            chained_from: row.try_get::<Option<i64>, _>("chained_from")?.unwrap_or(1),
        };
        Ok((head, AuditRange { first: row.try_get("first")?, last: row.try_get("last")? }))
    }

    /// The entries from the first that is not before `since` to the last that is before `until`, and all between, whose times
    /// need not be in order: what is without gaps can be verified.
    pub async fn audit_range(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> Result<AuditRange, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT MIN(seq) FROM audit_events WHERE at >= $1) AS first,
                    (SELECT MAX(seq) FROM audit_events WHERE at < $2) AS last",
        )
        .bind(since.map_or(i64::MIN, Timestamp::as_millis))
        .bind(until.map_or(i64::MAX, Timestamp::as_millis))
        .fetch_one(&mut *self.pool.reader().await?)
        .await?;
        let place = |column| row.try_get::<Option<i64>, _>(column);
        let (first, last) = (place("first")?, place("last")?);
        Ok(first.zip(last).map_or(AuditRange::NONE, |(first, last)| AuditRange { first, last }))
    }

    /// The next entries of the range, in order, at most `at_most` of them.
    pub async fn audit_page(&self, range: AuditRange, at_most: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, seq, at, actor, surface, action, session, details, prev_hash, hash FROM audit_events
             WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3",
        )
        .bind(range.first)
        .bind(range.last)
        .bind(i64::from(at_most))
        .fetch_all(&mut *self.pool.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }
}

impl AuditRange {
    const NONE: Self = Self { first: 1, last: 0 };

    /// What comes after this entry; nothing where there can be none.
    #[must_use]
    pub fn after(self, entry: &AuditEntry) -> Option<Self> {
        self.after_place(entry.seq)
    }

    /// What comes after this place; nothing where there can be none.
    pub(super) fn after_place(self, seq: i64) -> Option<Self> {
        let first = seq.checked_add(1)?;
        (first <= self.last).then_some(Self { first, ..self })
    }
}

pub(super) fn read(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    let row = Reader::new(row, "audit_events", "id")?;
    Ok(AuditEntry {
        seq: row.number("seq")?,
        id: row.text("id")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        surface: row.optional_text("surface")?,
        action: row.text("action")?,
        session: row.optional_text("session")?,
        details: row.text("details")?,
        prev_hash: row.optional_text("prev_hash")?,
        hash: row.optional_text("hash")?,
    })
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
