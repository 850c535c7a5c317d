//! Takes back what nobody's roles give any more: members and roles change with the configuration, and a session must not outlive them.

use std::collections::BTreeSet;

use serde_json::json;

use super::panic::take_away;
use super::{Engine, EngineError, end_session};
use crate::domain::{
    Actor, AuditAction, AuditEvent, EndReason, Ending, MemberName, NOT_GIVEN, ResourceName, RuleStatus, SessionId, SessionRule,
};

impl Engine {
    /// Ends the sessions of those who are no members any more, and takes from the others' what their roles no longer give; how many
    /// sessions that changed. Browsers of theirs are signed out.
    pub async fn revoke_what_is_not_given(&self) -> Result<usize, EngineError> {
        let mut changed = 0;
        for member in self.who_holds_too_much().await? {
            let mut tx = self.store.begin().await?;
            let ids: Vec<_> = self.live_of(&mut tx, &member).await?.into_iter().map(|view| view.session.id).collect();
            drop(tx);
            for id in &ids {
                changed += usize::from(self.revoke_from(id).await?);
            }
        }
        self.sign_out_who_is_gone().await?;
        Ok(changed)
    }

    /// One question for all, however many sessions there are: members and roles seldom change.
    async fn who_holds_too_much(&self) -> Result<BTreeSet<MemberName>, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let (held, directory) = (tx.held().await?, self.directory());
        let given = |member: &MemberName, resource: Option<&ResourceName>| {
            let given = directory.resources_of(member);
            let is_member = directory.members.contains_key(member) && !given.is_empty();
            is_member && resource.is_none_or(|held| given.iter().any(|resource| resource.name == *held))
        };
        let too_much = held.into_iter().filter(|(member, resource)| !given(member, resource.as_ref()));
        Ok(too_much.map(|(member, _)| member).collect())
    }

    async fn revoke_from(&self, id: &SessionId) -> Result<bool, EngineError> {
        let mut tx = self.store.begin().await?;
        let all = tx.rules_of(id).await?;
        tx.lock_resources(&all.iter().map(|rule| rule.resource.clone()).collect()).await?;
        // Locked, so as they are now; what was taken before is no news.
        let stands = |rule: &SessionRule| !matches!(rule.status, RuleStatus::Removing | RuleStatus::Removed);
        let held: BTreeSet<_> = tx.rules_of(id).await?.into_iter().filter(stands).map(|rule| rule.resource).collect();
        let Some(session) = tx.lock_session(id).await?.filter(|session| session.ending.is_none()) else { return Ok(false) };
        let directory = self.directory();
        let member = directory.members.get(&session.member);
        let given: BTreeSet<_> = match member {
            Some(member) => directory.resources_of(&member.name).iter().map(|resource| resource.name.clone()).collect(),
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
