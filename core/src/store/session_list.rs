//! Sessions with their rules, as they are shown: one, or a part of a list.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::placeholders;
use super::sessions::{COLUMNS, members_in, session_from};
use super::{StoreError, Tx};
use crate::domain::{
    MemberName, ResourceName, Session, SessionCursor, SessionId, SessionRule, SessionStatus, Timestamp, session_status,
};

/// A session with its rules: what every surface shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// Its rules, by resource and address.
    pub rules: Vec<SessionRule>,
    /// Until when every opening of its own is marked in the cloud: what may be confirmed to people.
    pub marked_until: Option<Timestamp>,
}

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only this member's.
    pub member: Option<MemberName>,
    /// Only those whose id begins so.
    pub prefix: Option<String>,
    /// How far they have come.
    pub listed: Listed,
    /// Only those that come after this one in the list.
    pub after: Option<SessionCursor>,
    /// Not more than this.
    pub at_most: u32,
}

/// How far the sessions of a list have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    /// However far.
    #[default]
    All,
    /// Neither stopped nor run out.
    Live,
    /// Waiting for somebody's approval.
    Requested,
    /// Live, or with something left to close.
    Unclosed,
    /// Over, and closed.
    Past,
}

impl Listed {
    // A constant of ours: nothing of it comes from outside.
    const fn sql(self) -> &'static str {
        match self {
            Self::All => "TRUE",
            Self::Live => "ended_at IS NULL",
            Self::Requested => "ended_at IS NULL AND approval = 'AWAITED'",
            Self::Unclosed => "closed_at IS NULL",
            Self::Past => "closed_at IS NOT NULL",
        }
    }
}

impl SessionView {
    /// The session's status.
    pub fn status(&self) -> SessionStatus {
        let rules: Vec<_> = self.rules.iter().map(|rule| rule.status).collect();
        session_status(&self.session.approval, self.session.ending.as_ref().map(|ending| ending.reason), &rules)
    }

    /// How many resources it opens.
    pub fn resource_count(&self) -> usize {
        self.rules.iter().map(|rule| &rule.resource).collect::<BTreeSet<&ResourceName>>().len()
    }

    /// Whether its end has moved and the clouds do not know it yet.
    pub fn is_extending(&self) -> bool {
        self.status().is_live()
            && self.marked_until.is_some_and(|marked| marked.as_seconds() < self.session.expires_at.as_seconds())
    }
}

impl Tx {
    /// Sessions with their rules, the newest first.
    pub async fn sessions(&mut self, filter: &SessionFilter) -> Result<Vec<SessionView>, StoreError> {
        // Two texts, so that one member's sessions are found by their index.
        let whose = if filter.member.is_some() { "member = $1" } else { "$1 = ''" };
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions
             WHERE {whose} AND substr(id, 1, $2) = $3 AND {} AND (started_at < $4 OR (started_at = $4 AND id > $5))
             AND quarantined_at IS NULL ORDER BY started_at DESC, id LIMIT $6",
            filter.listed.sql()
        );
        let after = filter.after.as_ref();
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.member.as_ref().map_or("", MemberName::as_str))
            .bind(i32::try_from(filter.prefix.as_deref().map_or(0, str::len)).unwrap_or(i32::MAX))
            .bind(filter.prefix.as_deref().unwrap_or(""))
            .bind(after.map_or(i64::MAX, |after| after.started_at.as_millis()))
            .bind(after.map_or("", |after| after.id.as_str()))
            .bind(i64::from(filter.at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        self.views_of(&rows).await
    }

    /// How many there are.
    pub async fn count_sessions(&mut self, member: Option<&MemberName>, listed: Listed) -> Result<u64, StoreError> {
        let whose = if member.is_some() { "member = $1" } else { "$1 = ''" };
        let sql = format!("SELECT COUNT(*) AS found FROM sessions WHERE {whose} AND {} AND quarantined_at IS NULL", listed.sql());
        let row = sqlx::query(AssertSqlSafe(sql)).bind(member.map_or("", MemberName::as_str)).fetch_one(&mut *self.inner).await?;
        Ok(u64::try_from(row.try_get::<i64, _>("found")?).unwrap_or_default())
    }

    /// Whoever waits for an approval.
    pub async fn members_who_ask(&mut self) -> Result<BTreeSet<MemberName>, StoreError> {
        let sql = format!(
            "SELECT MIN(id) AS id, member FROM sessions WHERE {} AND quarantined_at IS NULL GROUP BY member",
            Listed::Requested.sql()
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *self.inner).await?;
        members_in(&rows, "id")
    }

    /// The requests of these members that nobody has answered, the newest first.
    pub async fn requests_of(&mut self, members: &BTreeSet<MemberName>, at_most: u32) -> Result<Vec<SessionView>, StoreError> {
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions WHERE member IN {} AND {} AND quarantined_at IS NULL ORDER BY started_at DESC, id LIMIT {at_most}",
            placeholders(1, members.len()),
            Listed::Requested.sql()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for member in members {
            query = query.bind(member.as_str());
        }
        let rows = query.fetch_all(&mut *self.inner).await?;
        self.views_of(&rows).await
    }

    async fn views_of(&mut self, rows: &[AnyRow]) -> Result<Vec<SessionView>, StoreError> {
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            match self.view_of(row).await {
                Ok(view) => views.push(view),
                // One that cannot be read hides no other; whoever has to end it sets it aside.
                Err(error @ StoreError::Unreadable { .. }) => tracing::error!(%error, "a session is left out of a list"),
                Err(error) => return Err(error),
            }
        }
        Ok(views)
    }

    async fn view_of(&mut self, row: &AnyRow) -> Result<SessionView, StoreError> {
        let session = session_from(row)?;
        let rules = self.rules_of(&session.id).await?;
        let marked_until = self.marked_until(&session.id).await?;
        Ok(SessionView { session, rules, marked_until })
    }

    /// One session with its rules.
    pub async fn session(&mut self, id: &SessionId) -> Result<Option<SessionView>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE id = $1 AND quarantined_at IS NULL");
        match sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut *self.inner).await? {
            Some(row) => Ok(Some(self.view_of(&row).await?)),
            None => Ok(None),
        }
    }
}
