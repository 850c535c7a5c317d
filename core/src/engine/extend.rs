//! Extends a session, as far as its limit.

use std::collections::BTreeSet;

use serde_json::json;

use super::guard::counted;
use super::list::the_only;
use super::{Caller, Engine, EngineError, Which};
use crate::crash_point;
use crate::domain::{
    AuditAction, AuditEvent, Limit, RuleStatus, Session, SessionId, SessionStatus, Span, Timestamp, extended_end,
};
use crate::store::SessionView;

/// What an extension adds where nothing else is said.
const STEP: Span = Span::from_hours(2);

/// A session whose end has moved.
#[derive(Clone, Debug)]
pub struct Extended {
    /// The session, with its new end.
    pub view: SessionView,
    /// What capped the extension, if something did.
    pub capped_by: Option<Limit>,
}

impl Engine {
    /// Moves a session's end. The longer time is confirmed once every rule in the clouds bears it: see [`SessionView::is_extending`].
    pub async fn extend(&self, caller: &Caller, which: &Which, by: Option<Span>) -> Result<Extended, EngineError> {
        counted(self.try_to_extend(caller, which, by).await)
    }

    async fn try_to_extend(&self, caller: &Caller, which: &Which, by: Option<Span>) -> Result<Extended, EngineError> {
        let id = self.select_to_extend(caller, which).await?;
        let by = by.unwrap_or(STEP);
        let mut tx = self.begin_opening().await?;
        let now = tx.now();
        let member = tx.session(&id).await?.ok_or_else(|| EngineError::SessionUnknown(id.short().to_owned()))?.session.member;
        self.lock_member(&mut tx, &member).await?;
        self.served(&mut tx, caller).await?;
        self.check_is_not_gone(&member)?;
        let resources: BTreeSet<_> = tx.rules_of(&id).await?.into_iter().map(|rule| rule.resource).collect();
        tx.lock_resources(&resources).await?;
        tx.lock_session(&id).await?;
        self.check_no_panic(&mut tx, &member).await?;
        let before = tx.session(&id).await?.ok_or_else(|| EngineError::SessionUnknown(id.short().to_owned()))?;
        check_extendable(&before, now)?;
        self.check_extender(caller, &before.session)?;
        let limit = self.directory().limit_at(&before.session.member, before.session.started_at, now)?;
        let end = extended_end(before.session.started_at, before.session.expires_at, by, &limit);
        if end == before.session.expires_at {
            return Err(EngineError::AtTheLimit { session: id.short().to_owned(), limit });
        }
        tx.set_expiry(&before.session, end).await?;
        for rule in before.rules.iter().filter(|rule| rule.status != RuleStatus::Removed) {
            tx.mark_due(&rule.opening, now).await?;
        }
        tx.thread_changed(&id);
        let capped = end < before.session.expires_at.plus(by);
        let details = json!({ "from": before.session.expires_at.to_string(), "to": end.to_string(), "capped": capped });
        let action = AuditAction::SessionExtended;
        let event = AuditEvent { at: now, actor: caller.actor(), action, session: Some(id.clone()), details };
        tx.record(&event, self.random.as_ref()).await?;
        let view = tx.session(&id).await?.ok_or_else(|| EngineError::SessionUnknown(id.short().to_owned()))?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        self.nudge_all();
        Ok(Extended { view, capped_by: capped.then_some(limit) })
    }

    /// The session that somebody means to extend: of their own, or another's that they may answer for.
    async fn select_to_extend(&self, caller: &Caller, which: &Which) -> Result<SessionId, EngineError> {
        match self.select_live(caller, which).await {
            Ok(ids) => the_only(&ids),
            Err(EngineError::SessionUnknown(name)) => {
                let found = self.answered_for(&mut self.store.begin().await?, caller, &name).await;
                found.map(|view| view.session.id).ok_or(EngineError::SessionUnknown(name))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether they may give a session more time, where somebody had to agree to the time that it has.
    fn check_extender(&self, caller: &Caller, session: &Session) -> Result<(), EngineError> {
        match self.directory().extenders_of(session) {
            Some(extenders) if !extenders.contains(caller.name()) => {
                let names: Vec<_> = extenders.iter().map(|name| name.as_str()).collect();
                let extenders = if names.is_empty() { self.whom_to_ask() } else { names.join(" or ") };
                Err(EngineError::MoreTimeTakesApproval { session: session.id.short().to_owned(), extenders })
            }
            _ => Ok(()),
        }
    }
}

fn check_extendable(view: &SessionView, now: Timestamp) -> Result<(), EngineError> {
    let session = view.session.id.short().to_owned();
    let overdue = view.session.expires_at <= now;
    match view.status() {
        SessionStatus::Active | SessionStatus::Partial if !overdue => Ok(()),
        status @ (SessionStatus::Requested | SessionStatus::Pending | SessionStatus::Failed) if !overdue => {
            Err(EngineError::NotOpen { session, status: status.as_str() })
        }
        status => Err(EngineError::Over { session, status: status.as_str() }),
    }
}
