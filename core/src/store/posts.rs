//! What chats show of each session, and which of it is out of date: an outbox in which the newest state wins.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, batches, places_after};
use super::{StoreError, Tx};
use crate::domain::{PostId, PostKind, SessionId, Surface, Timestamp};

/// Sessions whose posts a transaction has made out of date; its commit writes that down.
pub(super) type ChangedThreads = BTreeSet<SessionId>;

/// Something that a chat shows of one session. It is out of date from every change of the session until it is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatPost {
    /// Its id.
    pub id: PostId,
    /// The session.
    pub session: SessionId,
    /// What it is.
    pub kind: PostKind,
    /// Where it is shown: a thread's in the surface's own words, anything else's as the identity of whoever reads it.
    pub place: String,
    /// What has been posted there, in the surface's own words.
    pub posted: Option<String>,
    /// What it shows by now.
    pub shown: Option<String>,
    /// Failures in a row.
    pub attempts: u32,
    /// When to look at it again.
    pub due_at: Option<Timestamp>,
    // Grows with every change of the session, so that news which comes while a message is posted is not taken for shown.
    version: i64,
    // Until when a worker holds it: the fence of its outcome, for another one takes it after that.
    held: Option<Timestamp>,
}

/// A post to be.
#[derive(Clone, Debug)]
pub struct NewPost<'a> {
    /// Its id.
    pub id: &'a PostId,
    /// The session.
    pub session: &'a SessionId,
    /// What shows it.
    pub surface: Surface,
    /// What it is.
    pub kind: PostKind,
    /// Where.
    pub place: &'a str,
}

/// What stands for every channel of a chat at once.
pub const EVERYWHERE: &str = "*";

impl Tx {
    /// Adds a post, due at once.
    pub async fn insert_post(&mut self, post: NewPost<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO posts (id, session, surface, kind, place, due_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(post.id.as_str())
            .bind(post.session.as_str())
            .bind(post.surface.as_str())
            .bind(post.kind.as_str())
            .bind(post.place)
            .bind(self.now.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// In which chat a session's thread is, and where there.
    pub async fn thread_of(&mut self, session: &SessionId) -> Result<Option<(Surface, String)>, StoreError> {
        let query = sqlx::query("SELECT id, surface, place FROM posts WHERE session = $1 AND kind = $2");
        let row = query.bind(session.as_str()).bind(PostKind::Thread.as_str()).fetch_optional(&mut *self.inner).await?;
        let thread = |row: &AnyRow| {
            let read = Reader::new(row, "posts", "id")?;
            Ok((read.parsed("surface", Surface::parse)?, read.text("place")?))
        };
        row.as_ref().map(thread).transpose()
    }

    /// Marks a session's posts as out of date. One that waits after a failure goes on waiting.
    pub fn thread_changed(&mut self, session: &SessionId) {
        self.threads.insert(session.clone());
    }

    /// Lets the posts of the sessions that have changed be shown again; the commit does.
    pub(super) async fn write_threads(&mut self) -> Result<(), StoreError> {
        let threads = std::mem::take(&mut self.threads);
        for some in batches(threads.iter().map(SessionId::as_str)) {
            let sql = format!(
                "UPDATE posts SET version = version + 1, due_at = COALESCE(due_at, $1) WHERE session IN {}",
                places_after(1, some.len())
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(self.now.as_millis());
            some.iter().fold(query, |query, session| query.bind(*session)).execute(&mut *self.inner).await?;
        }
        Ok(())
    }

    /// A surface's posts that are out of date, the longest waiting first.
    pub async fn due_posts(&mut self, surface: Surface, now: Timestamp, at_most: u32) -> Result<Vec<ChatPost>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, session, kind, place, posted, shown, attempts, due_at, version FROM posts
             WHERE surface = $1 AND due_at <= $2 ORDER BY due_at, id LIMIT $3",
        )
        .bind(surface.as_str())
        .bind(now.as_millis())
        .bind(i64::from(at_most))
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter().map(post_from).collect()
    }

    /// Takes a post for as long as it may take to show it; false where another worker was quicker.
    pub async fn take_post(&mut self, post: &mut ChatPost, until: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE posts SET due_at = $1 WHERE id = $2 AND due_at = $3")
            .bind(until.as_millis())
            .bind(post.id.as_str())
            .bind(post.due_at.map(Timestamp::as_millis))
            .execute(&mut *self.inner)
            .await?;
        post.held = Some(until);
        Ok(done.rows_affected() == 1)
    }

    /// Records what a post shows by now. Where the session changed meanwhile, it stays due. False where another worker has taken the
    /// post since, whose outcome counts.
    pub async fn save_post(&mut self, post: &mut ChatPost) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE posts SET posted = $1, shown = $2, attempts = $3,
             due_at = CASE WHEN version = $6 THEN $4 ELSE COALESCE($4, $7) END WHERE id = $5 AND due_at = $8",
        )
        .bind(post.posted.as_deref())
        .bind(post.shown.as_deref())
        .bind(i64::from(post.attempts))
        .bind(post.due_at.map(Timestamp::as_millis))
        .bind(post.id.as_str())
        .bind(post.version)
        .bind(self.now.as_millis())
        .bind(post.held.map(Timestamp::as_millis))
        .execute(&mut *self.inner)
        .await?;
        post.held = post.due_at;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a channel's next turn: none until `next`. Where it is not free yet, says from when on it is.
    pub async fn take_turn(
        &mut self,
        surface: Surface,
        channel: &str,
        next: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO channels (surface, channel, free_at)
             SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM channels WHERE surface = $1 AND channel = $5 AND free_at > $4)
             ON CONFLICT (surface, channel) DO UPDATE SET free_at = $3 WHERE channels.free_at <= $4",
        )
        .bind(surface.as_str())
        .bind(channel)
        .bind(next.as_millis())
        .bind(self.now.as_millis())
        .bind(EVERYWHERE)
        .execute(&mut *self.inner)
        .await?;
        if taken.rows_affected() == 1 {
            return Ok(Ok(()));
        }
        let row = sqlx::query("SELECT MAX(free_at) AS free_at FROM channels WHERE surface = $1 AND channel IN ($2, $3)")
            .bind(surface.as_str())
            .bind(channel)
            .bind(EVERYWHERE)
            .fetch_one(&mut *self.inner)
            .await?;
        Ok(Err(Timestamp::from_millis(row.try_get("free_at")?)))
    }

    /// Keeps everybody from a channel until then: the chat said so.
    pub async fn hold_channel(&mut self, surface: Surface, channel: &str, until: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO channels (surface, channel, free_at) VALUES ($1, $2, $3)
             ON CONFLICT (surface, channel) DO UPDATE SET free_at = $3 WHERE channels.free_at < $3",
        )
        .bind(surface.as_str())
        .bind(channel)
        .bind(until.as_millis())
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

fn post_from(row: &AnyRow) -> Result<ChatPost, StoreError> {
    let read = Reader::new(row, "posts", "id")?;
    Ok(ChatPost {
        id: PostId::from_stored(read.text("id")?),
        session: SessionId::from_stored(read.text("session")?),
        kind: read.parsed("kind", PostKind::parse)?,
        place: read.text("place")?,
        posted: read.optional_text("posted")?,
        shown: read.optional_text("shown")?,
        attempts: u32::try_from(read.number("attempts")?).unwrap_or(u32::MAX),
        due_at: read.optional_time("due_at")?,
        version: read.number("version")?,
        held: None,
    })
}
