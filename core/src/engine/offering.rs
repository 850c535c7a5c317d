//! Writes offers, those that come at once together: everything is read once and written once, however many they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::guard::counted;
use super::offer::{LINK_LIFE, MOST_LINKS};
use super::{Caller, Engine, EngineError, Link, Offer, OfferRequest, Token};
use crate::domain::{AuditAction, AuditEvent, ConfirmationId, MemberName, Panic};
use crate::gather::Gather;
use crate::store::{Confirmation, Outage, Remembered, StoreError, Tx};

/// Offers that wait to be written.
pub(super) type Offering = Gather<Asked, Result<Link, EngineError>>;

/// Who asks for what.
pub(super) type Asked = (Caller, OfferRequest);

/// What everybody's offer depends on.
struct Seen {
    panics: Vec<Panic>,
    live: BTreeMap<MemberName, u32>,
    remembered: BTreeMap<MemberName, Remembered>,
}

impl Engine {
    /// Offers a session: everything but the address is checked now, so that nobody follows a link for nothing.
    pub async fn offer(&self, caller: &Caller, request: OfferRequest) -> Result<Link, EngineError> {
        let engine = self.clone();
        let offered =
            self.offering.submit((caller.clone(), request), |asked| async move { engine.offer_each(asked).await }).await;
        counted(offered.unwrap_or_else(|| Err(StoreError::Interrupted.into())))
    }

    async fn offer_each(&self, asked: Vec<Asked>) -> Vec<Result<Link, EngineError>> {
        match self.offer_all(&asked).await {
            Ok(offered) => offered,
            Err(error) if asked.len() == 1 => vec![Err(error)],
            // What is wrong with the database is so for all of them.
            Err(EngineError::Store(error)) if !matches!(error.outage(), Outage::Damaged | Outage::Other) => {
                let error = Arc::new(error);
                asked.iter().map(|_| Err(StoreError::Shared(Arc::clone(&error)).into())).collect()
            }
            // What is wrong with one is to be told to that one alone.
            Err(_) => {
                let mut offered = Vec::with_capacity(asked.len());
                for one in asked {
                    offered.push(self.offer_all(&[one]).await.and_then(|mut offered| offered.pop().unwrap_or_else(interrupted)));
                }
                offered
            }
        }
    }

    async fn offer_all(&self, asked: &[Asked]) -> Result<Vec<Result<Link, EngineError>>, EngineError> {
        let mut tx = self.begin_opening().await?;
        let seen = self.see(&mut tx, asked).await?;
        let mut offered = Vec::with_capacity(asked.len());
        for (caller, request) in asked {
            offered.push(self.offer_one(&mut tx, &seen, caller, request).await);
        }
        let good: Vec<_> = offered.iter().flatten().collect();
        let links: Vec<_> = good.iter().map(|(confirmation, link)| (confirmation, link.token.hash())).collect();
        let members: BTreeSet<_> = good.iter().map(|(confirmation, _)| &confirmation.member).collect();
        let mut open = if members.is_empty() { BTreeMap::new() } else { tx.count_open_links(&members).await? };
        let mut is_recorded = |confirmation: &Confirmation| {
            let open = open.entry(confirmation.member.clone()).or_insert(0_u32);
            *open = open.saturating_add(1);
            *open <= MOST_LINKS
        };
        let recorded: Vec<_> = good.iter().filter(|(confirmation, _)| is_recorded(confirmation)).collect();
        let events: Vec<_> = recorded.iter().map(|(confirmation, _)| issued(&tx, confirmation)).collect();
        tx.insert_confirmations(&links).await?;
        let crowded: BTreeSet<_> =
            members.into_iter().filter(|member| open.get(*member).is_some_and(|open| *open > MOST_LINKS)).collect();
        if !crowded.is_empty() {
            tx.keep_newest_links(&crowded, MOST_LINKS).await?;
        }
        tx.record_all(&events, self.random.as_ref()).await?;
        tx.commit().await?;
        Ok(offered.into_iter().map(|offered| offered.map(|(_, link)| link)).collect())
    }

    async fn see(&self, tx: &mut Tx, asked: &[Asked]) -> Result<Seen, EngineError> {
        let members = || asked.iter().map(|(caller, _)| caller.name());
        self.catch_up_in(tx).await?;
        let (panics, live) = (tx.panics_in_force().await?, tx.count_live(members()).await?);
        let remembered = match self.remembered(tx, members()).await {
            Ok(remembered) => remembered,
            // Without it there is one button less; the link works all the same.
            Err(EngineError::Store(StoreError::Unreadable { .. })) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Seen { panics, live, remembered })
    }

    async fn offer_one(
        &self,
        tx: &mut Tx,
        seen: &Seen,
        caller: &Caller,
        request: &OfferRequest,
    ) -> Result<(Confirmation, Link), EngineError> {
        let (now, member) = (tx.now(), caller.name());
        self.still(tx, caller).await?;
        self.check_is_not_gone(member)?;
        let duration = self.check_duration(member, request.duration, now)?;
        let resources = self.resource_names(member)?;
        if let Some(panic) = seen.panics.iter().find(|panic| panic.scope.closes_member(member)) {
            return Err(panic.clone().into());
        }
        self.check_session_count(tx, member, seen.live.get(member).copied().unwrap_or_default()).await?;
        let terms = self.directory().terms_of(member);
        let awaited = self.approval_for(&terms, request.break_glass, duration)?.is_awaited();
        let confirmation = Confirmation {
            id: ConfirmationId::new(now, self.random.as_ref()),
            member: member.clone(),
            identity: Some(caller.identity().clone()),
            surface: caller.surface(),
            duration,
            reason: request.reason.clone(),
            break_glass: request.break_glass,
            place: request.place.clone(),
            expires_at: now.plus(LINK_LIFE),
            used_at: None,
            session: None,
        };
        let offer = Offer {
            member: member.clone(),
            duration,
            reason: request.reason.clone(),
            resources,
            approval: terms.approval.filter(|_| awaited),
            break_glass: request.break_glass,
            expires_at: confirmation.expires_at,
        };
        let link = Link {
            id: confirmation.id.clone(),
            token: Token::new(self.random.as_ref()),
            expires_at: confirmation.expires_at,
            offer,
            remembered: seen.remembered.get(member).cloned(),
        };
        Ok((confirmation, link))
    }
}

fn interrupted() -> Result<Link, EngineError> {
    Err(StoreError::Interrupted.into())
}

fn issued(tx: &Tx, confirmation: &Confirmation) -> AuditEvent {
    let Confirmation { id, member, surface, duration, reason, .. } = confirmation;
    let details = json!({ "duration": duration.to_string(), "reason": reason, "link": id.as_str() });
    let actor = crate::domain::Actor::Member(member.clone(), *surface);
    AuditEvent { at: tx.now(), actor, action: AuditAction::LinkIssued, session: None, details }
}
