//! What every way to start comes to: the wishes, the openings that grant them, the thread that shows them. Where a role asks for
//! approval, it only asks, and opens nothing.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Engine, EngineError};
use crate::domain::{
    Actor, AddressRefused, Addresses, Approval, AuditAction, AuditEvent, Directory, HostAddress, Identity, LearntBy, MemberName,
    Opening, OpeningId, Resource, ResourceName, RoleName, RuleStatus, Session, SessionId, SessionRule, SessionRuleId, Span,
    Surface, Terms, Timestamp,
};
use crate::store::Tx;

/// A session to be, once everything is known of it.
pub(super) struct Wanted {
    pub(super) member: MemberName,
    pub(super) surface: Surface,
    // As whom; nobody where no person asks.
    pub(super) identity: Option<Identity>,
    pub(super) duration: Span,
    pub(super) reason: Option<String>,
    pub(super) break_glass: bool,
    pub(super) addresses: Addresses,
    pub(super) learnt_by: LearntBy,
    pub(super) place: Option<String>,
    pub(super) evidence: serde_json::Value,
    // Whether a live one of the member's ends with its start, and so is not counted.
    pub(super) in_place_of_one: bool,
}

impl Engine {
    /// Makes the session of a member who is locked.
    pub(super) async fn begin_session(&self, tx: &mut Tx, wanted: Wanted) -> Result<Session, EngineError> {
        self.begin_session_on(tx, wanted, None).await
    }

    /// The same, on the resources of one of their roles alone.
    pub(super) async fn begin_session_on(
        &self,
        tx: &mut Tx,
        wanted: Wanted,
        role: Option<&RoleName>,
    ) -> Result<Session, EngineError> {
        let (now, member) = (tx.now(), wanted.member);
        self.check_is_not_gone(&member)?;
        let live: u32 = tx.count_live([&member]).await?.into_values().sum();
        let live = live.saturating_sub(u32::from(wanted.in_place_of_one));
        self.check_session_count(tx, &member, live).await?;
        let directory = self.directory();
        let terms = directory.terms_of(&member);
        let approval = self.approval_for(&terms, wanted.break_glass, wanted.duration)?;
        let lasts = match (&approval, &terms.approval) {
            // Until somebody answers, that is how long it has.
            (Approval::Awaited { .. }, Some(approval)) => approval.within,
            _ => wanted.duration,
        };
        let mut session = Session {
            id: SessionId::new(self.random.as_ref()),
            member,
            surface: wanted.surface,
            reason: wanted.reason,
            addresses: wanted.addresses,
            learnt_by: Some(wanted.learnt_by),
            approval,
            started_at: now,
            expires_at: now.plus(lasts),
            ending: None,
            closed_at: None,
        };
        let mut wishes = self.wishes(&directory, &session.member, role, session.addresses)?;
        let left_out = self.leave_out_what_is_closed(tx, &session.member, &mut wishes).await?;
        let resources = names(&wishes);
        let details = json!({
            "addresses": session.addresses.to_string(), "expiresAt": session.expires_at.to_string(), "reason": session.reason,
            "resources": resources.iter().map(ResourceName::as_str).collect::<Vec<_>>(), "evidence": wanted.evidence,
            "leftOut": left_out.iter().map(ResourceName::as_str).collect::<Vec<_>>(),
        });
        if let Approval::Awaited { resources: asked_for, .. } = &mut session.approval {
            asked_for.extend(resources.iter().cloned());
        }
        if session.approval.is_awaited() {
            tx.insert_session(&session, wanted.identity.as_ref()).await?;
        } else {
            // The resources before the session, as everybody locks.
            tx.lock_resources(&resources).await?;
            tx.insert_session(&session, wanted.identity.as_ref()).await?;
            self.grant(tx, &session, wishes).await?;
        }
        self.tell_of_start(tx, &session, &terms, wanted.place.as_deref()).await?;
        self.record_start(tx, &session, details).await?;
        self.show_blocks(tx, &session).await?;
        self.check_no_panic_since(tx, &session.member, &resources).await?;
        Ok(session)
    }

    /// Makes the wishes of a session whose resources are locked.
    pub(super) async fn grant(
        &self,
        tx: &mut Tx,
        session: &Session,
        wishes: Vec<(&Resource, HostAddress)>,
    ) -> Result<(), EngineError> {
        let now = tx.now();
        for (resource, address) in wishes {
            self.wish(tx, session, &resource.name, address, now).await?;
        }
        Ok(())
    }

    async fn record_start(&self, tx: &mut Tx, session: &Session, details: serde_json::Value) -> Result<(), EngineError> {
        let (at, actor) = (tx.now(), Actor::Member(session.member.clone(), session.surface));
        let event = |action, details| {
            let (actor, session) = (actor.clone(), Some(session.id.clone()));
            AuditEvent { at, actor, action, session, details }
        };
        match session.approval {
            Approval::Awaited { .. } => tx.record(&event(AuditAction::SessionRequested, details), self.random.as_ref()).await?,
            Approval::BreakGlass => {
                tx.record(&event(AuditAction::SessionStarted, details), self.random.as_ref()).await?;
                let details = json!({ "reason": session.reason });
                tx.record(&event(AuditAction::GlassBroken, details), self.random.as_ref()).await?;
            }
            Approval::NotNeeded | Approval::Granted { .. } => {
                tx.record(&event(AuditAction::SessionStarted, details), self.random.as_ref()).await?;
            }
        }
        Ok(())
    }

    pub(super) fn approval_for(&self, terms: &Terms, break_glass: bool, duration: Span) -> Result<Approval, EngineError> {
        match &terms.approval {
            None if break_glass => Err(EngineError::NoGlassToBreak),
            None => Ok(Approval::NotNeeded),
            Some(_) if break_glass && terms.break_glass => Ok(Approval::BreakGlass),
            Some(_) if break_glass => Err(EngineError::BreakGlassRefused),
            Some(approval) if approval.approvers.is_empty() => {
                Err(EngineError::NobodyToApprove { administrators: self.whom_to_ask() })
            }
            Some(_) => Ok(Approval::Awaited { duration, resources: Vec::new() }),
        }
    }

    /// Each address on each resource that may be opened for it, of one of the member's roles where it is named. A private address says
    /// nothing to a resource on the internet.
    pub(super) fn wishes<'a>(
        &self,
        directory: &'a Directory,
        member: &MemberName,
        role: Option<&RoleName>,
        addresses: Addresses,
    ) -> Result<Vec<(&'a Resource, HostAddress)>, EngineError> {
        let mut resources = directory.resources_of(member);
        if let Some(role) = role {
            resources.retain(|resource| directory.gives(role, member, &resource.name));
        }
        if resources.is_empty() {
            return Err(EngineError::NoResources { administrators: self.whom_to_ask() });
        }
        let mut wishes = Vec::new();
        let mut refused = AddressRefused::None;
        for resource in resources {
            for address in addresses.iter() {
                match address.admitted_by(resource.network) {
                    Ok(()) => wishes.push((resource, address)),
                    Err(why) => refused = why,
                }
            }
        }
        if wishes.is_empty() { Err(refused.into()) } else { Ok(wishes) }
    }

    /// Joins the opening that is there for the address, or asks for a new one.
    async fn wish(
        &self,
        tx: &mut Tx,
        session: &Session,
        resource: &ResourceName,
        address: HostAddress,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let opening = match tx.joinable(resource, address).await? {
            Some(opening) => {
                tx.mark_due(&opening.id, now).await?;
                opening.id
            }
            None => {
                let id = OpeningId::new(now, self.random.as_ref());
                let opening = Opening::wanted(id, resource.clone(), address);
                tx.insert_opening(&opening, now).await?;
                opening.id
            }
        };
        let rule = SessionRule {
            id: SessionRuleId::new(now, self.random.as_ref()),
            session: session.id.clone(),
            resource: resource.clone(),
            address,
            opening,
            status: RuleStatus::Pending,
            applied_at: None,
            removed_at: None,
            error: None,
            waits_for: None,
            held: Vec::new(),
        };
        Ok(tx.insert_rule(&rule).await?)
    }
}

/// The resources of the wishes, each once.
pub(super) fn names(wishes: &[(&Resource, HostAddress)]) -> BTreeSet<ResourceName> {
    wishes.iter().map(|(resource, _)| resource.name.clone()).collect()
}
