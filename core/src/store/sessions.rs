//! Sessions, each by itself; [`super::session_list`] has them with their rules.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::rows::{Reader, batches, placeholders};
use super::{StoreError, Tx};
use crate::domain::{
    Addresses, Approval, EndReason, Ending, HostAddress, Identity, LearntBy, MemberName, ResourceName, Session, SessionId, Span,
    Surface, Timestamp,
};

/// What is read of a session.
pub(super) const COLUMNS: &str =
    "id, member, surface, reason, ipv4, ipv6, started_at, expires_at, end_reason, ended_at, ended_by,
     closed_at, approval, approved_by, asked_ms, asked_for, learnt_by";

impl Tx {
    /// Adds a session, and as whom it was asked for, if anybody did.
    pub async fn insert_session(&mut self, session: &Session, identity: Option<&Identity>) -> Result<(), StoreError> {
        let text = |address: Option<HostAddress>| address.map(|address| address.to_string());
        let (asked_ms, asked_for) = match &session.approval {
            Approval::Awaited { duration, resources } => {
                let names: Vec<_> = resources.iter().map(ResourceName::as_str).collect();
                (Some(duration.as_millis()), Some(serde_json::Value::from(names).to_string()))
            }
            Approval::NotNeeded | Approval::Granted { .. } | Approval::BreakGlass => (None, None),
        };
        sqlx::query(
            "INSERT INTO sessions (id, member, surface, reason, ipv4, ipv6, started_at, expires_at, approval, asked_ms, remind_at,
                                   asked_for, learnt_by, identity)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
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
        .bind(asked_ms)
        .bind(session.remind_at().map(Timestamp::as_millis))
        .bind(asked_for)
        .bind(session.learnt_by.map(LearntBy::as_str))
        .bind(identity.map(ToString::to_string))
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
        let lock = self.dialect.pick("", "FOR UPDATE");
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE id = $1 AND quarantined_at IS NULL {lock}");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(&mut *self.inner).await?;
        row.as_ref().map(session_from).transpose()
    }

    /// These sessions, by id, locked until the transaction ends.
    pub async fn lock_sessions(&mut self, ids: &BTreeSet<SessionId>) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::with_capacity(ids.len());
        for some in batches(ids.iter().map(SessionId::as_str)) {
            // Postgres locks in the order in which it sorts: no other writer changes an id.
            let sql = format!(
                "SELECT {COLUMNS} FROM sessions WHERE id IN {} AND quarantined_at IS NULL ORDER BY id {}",
                placeholders(1, some.len()),
                self.dialect.pick("", "FOR UPDATE")
            );
            let query = sqlx::query(AssertSqlSafe(sql));
            let rows = some.iter().fold(query, |query, id| query.bind(*id)).fetch_all(&mut *self.inner).await?;
            sessions.extend(rows.iter().map(session_from).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(sessions)
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
        let rows = sqlx::query("SELECT id FROM sessions WHERE remind_at <= $1 ORDER BY remind_at LIMIT $2")
            .bind(self.now.as_millis())
            .bind(i64::from(at_most))
            .fetch_all(&mut *self.inner)
            .await?;
        rows.iter().map(id_from).collect()
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
        let rows =
            sqlx::query("SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2")
                .bind(self.now.as_millis())
                .bind(i64::from(at_most))
                .fetch_all(&mut *self.inner)
                .await?;
        rows.iter().map(id_from).collect()
    }

    /// Which live sessions' members hold which resources, each pair once; a member without any holds none.
    pub async fn held(&mut self) -> Result<Vec<(MemberName, Option<ResourceName>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT MIN(sessions.id) AS session, MIN(session_rules.id) AS rule, sessions.member AS member,
                    session_rules.resource AS resource
             FROM sessions
             LEFT JOIN session_rules ON session_rules.session = sessions.id AND session_rules.status NOT IN ('REMOVING', 'REMOVED')
                  AND session_rules.quarantined_at IS NULL
             WHERE sessions.ended_at IS NULL AND sessions.quarantined_at IS NULL
             GROUP BY sessions.member, session_rules.resource",
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let pair = |row: &AnyRow| {
            let session = Reader::new(row, "sessions", "session")?;
            let member = session.parsed("member", |text| MemberName::new(text).ok())?;
            if session.optional_text("rule")?.is_none() {
                return Ok((member, None));
            }
            Ok((member, Some(Reader::new(row, "session_rules", "rule")?.resource("resource")?)))
        };
        rows.iter().map(pair).collect()
    }

    /// The live sessions of a member, the newest first, also those that cannot be read: whoever closes them leaves none open.
    pub async fn live_ids_of(&mut self, member: &MemberName) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT id FROM sessions WHERE member = $1 AND ended_at IS NULL ORDER BY started_at DESC, id";
        let rows = sqlx::query(sql).bind(member.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(id_from).collect()
    }

    /// The same, of those that were asked for as one identity, wherever that was. Where the identity was not kept, they may be behind what
    /// was asked for in its surface or on the pages.
    pub async fn live_ids_as(
        &mut self,
        member: &MemberName,
        surface: Surface,
        identity: &Identity,
    ) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT id FROM sessions WHERE member = $1 AND ended_at IS NULL
                     AND (identity = $3 OR (identity IS NULL AND surface IN ($2, $4)))
                   ORDER BY started_at DESC, id";
        let query = sqlx::query(sql).bind(member.as_str()).bind(surface.as_str()).bind(identity.to_string());
        let rows = query.bind(Surface::Web.as_str()).fetch_all(&mut *self.inner).await?;
        rows.iter().map(id_from).collect()
    }

    /// Whoever has a live session.
    pub async fn members_with_sessions(&mut self) -> Result<BTreeSet<MemberName>, StoreError> {
        let sql = "SELECT MIN(id) AS id, member FROM sessions WHERE ended_at IS NULL AND quarantined_at IS NULL GROUP BY member";
        let rows = sqlx::query(sql).fetch_all(&mut *self.inner).await?;
        let name = |row: &AnyRow| Reader::new(row, "sessions", "id")?.parsed("member", |text| MemberName::new(text).ok());
        rows.iter().map(name).collect()
    }

    /// When the next live session's time runs out.
    pub async fn next_expiry(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT MIN(expires_at) AS next FROM sessions WHERE ended_at IS NULL")
            .fetch_one(&mut *self.inner)
            .await?;
        Ok(row.try_get::<Option<i64>, _>("next")?.map(Timestamp::from_millis))
    }
}

/// Needs no other column than the id, so that nothing keeps it from being found.
fn id_from(row: &AnyRow) -> Result<SessionId, StoreError> {
    Ok(SessionId::from_stored(row.try_get::<String, _>("id")?))
}

/// Whose the sessions of these rows are. One that cannot be read hides nobody else; whoever has to end it sets it aside.
pub(super) fn members_in(rows: &[AnyRow], key: &'static str) -> Result<BTreeSet<MemberName>, StoreError> {
    let mut members = BTreeSet::new();
    for row in rows {
        match Reader::new(row, "sessions", key)?.parsed("member", |text| MemberName::new(text).ok()) {
            Ok(member) => members.extend([member]),
            Err(error @ StoreError::Unreadable { .. }) => tracing::error!(%error, "whose a session is cannot be read"),
            Err(error) => return Err(error),
        }
    }
    Ok(members)
}

fn names_in(json: &str) -> Option<Vec<ResourceName>> {
    let names: Vec<String> = serde_json::from_str(json).ok()?;
    names.into_iter().map(|name| ResourceName::new(name).ok()).collect()
}

pub(super) fn session_from(row: &AnyRow) -> Result<Session, StoreError> {
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
        "AWAITED" => {
            let resources = read.optional_parsed("asked_for", names_in)?.unwrap_or_default();
            Approval::Awaited { duration: Span::from_millis(read.number("asked_ms")?), resources }
        }
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
        learnt_by: read.optional_parsed("learnt_by", LearntBy::parse)?,
        ending,
        closed_at: read.optional_time("closed_at")?,
    })
}
