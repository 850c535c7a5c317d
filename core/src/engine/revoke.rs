//! Takes back what nobody's roles give any more: members and roles change with the configuration, and a session must not outlive them.

use std::collections::BTreeSet;

use serde_json::json;

use super::panic::take_away;
use super::{Engine, EngineError, end_session};
use crate::domain::{Actor, AuditAction, AuditEvent, EndReason, Ending, NOT_GIVEN, ResourceName, SessionId};

/// Sessions looked at in one transaction.
const BATCH: u32 = 50;

impl Engine {
    /// Ends the sessions of those who are no members any more, and takes from the others' what their roles no longer give; how many
    /// sessions that changed.
    pub async fn revoke_what_is_not_given(&self) -> Result<usize, EngineError> {
        let (mut changed, mut after) = (0, None);
        loop {
            let mut tx = self.store.begin().await?;
            let ids = tx.live_after(after.as_ref(), BATCH).await?;
            drop(tx);
            let Some(last) = ids.last().cloned() else { return Ok(changed) };
            for id in &ids {
                changed += usize::from(self.revoke_from(id).await?);
            }
            after = Some(last);
        }
    }

    async fn revoke_from(&self, id: &SessionId) -> Result<bool, EngineError> {
        let mut tx = self.store.begin().await?;
        let held: BTreeSet<ResourceName> = tx.rules_of(id).await?.into_iter().map(|rule| rule.resource).collect();
        tx.lock_resources(&held).await?;
        let Some(session) = tx.lock_session(id).await?.filter(|session| session.ending.is_none()) else { return Ok(false) };
        let member = self.directory.members.get(&session.member);
        let given: BTreeSet<_> = match member {
            Some(member) => self.directory.resources_of(&member.name).iter().map(|resource| resource.name.clone()).collect(),
            None => BTreeSet::new(),
        };
        let lost: Vec<_> = held.difference(&given).collect();
        let goes_on = match session.approval.is_awaited() {
            true => !given.is_empty(),
            false => held.intersection(&given).next().is_some(),
        };
        if goes_on && lost.is_empty() {
            return Ok(false);
        }
        let why = if member.is_none() { "no longer a member" } else { "no role gives it any more" };
        let (at, actor) = (tx.now(), Actor::System);
        let details = json!({ "why": why, "resources": lost.iter().map(|name| name.as_str()).collect::<Vec<_>>() });
        let action = if goes_on { AuditAction::SessionNarrowed } else { AuditAction::SessionStopped };
        let event = AuditEvent { at, actor, action, session: Some(id.clone()), details };
        if goes_on {
            for resource in lost {
                take_away(&mut tx, id, resource, NOT_GIVEN).await?;
            }
            tx.record(&event, self.random.as_ref()).await?;
        } else {
            let ending = Ending { reason: EndReason::Manual, at, by: Some(format!("entryguard ({why})")) };
            end_session(&mut tx, id, &ending, &event, self.random.as_ref()).await?;
        }
        tx.commit().await?;
        tracing::info!(session = %id, member = %session.member, why, "a session lost what its member's roles no longer give");
        self.nudge_all();
        Ok(true)
    }
}
