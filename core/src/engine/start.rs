//! Starts a session: the wishes, the openings that grant them, the thread that shows them, in one transaction.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Caller, Engine, EngineError, Token};
use crate::crash_point;
use crate::domain::{
    Actor, AddressRefused, Addresses, AuditAction, AuditEvent, HostAddress, Member, MemberName, Opening, OpeningId, Resource,
    ResourceName, RuleStatus, Session, SessionId, SessionRule, SessionRuleId, Span, Surface, Timestamp,
};
use crate::store::{NewThread, SessionView, Tx};

/// What somebody asks for whose address is known.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// For how long; the tier's default where there is none.
    pub duration: Option<Span>,
    /// Why.
    pub reason: Option<String>,
    /// From where.
    pub addresses: Addresses,
}

/// A session that has started.
#[derive(Clone, Debug)]
pub struct Started {
    /// The session, with its rules on their way.
    pub view: SessionView,
}

struct Wanted {
    member: MemberName,
    surface: Surface,
    duration: Span,
    reason: Option<String>,
    addresses: Addresses,
}

impl Engine {
    /// Starts the session that a one-time link offers, from the addresses that the server saw. The link is used up by it.
    pub async fn confirm(&self, token: &Token, addresses: Addresses) -> Result<Started, EngineError> {
        match self.try_to_confirm(token, addresses).await {
            Err(EngineError::Store(error)) if self.set_aside(&error).await => self.try_to_confirm(token, addresses).await,
            other => other,
        }
    }

    async fn try_to_confirm(&self, token: &Token, addresses: Addresses) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        let link = self.open_confirmation(&mut tx, token).await?;
        let member = self.directory.members.get(&link.member).ok_or_else(|| EngineError::MemberLeft(link.member.clone()))?;
        let duration = self.check_duration(&member.name, Some(link.duration))?;
        let wanted =
            Wanted { member: member.name.clone(), surface: link.surface, duration, reason: link.reason.clone(), addresses };
        let session =
            self.begin_session(&mut tx, member, wanted, json!({ "confirmedBy": "link", "link": link.id.as_str() })).await?;
        if !tx.use_confirmation(&link.id, &session.id, session.started_at).await? {
            return Err(EngineError::LinkUsed);
        }
        if let Some(place) = &link.place {
            let thread = NewThread { session: &session.id, surface: link.surface, place };
            tx.insert_thread(thread, session.started_at).await?;
        }
        self.started(tx, session).await
    }

    /// Starts a session for a caller whose address the server saw in this very request.
    pub async fn start(&self, caller: &Caller, request: StartRequest) -> Result<Started, EngineError> {
        match self.try_to_start(caller, request.clone()).await {
            Err(EngineError::Store(error)) if self.set_aside(&error).await => self.try_to_start(caller, request).await,
            other => other,
        }
    }

    async fn try_to_start(&self, caller: &Caller, request: StartRequest) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        let duration = self.check_duration(caller.name(), request.duration)?;
        let StartRequest { reason, addresses, .. } = request;
        let wanted = Wanted { member: caller.name().clone(), surface: caller.surface(), duration, reason, addresses };
        let session = self.begin_session(&mut tx, &caller.member(), wanted, json!({ "confirmedBy": "request" })).await?;
        self.started(tx, session).await
    }

    async fn started(&self, mut tx: Tx, session: Session) -> Result<Started, EngineError> {
        let view = tx.session(&session.id).await?.ok_or_else(|| EngineError::SessionUnknown(session.id.short().to_owned()))?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        self.nudge_all();
        Ok(Started { view })
    }

    async fn begin_session(
        &self,
        tx: &mut Tx,
        member: &Member,
        wanted: Wanted,
        evidence: serde_json::Value,
    ) -> Result<Session, EngineError> {
        let now = tx.now();
        tx.lock_member(&member.name).await?;
        self.check_session_count(tx, &member.name).await?;
        let mut wishes = self.wishes(&member.name, wanted.addresses)?;
        let left_out = self.leave_out_what_is_closed(tx, &member.name, &mut wishes).await?;
        let resources: BTreeSet<ResourceName> = wishes.iter().map(|(resource, _)| resource.name.clone()).collect();
        tx.lock_resources(&resources).await?;
        let session = Session {
            id: SessionId::new(self.random.as_ref()),
            member: wanted.member,
            surface: wanted.surface,
            reason: wanted.reason,
            addresses: wanted.addresses,
            started_at: now,
            expires_at: now.plus(wanted.duration),
            ending: None,
            closed_at: None,
        };
        tx.insert_session(&session).await?;
        for (resource, address) in wishes {
            self.wish(tx, &session, &resource.name, address, now).await?;
        }
        let details = json!({
            "addresses": session.addresses.to_string(), "expiresAt": session.expires_at.to_string(), "reason": session.reason,
            "resources": resources.iter().map(ResourceName::as_str).collect::<Vec<_>>(), "evidence": evidence,
            "leftOut": left_out.iter().map(ResourceName::as_str).collect::<Vec<_>>(),
        });
        let actor = Actor::Member(session.member.clone(), session.surface);
        let id = Some(session.id.clone());
        let event = AuditEvent { at: now, actor, action: AuditAction::SessionStarted, session: id, details };
        tx.record(&event, self.random.as_ref()).await?;
        Ok(session)
    }

    /// Each address on each resource that may be opened for it. A private address says nothing to a resource on the internet.
    fn wishes(&self, member: &MemberName, addresses: Addresses) -> Result<Vec<(&Resource, HostAddress)>, EngineError> {
        let resources = self.directory.resources_of(member);
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
            held: Vec::new(),
        };
        Ok(tx.insert_rule(&rule).await?)
    }
}
