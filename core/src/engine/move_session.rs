//! Moves a session to the address that its member has now: a new one for the time that is left, and then the old one's end.
//!
//! Both are one transaction. Where the new one cannot start the old one goes on, and there is no moment at which a crash could leave
//! the old address open beside the new one.

use std::collections::BTreeSet;

use serde_json::json;

use super::begin::Wanted;
use super::{Caller, Engine, EngineError, end_session};
use crate::domain::{
    Addresses, Approval, AuditAction, AuditEvent, EndReason, Ending, LearntBy, PostId, PostKind, ResourceName, Session,
    SessionStatus, Surface,
};
use crate::store::{NewPost, SessionView, Tx};

/// A session in another's place.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The new one.
    pub view: SessionView,
    /// Whether the old one goes on, because the new one awaits approval.
    pub old_goes_on: bool,
}

impl Engine {
    /// Lets a session of the caller's go on from other addresses, which this very request came from.
    pub async fn move_session(&self, caller: &Caller, name: &str, addresses: Addresses) -> Result<Moved, EngineError> {
        let mut tx = self.begin_opening().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        let old = self.lock_to_move(&mut tx, caller, name).await?;
        let terms = self.directory().terms_of(caller.name());
        let break_glass = old.approval == Approval::BreakGlass && terms.break_glass;
        // Whoever agreed to the old one agreed to its address: they are asked again.
        let old_goes_on = terms.approval.is_some() && !break_glass;
        let left = old.expires_at.since(tx.now()).min(self.directory().limit_of(caller.name()).longest);
        let wanted = Wanted {
            member: caller.name().clone(),
            surface: caller.surface(),
            identity: Some(caller.identity().clone()),
            duration: self.check_duration(caller.name(), Some(left), tx.now())?,
            reason: old.reason.clone(),
            break_glass,
            addresses,
            learnt_by: LearntBy::Request,
            place: None,
            evidence: json!({ "learntBy": LearntBy::Request.as_str(), "movedFrom": old.id.as_str() }),
            in_place_of_one: !old_goes_on,
        };
        let new = self.begin_session(&mut tx, wanted).await?;
        self.show_beside(&mut tx, &old, &new).await?;
        // With what the old one would have been closed, the new one is.
        tx.copy_origin(&old.id, &new.id).await?;
        if !old_goes_on {
            tx.carry_keys(&old.id, &new.id).await?;
            self.end_moved(&mut tx, caller, &old, &new).await?;
        }
        let started = self.started(tx, new).await?;
        Ok(Moved { view: started.view, old_goes_on })
    }

    /// The old session, locked with everything that it or its successor needs, in the order in which everybody locks.
    async fn lock_to_move(&self, tx: &mut Tx, caller: &Caller, name: &str) -> Result<Session, EngineError> {
        let unknown = || EngineError::SessionUnknown(name.to_owned());
        let view = self.named(tx, caller, name).await?;
        // An administrator stops others' sessions, and gets none of them.
        if view.session.member != *caller.name() {
            return Err(unknown());
        }
        let mut resources: BTreeSet<ResourceName> = view.rules.iter().map(|rule| rule.resource.clone()).collect();
        resources.extend(self.directory().resources_of(caller.name()).into_iter().map(|resource| resource.name.clone()));
        tx.lock_resources(&resources).await?;
        let session = tx.lock_session(&view.session.id).await?.ok_or_else(unknown)?;
        let short = session.id.short().to_owned();
        let overdue = session.expires_at <= tx.now();
        match view.status() {
            // Whoever is elsewhere may go there, and nobody else is shut out by it.
            _ if session.surface == Surface::Schedule => Err(EngineError::ScheduledStays { session: short }),
            status @ SessionStatus::Requested => Err(EngineError::NothingToMove { session: short, status: status.as_str() }),
            status if session.ending.is_some() || overdue => Err(EngineError::Over { session: short, status: status.as_str() }),
            _ => Ok(session),
        }
    }

    /// Where a chat showed the old one it shows the new one, in a thread of its own.
    async fn show_beside(&self, tx: &mut Tx, old: &Session, new: &Session) -> Result<(), EngineError> {
        let Some((surface, place)) = tx.thread_of(&old.id).await? else { return Ok(()) };
        let (id, kind) = (PostId::from_stored(new.id.as_str()), PostKind::Thread);
        Ok(tx.insert_post(NewPost { id: &id, session: &new.id, surface, kind, place: &place }).await?)
    }

    async fn end_moved(&self, tx: &mut Tx, caller: &Caller, old: &Session, new: &Session) -> Result<(), EngineError> {
        let (at, actor) = (tx.now(), caller.actor());
        let details = json!({
            "member": old.member.as_str(), "from": old.id.as_str(), "fromAddresses": old.addresses.to_string(),
            "toAddresses": new.addresses.to_string(),
        });
        let session = Some(new.id.clone());
        let moved = AuditEvent { at, actor: actor.clone(), action: AuditAction::SessionMoved, session, details };
        tx.record(&moved, self.random.as_ref()).await?;
        let ending = Ending { reason: EndReason::Manual, at, by: Some(caller.name().to_string()) };
        let details = json!({
            "member": old.member.as_str(), "movedTo": new.id.as_str(), "toAddresses": new.addresses.to_string(),
        });
        let stopped = AuditEvent { at, actor, action: AuditAction::SessionStopped, session: Some(old.id.clone()), details };
        Ok(end_session(tx, &old.id, &ending, &stopped, self.random.as_ref()).await?)
    }
}
