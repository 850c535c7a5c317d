//! One-time links: a token's hash, what it would start, and whether it was used.

use sqlx::any::AnyRow;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{ConfirmationId, MemberName, SessionId, Span, Surface, Timestamp};

/// What a one-time link starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Its id.
    pub id: ConfirmationId,
    /// For whom.
    pub member: MemberName,
    /// Where it was asked for.
    pub surface: Surface,
    /// For how long.
    pub duration: Span,
    /// Why, in the member's words.
    pub reason: Option<String>,
    /// Where the chat shows the session, in the surface's own words.
    pub place: Option<String>,
    /// Until when the link works.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// The session that it started.
    pub session: Option<SessionId>,
}

impl Tx {
    /// Adds a link, by its token's hash.
    pub async fn insert_confirmation(
        &mut self,
        confirmation: &Confirmation,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO confirmations (id, token_hash, member, surface, duration_ms, reason, place, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(confirmation.id.as_str())
        .bind(token_hash)
        .bind(confirmation.member.as_str())
        .bind(confirmation.surface.as_str())
        .bind(confirmation.duration.as_millis())
        .bind(confirmation.reason.as_deref())
        .bind(confirmation.place.as_deref())
        .bind(now.as_millis())
        .bind(confirmation.expires_at.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The link of a token's hash.
    pub async fn confirmation(&mut self, token_hash: &str) -> Result<Option<Confirmation>, StoreError> {
        let row = sqlx::query("SELECT * FROM confirmations WHERE token_hash = $1")
            .bind(token_hash)
            .fetch_optional(&mut *self.inner)
            .await?;
        row.as_ref().map(confirmation_from).transpose()
    }

    /// Uses a link up; false where somebody was faster, or its time is over.
    pub async fn use_confirmation(
        &mut self,
        id: &ConfirmationId,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE confirmations SET used_at = $1, session = $2 WHERE id = $3 AND used_at IS NULL AND expires_at > $1",
        )
        .bind(now.as_millis())
        .bind(session.as_str())
        .bind(id.as_str())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn confirmation_from(row: &AnyRow) -> Result<Confirmation, StoreError> {
    let read = Reader::new(row, "confirmations", "id")?;
    Ok(Confirmation {
        id: ConfirmationId::from_stored(read.text("id")?),
        member: read.parsed("member", |text| MemberName::new(text).ok())?,
        surface: read.parsed("surface", Surface::parse)?,
        duration: Span::from_millis(read.number("duration_ms")?),
        reason: read.optional_text("reason")?,
        place: read.optional_text("place")?,
        expires_at: read.time("expires_at")?,
        used_at: read.optional_time("used_at")?,
        session: read.optional_text("session")?.map(SessionId::from_stored),
    })
}
