//! What a chat shows of each session, and which of it is out of date.

use sqlx::any::AnyRow;

use super::rows::Reader;
use super::{StoreError, Tx};
use crate::domain::{SessionId, Surface, Timestamp};

/// A session's thread in a chat. Places, messages and what they show are in the surface's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatThread {
    /// Whose thread it is.
    pub session: SessionId,
    /// Where to post.
    pub place: String,
    /// The messages that were posted.
    pub posted: Option<String>,
    /// What they show.
    pub shown: Option<String>,
    /// How often it failed since it last came good.
    pub attempts: u32,
    /// Since when it has been out of date.
    pub due_at: Option<Timestamp>,
    // Grows with every change of the session, so that news which comes while a message is posted is not taken for shown.
    version: i64,
}

/// A thread to be.
#[derive(Clone, Debug)]
pub struct NewThread<'a> {
    /// Whose.
    pub session: &'a SessionId,
    /// In which chat.
    pub surface: Surface,
    /// Where to post.
    pub place: &'a str,
}

impl Tx {
    /// Adds a thread, out of date from the start.
    pub async fn insert_thread(&mut self, thread: NewThread<'_>, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO threads (session, surface, place, due_at) VALUES ($1, $2, $3, $4)")
            .bind(thread.session.as_str())
            .bind(thread.surface.as_str())
            .bind(thread.place)
            .bind(now.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Says that a session's thread is out of date. A due time that it has stays: news must not undo a wait that the chat asked for.
    pub async fn thread_changed(&mut self, session: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE threads SET version = version + 1, due_at = COALESCE(due_at, $1) WHERE session = $2")
            .bind(now.as_millis())
            .bind(session.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// The threads of a chat that are out of date.
    pub async fn due_threads(&mut self, surface: Surface, now: Timestamp, at_most: u32) -> Result<Vec<ChatThread>, StoreError> {
        let rows = sqlx::query("SELECT * FROM threads WHERE surface = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3")
            .bind(surface.as_str())
            .bind(now.as_millis())
            .bind(i64::from(at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(thread_from).collect()
    }

    /// Takes a thread for a while, so that no other replica posts the same.
    pub async fn take_thread(&mut self, thread: &ChatThread, until: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE threads SET due_at = $1 WHERE session = $2 AND due_at = $3")
            .bind(until.as_millis())
            .bind(thread.session.as_str())
            .bind(thread.due_at.map(Timestamp::as_millis))
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes what a thread shows by now, and when to look at it again: at once where there was news in between.
    pub async fn save_thread(&mut self, thread: &ChatThread, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE threads SET posted = $1, shown = $2, attempts = $3,
             due_at = CASE WHEN version = $6 THEN $4 ELSE COALESCE($4, $7) END WHERE session = $5",
        )
        .bind(thread.posted.as_deref())
        .bind(thread.shown.as_deref())
        .bind(i64::from(thread.attempts))
        .bind(thread.due_at.map(Timestamp::as_millis))
        .bind(thread.session.as_str())
        .bind(thread.version)
        .bind(now.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

fn thread_from(row: &AnyRow) -> Result<ChatThread, StoreError> {
    let read = Reader::new(row, "threads", "session")?;
    Ok(ChatThread {
        session: SessionId::from_stored(read.text("session")?),
        place: read.text("place")?,
        posted: read.optional_text("posted")?,
        shown: read.optional_text("shown")?,
        attempts: u32::try_from(read.number("attempts")?).unwrap_or(u32::MAX),
        due_at: read.optional_time("due_at")?,
        version: read.number("version")?,
    })
}
