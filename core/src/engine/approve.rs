//! Answers a request: whoever may, agrees or refuses; the first answer counts, and the session's time begins with it.

use serde_json::json;

use super::begin::names;
use super::guard::counted;
use super::{Caller, Engine, EngineError, end_session};
use crate::crash_point;
use crate::domain::{
    Approval, AuditAction, AuditEvent, Directory, EndReason, Ending, MemberName, ResourceName, Schedule, Session, SessionId,
    Surface, Timestamp,
};
use crate::store::{Scheduled, SessionView, Tx};

/// Requests that one person is shown at once.
const REQUESTS: u32 = 100;

/// An answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be opened.
    Approve,
    /// It may not.
    Deny,
}

impl Engine {
    /// The request that somebody means who may answer it, by the first characters of its id.
    pub async fn find_request(&self, caller: &Caller, name: &str) -> Result<SessionId, EngineError> {
        let unknown = || EngineError::RequestUnknown(name.to_owned());
        let session = match self.anybodys(&mut self.store.begin().await?, name).await {
            Err(EngineError::SessionUnknown(_)) => return Err(unknown()),
            found => found?.session,
        };
        match self.check_approver(caller, &session) {
            Ok(()) => Ok(session.id),
            // Whoever only guesses a part of an id is not told whose session it is.
            Err(EngineError::NotAnApprover { .. }) if !session.id.as_str().eq_ignore_ascii_case(name) => Err(unknown()),
            Err(error) => Err(error),
        }
    }

    /// The requests that wait for somebody's answer, the newest first. Whoever is gone is shown none; what they were shown before they can
    /// refuse.
    pub async fn requests_for(&self, caller: &Caller) -> Result<Vec<SessionView>, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        if self.check_may_see_others(caller).is_err() {
            return Ok(Vec::new());
        }
        // By whom asks, so that the requests of others, however many and new, hide none.
        let mut members = tx.members_who_ask().await?;
        members.retain(|member| self.check_answers_for(caller, member).is_ok());
        Ok(tx.requests_of(&members, REQUESTS).await?)
    }

    /// Agrees to a session that awaits approval, or refuses it.
    pub async fn answer_request(
        &self,
        caller: &Caller,
        session: &SessionId,
        verdict: Verdict,
    ) -> Result<SessionView, EngineError> {
        counted(self.try_to_answer(caller, session, verdict).await)
    }

    async fn try_to_answer(&self, caller: &Caller, session: &SessionId, verdict: Verdict) -> Result<SessionView, EngineError> {
        let mut tx = match verdict {
            Verdict::Approve => self.begin_opening().await?,
            // Refusing is closing, and always goes on.
            Verdict::Deny => self.store.begin().await?,
        };
        let unknown = || EngineError::SessionUnknown(session.short().to_owned());
        let before = tx.session(session).await?.ok_or_else(unknown)?.session;
        self.lock_member(&mut tx, &before.member).await?;
        self.recognized(&mut tx, caller).await?;
        self.check_approver(caller, &before)?;
        match verdict {
            Verdict::Approve => {
                self.served(&mut tx, caller).await?;
                self.approve(&mut tx, caller, before).await?;
            }
            Verdict::Deny => self.deny(&mut tx, caller, before).await?,
        }
        let view = tx.session(session).await?.ok_or_else(unknown)?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        self.nudge_all();
        Ok(view)
    }

    /// Another's session of that name, if they are asked for that member's sessions.
    pub(super) async fn answered_for(&self, tx: &mut Tx, caller: &Caller, name: &str) -> Option<SessionView> {
        let found = self.anybodys(tx, name).await.ok();
        found.filter(|view| self.check_approver(caller, &view.session).is_ok())
    }

    /// Whether they are asked for this member's sessions; nobody agrees to their own.
    pub(super) fn check_approver(&self, caller: &Caller, session: &Session) -> Result<(), EngineError> {
        self.check_answers_for(caller, &session.member)
    }

    fn check_answers_for(&self, caller: &Caller, member: &MemberName) -> Result<(), EngineError> {
        if caller.name() == member {
            return Err(EngineError::OwnRequest);
        }
        let terms = self.directory().terms_of(member);
        match terms.approval {
            Some(approval) if approval.approvers.contains(caller.name()) => Ok(()),
            _ => Err(EngineError::NotAnApprover { member: member.clone() }),
        }
    }

    async fn approve(&self, tx: &mut Tx, caller: &Caller, before: Session) -> Result<(), EngineError> {
        let directory = self.directory();
        let member = directory.members.get(&before.member).ok_or_else(|| EngineError::MemberLeft(before.member.clone()))?;
        self.check_is_not_gone(&member.name)?;
        self.check_key_of_request(tx, &before).await?;
        let scheduled = self.schedule_of(tx, &directory, &before).await?;
        let role = scheduled.and_then(|(schedule, _)| schedule.role.as_ref());
        let mut wishes = self.wishes(&directory, &member.name, role, before.addresses)?;
        if let Approval::Awaited { resources: asked_for, .. } = &before.approval
            && !asked_for.is_empty()
        {
            // What the roles give since then nobody was asked about.
            wishes.retain(|(resource, _)| asked_for.contains(&resource.name));
            if wishes.is_empty() {
                return Err(EngineError::NoResources { administrators: self.whom_to_ask() });
            }
        }
        let left_out = self.leave_out_what_is_closed(tx, &member.name, &mut wishes).await?;
        let resources = names(&wishes);
        tx.lock_resources(&resources).await?;
        let asked = awaited(tx, &before.id).await?;
        let now = tx.now();
        // A schedule's time does not begin with the answer: what was asked for at 8 is over when it would have been.
        let asked = scheduled.map_or(asked, |(schedule, tick)| asked.min(schedule.left_of(tick, now)));
        if asked.is_zero() {
            return Err(over(&before.id, "its schedule's time is over"));
        }
        let duration = self.check_duration(&member.name, Some(asked), now)?;
        let approval = Approval::Granted { by: caller.name().to_string() };
        let session = Session { approval, started_at: now, expires_at: now.plus(duration), ..before };
        if !tx.approve(&session, caller.name().as_str()).await? {
            return Err(over(&session.id, "it has ended"));
        }
        let details = json!({
            "member": session.member.as_str(), "expiresAt": session.expires_at.to_string(),
            "resources": resources.iter().map(ResourceName::as_str).collect::<Vec<_>>(),
            "leftOut": left_out.iter().map(ResourceName::as_str).collect::<Vec<_>>(),
        });
        self.grant(tx, &session, wishes).await?;
        let (actor, id) = (caller.actor(), Some(session.id.clone()));
        let event = AuditEvent { at: now, actor, action: AuditAction::SessionApproved, session: id, details };
        tx.record(&event, self.random.as_ref()).await?;
        self.show_blocks(tx, &session).await?;
        self.check_no_panic_since(tx, &session.member, &resources).await?;
        tx.thread_changed(&session.id);
        Ok(())
    }

    /// The schedule that has asked for a session, and at which tick.
    async fn schedule_of<'a>(
        &self,
        tx: &mut Tx,
        directory: &'a Directory,
        session: &Session,
    ) -> Result<Option<(&'a Schedule, Timestamp)>, EngineError> {
        if session.surface != Surface::Schedule {
            return Ok(None);
        }
        let scheduled = tx.tick_of(&session.id).await?;
        let of = |of: Scheduled| Some((directory.schedules.get(of.schedule.as_ref()?)?, of.tick));
        match scheduled.and_then(of) {
            Some(found) => Ok(Some(found)),
            None => Err(over(&session.id, "its schedule is no longer configured")),
        }
    }

    /// Whoever has the key of a request would be let in by it, so it has to be as good as it was.
    async fn check_key_of_request(&self, tx: &mut Tx, request: &Session) -> Result<(), EngineError> {
        let Some(key) = tx.api_key_of(&request.id).await? else { return Ok(()) };
        match self.key_still(tx, &key, &request.member).await {
            Err(EngineError::ApiKey(why)) => Err(EngineError::RequestKeyGone { session: request.id.short().to_owned(), why }),
            other => other,
        }
    }

    async fn deny(&self, tx: &mut Tx, caller: &Caller, before: Session) -> Result<(), EngineError> {
        awaited(tx, &before.id).await?;
        let at = tx.now();
        let ending = Ending { reason: EndReason::Denied, at, by: Some(caller.name().to_string()) };
        let (actor, session, details) = (caller.actor(), Some(before.id.clone()), json!({ "member": before.member.as_str() }));
        let event = AuditEvent { at, actor, action: AuditAction::SessionDenied, session, details };
        Ok(end_session(tx, &before.id, &ending, &event, self.random.as_ref()).await?)
    }
}

fn over(id: &SessionId, why: &str) -> EngineError {
    EngineError::AnsweredAlready { session: id.short().to_owned(), answer: why.to_owned() }
}

/// Locks a request that nobody has answered, and says how long the session is to be; else says who answered what.
async fn awaited(tx: &mut Tx, id: &SessionId) -> Result<crate::domain::Span, EngineError> {
    let now = tx.now();
    let session = tx.lock_session(id).await?.ok_or_else(|| EngineError::SessionUnknown(id.short().to_owned()))?;
    let answer = match (&session.approval, &session.ending) {
        (Approval::Awaited { duration, .. }, None) if session.expires_at > now => return Ok(*duration),
        (Approval::Granted { by }, _) => format!("{by} approved it"),
        (Approval::Awaited { .. }, Some(Ending { reason: EndReason::Denied, by: Some(by), .. })) => format!("{by} denied it"),
        (Approval::Awaited { .. }, Some(Ending { reason: EndReason::Manual, by, .. })) => {
            format!("{} withdrew it", by.as_deref().unwrap_or("somebody"))
        }
        (Approval::Awaited { .. }, _) => "nobody answered in time".to_owned(),
        (Approval::NotNeeded | Approval::BreakGlass, _) => "it needs no approval".to_owned(),
    };
    Err(EngineError::AnsweredAlready { session: id.short().to_owned(), answer })
}

#[cfg(test)]
#[path = "approve_tests.rs"]
mod tests;
