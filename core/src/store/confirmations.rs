//! One-time links: a token's hash, what it would start, whether it was used, and so which address a member confirmed last.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::rows::{Reader, placeholders};
use super::{StoreError, Tx};
use crate::domain::{
    Addresses, ConfirmationId, HostAddress, Identity, LearntBy, MemberName, SessionId, Span, Surface, Timestamp,
};

/// What is read of a link.
const COLUMNS: &str = "id, member, identity, surface, duration_ms, reason, break_glass, place, expires_at, used_at, session";
/// How long a link is remembered that nobody has used.
const UNUSED: Span = Span::from_hours(24);

/// What a one-time link starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Its id.
    pub id: ConfirmationId,
    /// For whom.
    pub member: MemberName,
    /// Who asked for it, where that was kept.
    pub identity: Option<Identity>,
    /// Where it was asked for.
    pub surface: Surface,
    /// For how long.
    pub duration: Span,
    /// Why, in the member's words.
    pub reason: Option<String>,
    /// Whether an approval is to be done without.
    pub break_glass: bool,
    /// Where the chat shows the session, in the surface's own words.
    pub place: Option<String>,
    /// Until when the link works.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// The session that it started.
    pub session: Option<SessionId>,
}

/// The addresses that a member confirmed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// From where.
    pub addresses: Addresses,
    /// When they were confirmed.
    pub confirmed_at: Timestamp,
}

/// What a member confirmed through a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Who confirmed it.
    pub member: MemberName,
    /// As whom they asked for the link; none where that was not kept.
    pub identity: Option<Identity>,
    /// What they confirmed.
    pub remembered: Remembered,
}

impl Tx {
    /// Adds links, each by its token's hash.
    pub async fn insert_confirmations(&mut self, links: &[(&Confirmation, String)]) -> Result<(), StoreError> {
        if links.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO confirmations
                (id, token_hash, member, surface, duration_ms, reason, place, break_glass, created_at, expires_at, identity)
             VALUES {}",
            placeholders(links.len(), 11)
        );
        let (now, mut query) = (self.now.as_millis(), sqlx::query(AssertSqlSafe(sql)));
        for (link, token_hash) in links {
            query = query.bind(link.id.as_str()).bind(token_hash).bind(link.member.as_str()).bind(link.surface.as_str());
            query = query.bind(link.duration.as_millis()).bind(link.reason.as_deref()).bind(link.place.as_deref());
            query = query.bind(link.break_glass.then_some(now)).bind(now).bind(link.expires_at.as_millis());
            query = query.bind(link.identity.as_ref().map(ToString::to_string));
        }
        query.execute(&mut *self.inner).await?;
        Ok(())
    }

    /// How many links each of these members has that can still be used.
    pub async fn count_open_links(&mut self, members: &BTreeSet<&MemberName>) -> Result<BTreeMap<MemberName, u32>, StoreError> {
        let sql = format!(
            "SELECT member, COUNT(*) AS open FROM confirmations WHERE used_at IS NULL AND member IN {} AND expires_at > ${}
             GROUP BY member",
            placeholders(1, members.len()),
            members.len() + 1
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for member in members {
            query = query.bind(member.as_str());
        }
        let rows = query.bind(self.now.as_millis()).fetch_all(&mut *self.inner).await?;
        let count = |row: &AnyRow| {
            let read = Reader::new(row, "confirmations", "member")?;
            let member = read.parsed("member", |text| MemberName::new(text).ok())?;
            Ok((member, u32::try_from(read.number("open")?).unwrap_or(u32::MAX)))
        };
        rows.iter().map(count).collect()
    }

    /// Leaves each of these members the newest of their unused links: the others are forgotten.
    pub async fn keep_newest_links(&mut self, members: &BTreeSet<&MemberName>, most: u32) -> Result<(), StoreError> {
        // Ids are in the order of time.
        let sql = format!(
            "DELETE FROM confirmations WHERE used_at IS NULL AND id IN (
                 SELECT id FROM (
                     SELECT id, ROW_NUMBER() OVER (PARTITION BY member ORDER BY id DESC) AS place
                     FROM confirmations WHERE used_at IS NULL AND member IN {}
                 ) AS ranked WHERE place > ${})",
            placeholders(1, members.len()),
            members.len() + 1
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for member in members {
            query = query.bind(member.as_str());
        }
        query.bind(i64::from(most)).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// The link with this token's hash.
    pub async fn confirmation(&mut self, token_hash: &str) -> Result<Option<Confirmation>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM confirmations WHERE token_hash = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(token_hash).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(confirmation_from).transpose()
    }

    /// The link with this id, for whoever was shown it in a chat.
    pub async fn confirmation_by_id(&mut self, id: &ConfirmationId) -> Result<Option<Confirmation>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM confirmations WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(confirmation_from).transpose()
    }

    /// Uses up a link; false where somebody else was quicker.
    pub async fn use_confirmation(
        &mut self,
        id: &ConfirmationId,
        session: &SessionId,
        learnt_by: LearntBy,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE confirmations SET used_at = $1, session = $2, learnt_by = $3
             WHERE id = $4 AND used_at IS NULL AND expires_at > $1",
        )
        .bind(self.now.as_millis())
        .bind(session.as_str())
        .bind(learnt_by.as_str())
        .bind(id.as_str())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Makes a member's links that nobody has used worthless: all of them, or those asked for as one identity, or in its surface
    /// where that was not kept; how many there were.
    pub async fn void_links(&mut self, member: &MemberName, only: Option<(Surface, &Identity)>) -> Result<u64, StoreError> {
        let (surface, identity) =
            only.map_or(("", String::new()), |(surface, identity)| (surface.as_str(), identity.to_string()));
        // Earlier than any time that a transaction may have begun at.
        let sql = "UPDATE confirmations SET expires_at = 0
                   WHERE member = $1 AND used_at IS NULL AND expires_at > 0
                     AND ($2 = '' OR identity = $3 OR (identity IS NULL AND surface = $2))";
        let query = sqlx::query(sql).bind(member.as_str()).bind(surface).bind(identity);
        Ok(query.execute(&mut *self.inner).await?.rows_affected())
    }

    /// Lets no address be used again that a member confirmed through a link: all of them, or those of one identity; how many there were.
    pub async fn forget_confirmed(&mut self, member: &MemberName, only: Option<&Identity>) -> Result<u64, StoreError> {
        let only = only.map_or_else(|| "%".to_owned(), ToString::to_string);
        // That it was used is said for the index alone.
        let sql = "UPDATE confirmations SET learnt_by = 'forgotten'
                   WHERE member = $1 AND used_at IS NOT NULL AND learnt_by = 'link'
                     AND ($2 = '%' OR identity IS NULL OR identity = $2)";
        Ok(sqlx::query(sql).bind(member.as_str()).bind(only).execute(&mut *self.inner).await?.rows_affected())
    }

    /// Forgets links that nobody has used, once whoever comes back to one need not be told any more that it was one.
    pub async fn forget_unused_links(&mut self) -> Result<(), StoreError> {
        // One that was made worthless has no end of its own any more.
        sqlx::query("DELETE FROM confirmations WHERE used_at IS NULL AND expires_at < $1 AND created_at < $1")
            .bind(self.now.minus(UNUSED).as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// What these members confirmed through links, the last at the end, unless it was before the time beside their name. Using it again
    /// does not make it younger.
    pub async fn confirmed_since(&mut self, since: &BTreeMap<MemberName, Timestamp>) -> Result<Vec<Confirmed>, StoreError> {
        if since.is_empty() {
            return Ok(Vec::new());
        }
        let each = (0..since.len()).map(|at| format!("confirmations.member = ${} AND used_at >= ${}", 2 * at + 1, 2 * at + 2));
        let sql = format!(
            "SELECT confirmations.id AS id, confirmations.member AS member, confirmations.identity AS identity, used_at,
                    sessions.ipv4 AS ipv4, sessions.ipv6 AS ipv6
             FROM confirmations JOIN sessions ON sessions.id = confirmations.session
             WHERE confirmations.learnt_by = 'link' AND (end_reason IS NULL OR end_reason <> 'DENIED') AND ({})
             ORDER BY used_at",
            each.collect::<Vec<_>>().join(" OR ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (member, since) in since {
            query = query.bind(member.as_str()).bind(since.as_millis());
        }
        let rows = query.fetch_all(&mut *self.inner).await?;
        let remembered = |row: &AnyRow| {
            let read = Reader::new(row, "confirmations", "id")?;
            let addresses: Vec<_> = [host(&read, "ipv4")?, host(&read, "ipv6")?].into_iter().flatten().collect();
            let addresses = Addresses::new(&addresses).map_err(|_| read.unreadable("ipv4"))?;
            let member = read.parsed("member", |text| MemberName::new(text).ok())?;
            let identity = read.optional_parsed("identity", |text| text.parse().ok())?;
            Ok(Confirmed { member, identity, remembered: Remembered { addresses, confirmed_at: read.time("used_at")? } })
        };
        rows.iter().map(remembered).collect()
    }
}

fn host(read: &Reader<'_>, column: &'static str) -> Result<Option<HostAddress>, StoreError> {
    read.optional_parsed(column, |text| HostAddress::parse(text).ok())
}

fn confirmation_from(row: &AnyRow) -> Result<Confirmation, StoreError> {
    let read = Reader::new(row, "confirmations", "id")?;
    Ok(Confirmation {
        id: ConfirmationId::from_stored(read.text("id")?),
        member: read.parsed("member", |text| MemberName::new(text).ok())?,
        identity: read.optional_parsed("identity", |text| text.parse().ok())?,
        surface: read.parsed("surface", Surface::parse)?,
        duration: Span::from_millis(read.number("duration_ms")?),
        reason: read.optional_text("reason")?,
        break_glass: read.optional_time("break_glass")?.is_some(),
        place: read.optional_text("place")?,
        expires_at: read.time("expires_at")?,
        used_at: read.optional_time("used_at")?,
        session: read.optional_text("session")?.map(SessionId::from_stored),
    })
}
