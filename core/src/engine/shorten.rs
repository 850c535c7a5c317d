//! Hours that were set or changed while sessions go on: these end with them all the same.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Engine, EngineError};
use crate::domain::{Actor, AuditAction, AuditEvent, Directory, MemberName, RuleStatus, SessionId};
use crate::store::StoreError;

impl Engine {
    /// Moves the end of each session forward that would outlast the hours of its member's roles; how many.
    pub(super) async fn shorten_to_hours(&self) -> Result<usize, EngineError> {
        let directory = self.directory();
        if directory.roles.values().all(|role| role.hours.is_none()) {
            return Ok(0);
        }
        let ids = self.past_unreadable(|| self.whose_hours_end(&directory)).await?;
        self.to_each(&ids, |id| self.shorten(id)).await
    }

    async fn whose_hours_end(&self, directory: &Directory) -> Result<Vec<SessionId>, StoreError> {
        let mut tx = self.store.begin().await?;
        let (now, held) = (tx.now(), tx.held().await?);
        let ends = |member: &MemberName| !matches!(directory.open_until(member, now), Ok(None));
        let members: BTreeSet<_> = held.into_iter().map(|(member, _)| member).filter(ends).collect();
        let mut live = Vec::new();
        for member in members {
            live.extend(tx.live_ids_of(&member).await?);
        }
        Ok(live)
    }

    async fn shorten(&self, id: SessionId) -> Result<bool, StoreError> {
        let (mut tx, id) = (self.store.begin().await?, &id);
        let now = tx.now();
        let rules = tx.rules_of(id).await?;
        tx.lock_resources(&rules.iter().map(|rule| rule.resource.clone()).collect()).await?;
        let session = tx.lock_session(id).await?.filter(|session| session.ending.is_none() && !session.approval.is_awaited());
        let Some(session) = session else { return Ok(false) };
        let end = match self.directory().open_until(&session.member, now) {
            Ok(Some((until, _))) => until,
            Ok(None) => return Ok(false),
            // Closed already: the clock ends it at once.
            Err(_) => now,
        };
        if session.expires_at <= end {
            return Ok(false);
        }
        tx.set_expiry(&session, end).await?;
        for rule in rules.iter().filter(|rule| rule.status != RuleStatus::Removed) {
            tx.mark_due(&rule.opening, now).await?;
        }
        tx.thread_changed(id);
        let details = json!({ "from": session.expires_at.to_string(), "to": end.to_string(), "why": "the hours of its roles" });
        let (actor, action) = (Actor::System, AuditAction::SessionShortened);
        let event = AuditEvent { at: now, actor, action, session: Some(id.clone()), details };
        tx.record(&event, self.random.as_ref()).await?;
        tx.commit().await?;
        self.nudge_all();
        Ok(true)
    }
}
