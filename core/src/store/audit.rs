//! The audit log: append-only, and each entry chained to the one before it.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{Anchor, AuditEvent, AuditId, ChainedEvent, SessionId, Surface, Timestamp};
use crate::random::Random;

/// Where the log ends, and where its chain begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The last entry.
    pub last: Anchor,
    /// The first entry that has a hash.
    pub chained_from: i64,
}

impl Tx {
    /// Writes an entry, in the same transaction as the change that it tells of.
    pub async fn record(&mut self, event: &AuditEvent, random: &dyn Random) -> Result<(), StoreError> {
        // The one row that every writer locks, and the last: so the entries come one after the other.
        let head = sqlx::query("UPDATE audit_head SET seq = seq + 1 RETURNING seq, hash").fetch_one(&mut *self.inner).await?;
        let mut entry = ChainedEvent {
            seq: head.try_get("seq")?,
            id: AuditId::new(event.at, random).as_str().to_owned(),
            at: event.at.as_millis(),
            actor: event.actor.name().to_owned(),
            surface: event.actor.surface().map(Surface::as_str).map(str::to_owned),
            action: event.action.as_str().to_owned(),
            session: event.session.as_ref().map(|session| session.as_str().to_owned()),
            details: event.details.to_string(),
            prev_hash: head.try_get("hash")?,
            hash: String::new(),
        };
        entry.hash = entry.expected_hash();
        self.append(&entry).await
    }

    async fn append(&mut self, entry: &ChainedEvent) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO audit_events (id, seq, at, actor, surface, action, session, details, prev_hash, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&entry.id)
        .bind(entry.seq)
        .bind(entry.at)
        .bind(&entry.actor)
        .bind(entry.surface.as_deref())
        .bind(&entry.action)
        .bind(entry.session.as_deref())
        .bind(&entry.details)
        .bind(&entry.prev_hash)
        .bind(&entry.hash)
        .execute(&mut *self.inner)
        .await?;
        sqlx::query("UPDATE audit_head SET hash = $1").bind(&entry.hash).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Where the log ends.
    pub async fn audit_head(&mut self) -> Result<AuditHead, StoreError> {
        let row = sqlx::query("SELECT seq, hash, chained_from FROM audit_head").fetch_one(&mut *self.inner).await?;
        let last = Anchor { seq: row.try_get("seq")?, hash: row.try_get("hash")? };
        Ok(AuditHead { last, chained_from: row.try_get("chained_from")? })
    }

    /// The entries after the place `after`, in order: one page of them.
    pub async fn audit_page(&mut self, after: i64, at_most: u32) -> Result<Vec<ChainedEvent>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(i64::from(at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(entry_from).collect()
    }

    /// When the newest entry was written.
    pub(super) async fn last_event_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at FROM audit_events ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *self.inner).await?;
        row.map(|row| Ok(Timestamp::from_millis(row.try_get("at")?))).transpose()
    }

    /// The actions recorded of a session, oldest first.
    pub async fn audit_of(&mut self, session: &SessionId) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT action FROM audit_events WHERE session = $1 ORDER BY seq")
            .bind(session.as_str())
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("action")?)).collect()
    }
}

fn entry_from(row: &AnyRow) -> Result<ChainedEvent, StoreError> {
    let read = Reader::new(row, "audit_events", "id")?;
    Ok(ChainedEvent {
        seq: read.number("seq")?,
        id: read.text("id")?,
        at: read.number("at")?,
        actor: read.text("actor")?,
        surface: read.optional_text("surface")?,
        action: read.text("action")?,
        session: read.optional_text("session")?,
        details: read.text("details")?,
        prev_hash: read.optional_text("prev_hash")?.unwrap_or_default(),
        hash: read.optional_text("hash")?.unwrap_or_default(),
    })
}
