//! Starts a session: the wishes, the openings that grant them, the thread that shows them, in one transaction. Where a role asks for
//! approval, it only asks, and opens nothing.

use std::collections::BTreeSet;

use serde_json::json;

use super::guard::counted;
use super::{Caller, Engine, EngineError, Idempotency, SessionKey, Token};
use crate::crash_point;
use crate::domain::{
    Actor, AddressRefused, Addresses, Approval, AuditAction, AuditEvent, ConfirmationId, Directory, HostAddress, Identity,
    LearntBy, Member, MemberName, Opening, OpeningId, Resource, ResourceName, RuleStatus, Session, SessionId, SessionRule,
    SessionRuleId, Span, Surface, Terms, Timestamp, WorkflowRun,
};
use crate::store::{Confirmation, SessionView, Tx};

/// What somebody asks for whose address is known.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// For how long; the tier's default where there is none.
    pub duration: Option<Span>,
    /// Why.
    pub reason: Option<String>,
    /// Whether an approval is to be done without.
    pub break_glass: bool,
    /// From where.
    pub addresses: Addresses,
    /// How that was learnt.
    pub learnt_by: LearntBy,
    /// Where the chat shows the session, in the surface's own words.
    pub place: Option<String>,
    /// What a program chose to find its session by.
    pub key: Option<SessionKey>,
    /// The workflow run that it ends with.
    pub run: Option<WorkflowRun>,
    /// What the caller calls this question, so that asking it again starts no second session.
    pub once: Option<Idempotency>,
}

impl StartRequest {
    /// For the addresses that this very request came from.
    pub const fn seen(duration: Option<Span>, addresses: Addresses) -> Self {
        Self {
            duration,
            reason: None,
            break_glass: false,
            addresses,
            learnt_by: LearntBy::Request,
            place: None,
            key: None,
            run: None,
            once: None,
        }
    }
}

/// A session that has started, or that awaits approval.
#[derive(Clone, Debug)]
pub struct Started {
    /// The session, with its rules on their way.
    pub view: SessionView,
}

/// A session to be, once everything is known of it.
pub(super) struct Wanted {
    pub(super) member: MemberName,
    pub(super) surface: Surface,
    pub(super) duration: Span,
    pub(super) reason: Option<String>,
    pub(super) break_glass: bool,
    pub(super) addresses: Addresses,
    pub(super) place: Option<String>,
    pub(super) evidence: serde_json::Value,
    // Whether a live one of the member's ends with its start, and so is not counted.
    pub(super) in_place_of_one: bool,
}

impl Engine {
    /// Starts the session that a one-time link offers, from the addresses that the server saw. The link is used up by it.
    pub async fn confirm(&self, token: &Token, addresses: Addresses) -> Result<Started, EngineError> {
        counted(match self.try_to_confirm(token, addresses).await {
            Err(EngineError::Store(error)) if self.set_aside(&error).await => self.try_to_confirm(token, addresses).await,
            other => other,
        })
    }

    async fn try_to_confirm(&self, token: &Token, addresses: Addresses) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        let link = self.open_confirmation(&mut tx, token).await?;
        let evidence = json!({ "learntBy": LearntBy::Link.as_str(), "link": link.id.as_str() });
        self.use_up(tx, link, addresses, LearntBy::Link, evidence).await
    }

    /// Starts what a link offers from the addresses that its member confirmed last, if that was recently enough.
    pub async fn confirm_remembered(&self, caller: &Caller, link: &ConfirmationId) -> Result<Started, EngineError> {
        counted(self.try_to_confirm_remembered(caller, link).await)
    }

    async fn try_to_confirm_remembered(&self, caller: &Caller, link: &ConfirmationId) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        // Locked first: what takes an identity from its member waits, or was before us.
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        let link = tx.confirmation_by_id(link).await?.filter(|link| link.member == *caller.name());
        let link = self.still_open(&tx, link)?;
        let remembered =
            self.remembered(&mut tx, [caller.name()]).await?.remove(caller.name()).ok_or(EngineError::NothingRemembered)?;
        let learnt_by = LearntBy::Remembered;
        let evidence = json!({
            "learntBy": learnt_by.as_str(), "link": link.id.as_str(), "confirmedAt": remembered.confirmed_at.to_string(),
        });
        self.use_up(tx, link, remembered.addresses, learnt_by, evidence).await
    }

    async fn use_up(
        &self,
        mut tx: Tx,
        link: Confirmation,
        addresses: Addresses,
        learnt_by: LearntBy,
        evidence: serde_json::Value,
    ) -> Result<Started, EngineError> {
        self.lock_member(&mut tx, &link.member).await?;
        let directory = self.directory();
        let member = directory.members.get(&link.member).ok_or_else(|| EngineError::MemberLeft(link.member.clone()))?;
        let duration = self.check_duration(&member.name, Some(link.duration), tx.now())?;
        let Confirmation { id, surface, reason, break_glass, place, .. } = link;
        let (name, in_place_of_one) = (member.name.clone(), false);
        let wanted = Wanted { member: name, surface, duration, reason, break_glass, addresses, place, evidence, in_place_of_one };
        let session = self.begin_session(&mut tx, member, wanted).await?;
        if !tx.use_confirmation(&id, &session.id, learnt_by).await? {
            return Err(EngineError::LinkUsed);
        }
        self.started(tx, session).await
    }

    /// Starts a session for a caller whose address is known: seen in this very request, or given by hand where their roles allow it.
    pub async fn start(&self, caller: &Caller, request: StartRequest) -> Result<Started, EngineError> {
        counted(match self.try_to_start(caller, request.clone()).await {
            Err(EngineError::Store(error)) if self.set_aside(&error).await => self.try_to_start(caller, request).await,
            other => other,
        })
    }

    async fn try_to_start(&self, caller: &Caller, request: StartRequest) -> Result<Started, EngineError> {
        let mut tx = self.begin_opening().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        self.still(&mut tx, caller).await?;
        let StartRequest { duration, reason, break_glass, addresses, learnt_by, place, key, run, once } = request;
        let key = key.map(|key| key.hash());
        if let Some(view) = self.started_before(&mut tx, caller, key.as_deref()).await? {
            return Ok(Started { view });
        }
        if let Some(view) = self.asked_before(&mut tx, caller, once.as_ref()).await? {
            return Ok(Started { view });
        }
        if learnt_by == LearntBy::Hand && !self.directory().terms_of(caller.name()).explicit_ip {
            return Err(EngineError::NotByHand);
        }
        let duration = self.check_duration(caller.name(), duration, tx.now())?;
        let evidence = json!({ "learntBy": learnt_by.as_str(), "identity": caller.identity().to_string() });
        let (member, surface) = (caller.name().clone(), caller.surface());
        let in_place_of_one = false;
        let wanted = Wanted { member, surface, duration, reason, break_glass, addresses, place, evidence, in_place_of_one };
        let session = self.begin_session(&mut tx, &caller.member(), wanted).await?;
        if let Some(key) = &key {
            tx.insert_session_key(key, &session.id, caller.identity()).await?;
        }
        if let Some(run) = &run {
            tx.insert_session_run(&session.id, run).await?;
        }
        if let Identity::ApiKey(name) = caller.identity() {
            tx.insert_api_key_session(&session.id, name).await?;
        }
        if let Some(once) = &once {
            self.remember_asked(&mut tx, caller, once, &session.id).await?;
        }
        self.started(tx, session).await
    }

    /// The session that a key has started already, where its answer was lost.
    async fn started_before(&self, tx: &mut Tx, caller: &Caller, key: Option<&str>) -> Result<Option<SessionView>, EngineError> {
        let Some(key) = key else { return Ok(None) };
        let Some((session, identity)) = tx.session_of_key(key).await? else { return Ok(None) };
        if identity != *caller.identity() {
            return Err(EngineError::SessionKeyUnknown);
        }
        Ok(tx.session(&session).await?)
    }

    pub(super) async fn started(&self, mut tx: Tx, session: Session) -> Result<Started, EngineError> {
        let view = tx.session(&session.id).await?.ok_or_else(|| EngineError::SessionUnknown(session.id.short().to_owned()))?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        self.nudge_all();
        Ok(Started { view })
    }

    /// Makes the session of a member who is locked.
    pub(super) async fn begin_session(&self, tx: &mut Tx, member: &Member, wanted: Wanted) -> Result<Session, EngineError> {
        let now = tx.now();
        let live: u32 = tx.count_live([&member.name]).await?.into_values().sum();
        let live = live.saturating_sub(u32::from(wanted.in_place_of_one));
        self.check_session_count(tx, &member.name, live).await?;
        let directory = self.directory();
        let terms = directory.terms_of(&member.name);
        let approval = self.approval_for(&terms, wanted.break_glass, wanted.duration)?;
        let lasts = match (&approval, &terms.approval) {
            // Until somebody answers, that is how long it has.
            (Approval::Awaited { .. }, Some(approval)) => approval.within,
            _ => wanted.duration,
        };
        let session = Session {
            id: SessionId::new(self.random.as_ref()),
            member: wanted.member,
            surface: wanted.surface,
            reason: wanted.reason,
            addresses: wanted.addresses,
            approval,
            started_at: now,
            expires_at: now.plus(lasts),
            ending: None,
            closed_at: None,
        };
        let mut wishes = self.wishes(&directory, &member.name, session.addresses)?;
        let left_out = self.leave_out_what_is_closed(tx, &member.name, &mut wishes).await?;
        let details = json!({
            "addresses": session.addresses.to_string(), "expiresAt": session.expires_at.to_string(), "reason": session.reason,
            "resources": names(&wishes).iter().map(ResourceName::as_str).collect::<Vec<_>>(), "evidence": wanted.evidence,
            "leftOut": left_out.iter().map(ResourceName::as_str).collect::<Vec<_>>(),
        });
        if session.approval.is_awaited() {
            tx.insert_session(&session).await?;
        } else {
            // The resources before the session, as everybody locks.
            tx.lock_resources(&names(&wishes)).await?;
            tx.insert_session(&session).await?;
            self.grant(tx, &session, wishes).await?;
        }
        self.tell_of_start(tx, &session, &terms, wanted.place.as_deref()).await?;
        self.record_start(tx, &session, details).await?;
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
            Some(_) => Ok(Approval::Awaited { duration }),
        }
    }

    /// Each address on each resource that may be opened for it. A private address says nothing to a resource on the internet.
    pub(super) fn wishes<'a>(
        &self,
        directory: &'a Directory,
        member: &MemberName,
        addresses: Addresses,
    ) -> Result<Vec<(&'a Resource, HostAddress)>, EngineError> {
        let resources = directory.resources_of(member);
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

/// The resources of the wishes, each once.
pub(super) fn names(wishes: &[(&Resource, HostAddress)]) -> BTreeSet<ResourceName> {
    wishes.iter().map(|(resource, _)| resource.name.clone()).collect()
}
