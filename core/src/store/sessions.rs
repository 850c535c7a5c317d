//! Sessions.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::rows::{Reader, placeholders};
use super::{StoreError, Tx};
use crate::domain::{
    Addresses, Approval, EndReason, Ending, HostAddress, MemberName, ResourceName, Session, SessionCursor, SessionId,
    SessionRule, SessionStatus, Span, Surface, Timestamp, session_status,
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
    /// Adds a session.
    pub async fn insert_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let text = |address: Option<HostAddress>| address.map(|address| address.to_string());
        let asked = match &session.approval {
            Approval::Awaited { duration } => Some(duration.as_millis()),
            Approval::NotNeeded | Approval::Granted { .. } | Approval::BreakGlass => None,
        };
        sqlx::query(
            "INSERT INTO sessions (id, member, surface, reason, ipv4, ipv6, started_at, expires_at, approval, asked_ms, remind_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(session.id.as_str())
        .bind(session.member.as_str())
        .bind(session.surface.as_str())
        .bind(session.reason.as_deref())
        .bind(text(session.addresses.ipv4()))
        .bind(text(session.addresses.ipv6()))
        .bind(session.started_at.as_millis())
        .bind(session.expires_at.as_millis())
        .bind(session.approval.as_str())
        .bind(asked)
        .bind(session.remind_at().map(Timestamp::as_millis))
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// How many sessions of each of these members are live, where any is.
    pub async fn count_live<'a>(
        &mut self,
        members: impl IntoIterator<Item = &'a MemberName>,
    ) -> Result<BTreeMap<MemberName, u32>, StoreError> {
        let members: BTreeSet<_> = members.into_iter().collect();
        let sql = format!(
            "SELECT member, COUNT(*) AS live FROM sessions WHERE ended_at IS NULL AND member IN {} GROUP BY member",
            placeholders(1, members.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for member in members {
            query = query.bind(member.as_str());
        }
        let rows = query.fetch_all(&mut *self.inner).await?;
        let count = |row: &AnyRow| {
            let read = Reader::new(row, "sessions", "member")?;
            let member = read.parsed("member", |text| MemberName::new(text).ok())?;
            Ok((member, u32::try_from(read.number("live")?).unwrap_or(u32::MAX)))
        };
        rows.iter().map(count).collect()
    }

    /// One session, locked until the transaction ends.
    pub async fn lock_session(&mut self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let sql = self.dialect.pick(
            "SELECT * FROM sessions WHERE id = $1 AND quarantined_at IS NULL",
            "SELECT * FROM sessions WHERE id = $1 AND quarantined_at IS NULL FOR UPDATE",
        );
        let row = sqlx::query(sql).bind(id.as_str()).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(session_from).transpose()
    }

    /// Sessions with their rules, the newest first.
    pub async fn sessions(&mut self, filter: &SessionFilter) -> Result<Vec<SessionView>, StoreError> {
        // Two texts, so that one member's sessions are found by their index.
        let whose = if filter.member.is_some() { "member = $1" } else { "$1 = ''" };
        let sql = format!(
            "SELECT * FROM sessions
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
        let mut views = Vec::with_capacity(rows.len());
        for row in &rows {
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
        let query = sqlx::query("SELECT * FROM sessions WHERE id = $1 AND quarantined_at IS NULL").bind(id.as_str());
        match query.fetch_optional(&mut *self.inner).await? {
            Some(row) => Ok(Some(self.view_of(&row).await?)),
            None => Ok(None),
        }
    }

    /// Lets a session that somebody agreed to begin; false where it ended or was answered before.
    pub async fn approve(&mut self, session: &Session, by: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE sessions SET approval = 'GRANTED', approved_by = $1, started_at = $2, expires_at = $3, remind_at = $4
             WHERE id = $5 AND ended_at IS NULL AND approval = 'AWAITED'",
        )
        .bind(by)
        .bind(session.started_at.as_millis())
        .bind(session.expires_at.as_millis())
        .bind(session.remind_at().map(Timestamp::as_millis))
        .bind(session.id.as_str())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The live sessions whose members are due to be told that they end soon.
    pub async fn due_reminders(&mut self, at_most: u32) -> Result<Vec<SessionId>, StoreError> {
        use sqlx::Row;
        let rows = sqlx::query("SELECT id FROM sessions WHERE remind_at <= $1 ORDER BY remind_at LIMIT $2")
            .bind(self.now.as_millis())
            .bind(i64::from(at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(|row| Ok(SessionId::from_stored(row.try_get::<String, _>("id")?))).collect()
    }

    /// Takes a session's reminder; false where it has none any more.
    pub async fn take_reminder(&mut self, id: &SessionId) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE sessions SET remind_at = NULL WHERE id = $1 AND remind_at <= $2")
            .bind(id.as_str())
            .bind(self.now.as_millis())
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Moves a session's end.
    pub async fn set_expiry(&mut self, session: &Session, expires_at: Timestamp) -> Result<(), StoreError> {
        let remind_at = Session { expires_at, ..session.clone() }.remind_at().filter(|at| *at > self.now);
        sqlx::query("UPDATE sessions SET expires_at = $1, remind_at = $2 WHERE id = $3 AND ended_at IS NULL")
            .bind(expires_at.as_millis())
            .bind(remind_at.map(Timestamp::as_millis))
            .bind(session.id.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Writes how a session ended. It stays so: a session that ended never becomes live again.
    pub async fn end_session(&mut self, id: &SessionId, ending: &Ending) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET end_reason = $1, ended_at = $2, ended_by = $3, remind_at = NULL WHERE id = $4 AND ended_at IS NULL")
            .bind(ending.reason.as_str())
            .bind(ending.at.as_millis())
            .bind(ending.by.as_deref())
            .bind(id.as_str())
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Closes an ended session if all of its rules are removed; whether that was news.
    pub async fn close_if_done(&mut self, id: &SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE sessions SET closed_at = $1 WHERE id = $2 AND ended_at IS NOT NULL AND closed_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM session_rules WHERE session = sessions.id AND status <> 'REMOVED' AND quarantined_at IS NULL)",
        )
        .bind(now.as_millis())
        .bind(id.as_str())
        .execute(&mut *self.inner)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The live sessions whose time has run out, the longest overdue first.
    pub async fn overdue(&mut self, at_most: u32) -> Result<Vec<SessionId>, StoreError> {
        use sqlx::Row;
        let rows =
            sqlx::query("SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2")
                .bind(self.now.as_millis())
                .bind(i64::from(at_most))
                .fetch_all(&mut *self.inner)
                .await?;
        rows.iter().map(|row| Ok(SessionId::from_stored(row.try_get::<String, _>("id")?))).collect()
    }

    /// Which live sessions' members hold which resources, each pair once; a member without any holds none.
    pub async fn held(&mut self) -> Result<Vec<(MemberName, Option<ResourceName>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT sessions.member AS member, session_rules.resource AS resource FROM sessions
             LEFT JOIN session_rules ON session_rules.session = sessions.id AND session_rules.status NOT IN ('REMOVING', 'REMOVED')
             WHERE sessions.ended_at IS NULL AND sessions.quarantined_at IS NULL",
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let pair = |row: &AnyRow| {
            let read = Reader::new(row, "sessions", "member")?;
            let resource = read.optional_parsed("resource", |text| ResourceName::new(text).ok())?;
            Ok((read.parsed("member", |text| MemberName::new(text).ok())?, resource))
        };
        rows.iter().map(pair).collect()
    }

    /// Whoever has a live session that was asked for in this surface.
    pub async fn members_with_sessions_of(&mut self, surface: Surface) -> Result<BTreeSet<MemberName>, StoreError> {
        let sql = "SELECT DISTINCT member FROM sessions WHERE ended_at IS NULL AND quarantined_at IS NULL AND surface = $1";
        let rows = sqlx::query(sql).bind(surface.as_str()).fetch_all(&mut *self.inner).await?;
        let name = |row: &AnyRow| Reader::new(row, "sessions", "member")?.parsed("member", |text| MemberName::new(text).ok());
        rows.iter().map(name).collect()
    }

    /// When the next live session's time runs out.
    pub async fn next_expiry(&mut self) -> Result<Option<Timestamp>, StoreError> {
        use sqlx::Row;
        let row = sqlx::query("SELECT MIN(expires_at) AS next FROM sessions WHERE ended_at IS NULL")
            .fetch_one(&mut *self.inner)
            .await?;
        Ok(row.try_get::<Option<i64>, _>("next")?.map(Timestamp::from_millis))
    }
}

fn session_from(row: &AnyRow) -> Result<Session, StoreError> {
    let read = Reader::new(row, "sessions", "id")?;
    let address = |column| read.optional_parsed(column, |text| HostAddress::parse(text).ok());
    let addresses: Vec<_> = [address("ipv4")?, address("ipv6")?].into_iter().flatten().collect();
    let ending = match (read.optional_text("end_reason")?, read.optional_time("ended_at")?) {
        (None, None) => None,
        (Some(reason), Some(at)) => {
            let reason = EndReason::parse(&reason).ok_or_else(|| read.unreadable("end_reason"))?;
            Some(Ending { reason, at, by: read.optional_text("ended_by")? })
        }
        _ => return Err(read.unreadable("ended_at")),
    };
    let approval = match read.text("approval")?.as_str() {
        "NOT_NEEDED" => Approval::NotNeeded,
        "BREAK_GLASS" => Approval::BreakGlass,
        "GRANTED" => Approval::Granted { by: read.text("approved_by")? },
        "AWAITED" => Approval::Awaited { duration: Span::from_millis(read.number("asked_ms")?) },
        _ => return Err(read.unreadable("approval")),
    };
    Ok(Session {
        approval,
        id: SessionId::from_stored(read.text("id")?),
        member: read.parsed("member", |text| MemberName::new(text).ok())?,
        surface: read.parsed("surface", Surface::parse)?,
        reason: read.optional_text("reason")?,
        addresses: Addresses::new(&addresses).map_err(|_| read.unreadable("ipv4"))?,
        started_at: read.time("started_at")?,
        expires_at: read.time("expires_at")?,
        ending,
        closed_at: read.optional_time("closed_at")?,
    })
}
