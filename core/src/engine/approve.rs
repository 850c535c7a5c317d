//! Answers a request: whoever may, agrees or refuses; the first answer counts, and the session's time begins with it.

use serde_json::json;

use super::guard::counted;
use super::start::names;
use super::{Caller, Engine, EngineError, end_session};
use crate::crash_point;
use crate::domain::{Approval, AuditAction, AuditEvent, EndReason, Ending, ResourceName, Session, SessionId};
use crate::store::{Listed, SessionFilter, SessionView, Tx};

/// Requests that are looked through for those that somebody may answer.
const REQUESTS_LOOKED_AT: u32 = 100;

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

    /// The requests that wait for somebody's answer, the newest first.
    pub async fn requests_for(&self, caller: &Caller) -> Result<Vec<SessionView>, EngineError> {
        let filter = SessionFilter { listed: Listed::Requested, at_most: REQUESTS_LOOKED_AT, ..SessionFilter::default() };
        let mut requests = self.store.begin().await?.sessions(&filter).await?;
        requests.retain(|view| self.check_approver(caller, &view.session).is_ok());
        Ok(requests)
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
        self.still(&mut tx, caller).await?;
        self.check_approver(caller, &before)?;
        match verdict {
            Verdict::Approve => self.approve(&mut tx, caller, before).await?,
            Verdict::Deny => self.deny(&mut tx, caller, before).await?,
        }
        let view = tx.session(session).await?.ok_or_else(unknown)?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        self.nudge_all();
        Ok(view)
    }

    /// Whether they are asked for this member's sessions; nobody agrees to their own.
    pub(super) fn check_approver(&self, caller: &Caller, session: &Session) -> Result<(), EngineError> {
        if *caller.name() == session.member {
            return Err(EngineError::OwnRequest);
        }
        let terms = self.directory().terms_of(&session.member);
        match terms.approval {
            Some(approval) if approval.approvers.contains(caller.name()) => Ok(()),
            _ => Err(EngineError::NotAnApprover { member: session.member.clone() }),
        }
    }

    async fn approve(&self, tx: &mut Tx, caller: &Caller, before: Session) -> Result<(), EngineError> {
        let directory = self.directory();
        let member = directory.members.get(&before.member).ok_or_else(|| EngineError::MemberLeft(before.member.clone()))?;
        let mut wishes = self.wishes(&directory, &member.name, before.addresses)?;
        let left_out = self.leave_out_what_is_closed(tx, &member.name, &mut wishes).await?;
        tx.lock_resources(&names(&wishes)).await?;
        let asked = awaited(tx, &before.id).await?;
        let now = tx.now();
        let duration = self.check_duration(&member.name, Some(asked), now)?;
        let approval = Approval::Granted { by: caller.name().to_string() };
        let session = Session { approval, started_at: now, expires_at: now.plus(duration), ..before };
        if !tx.approve(&session, caller.name().as_str()).await? {
            let session = session.id.short().to_owned();
            return Err(EngineError::AnsweredAlready { session, answer: "it has ended".to_owned() });
        }
        let details = json!({
            "member": session.member.as_str(), "expiresAt": session.expires_at.to_string(),
            "resources": names(&wishes).iter().map(ResourceName::as_str).collect::<Vec<_>>(),
            "leftOut": left_out.iter().map(ResourceName::as_str).collect::<Vec<_>>(),
        });
        self.grant(tx, &session, wishes).await?;
        let (actor, id) = (caller.actor(), Some(session.id.clone()));
        let event = AuditEvent { at: now, actor, action: AuditAction::SessionApproved, session: id, details };
        tx.record(&event, self.random.as_ref()).await?;
        Ok(tx.thread_changed(&session.id, now).await?)
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

/// Locks a request that nobody has answered, and says how long the session is to be; else says who answered what.
async fn awaited(tx: &mut Tx, id: &SessionId) -> Result<crate::domain::Span, EngineError> {
    let now = tx.now();
    let session = tx.lock_session(id).await?.ok_or_else(|| EngineError::SessionUnknown(id.short().to_owned()))?;
    let answer = match (&session.approval, &session.ending) {
        (Approval::Awaited { duration }, None) if session.expires_at > now => return Ok(*duration),
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
