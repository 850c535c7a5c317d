//! Takes back what nobody's roles give any more: members and roles change with the configuration, and a session must not outlive them.

use serde_json::json;

use super::losses::{loss_of, who_holds_too_much};
use super::panic::take_away;
use super::{Engine, EngineError, Loss, end_session};
use crate::domain::{Actor, AuditAction, AuditEvent, EndReason, Ending, NOT_GIVEN, SessionId};
use crate::store::StoreError;

impl Engine {
    /// Ends the sessions of those who are no members any more, takes from the others' what their roles no longer give, and ends what
    /// schedules no longer want; no session outlasts the hours of its roles. How many sessions that changed.
    /// Browsers of whoever is gone are signed out.
    pub async fn revoke_what_is_not_given(&self) -> Result<usize, EngineError> {
        // Each has its turn, also where another fails.
        let unscheduled = self.end_unscheduled().await;
        let revoked = self.revoke_from_all().await;
        let shortened = self.shorten_to_hours().await;
        self.sign_out_who_is_gone().await?;
        Ok(unscheduled? + revoked? + shortened?)
    }

    async fn revoke_from_all(&self) -> Result<usize, EngineError> {
        let ids = self.past_unreadable(|| self.whose_is_too_much()).await?;
        self.to_each(&ids, |id| self.revoke_from(id)).await
    }

    async fn whose_is_too_much(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        let mut ids = Vec::new();
        for member in who_holds_too_much(&mut tx, &self.directory()).await? {
            ids.extend(tx.live_ids_of(&member).await?);
        }
        Ok(ids)
    }

    async fn revoke_from(&self, id: SessionId) -> Result<bool, StoreError> {
        let (mut tx, id) = (self.store.begin().await?, &id);
        let all = tx.rules_of(id).await?;
        tx.lock_resources(&all.iter().map(|rule| rule.resource.clone()).collect()).await?;
        // Locked, so as they are now.
        let rules = tx.rules_of(id).await?;
        let Some(session) = tx.lock_session(id).await?.filter(|session| session.ending.is_none()) else { return Ok(false) };
        let Some(Loss { resources: lost, goes_on, why, .. }) = loss_of(&session, &rules, &self.directory()) else {
            return Ok(false);
        };
        let (at, actor) = (tx.now(), Actor::System);
        let details = json!({ "why": why, "resources": lost.iter().map(|name| name.as_str()).collect::<Vec<_>>() });
        let action = if goes_on { AuditAction::SessionNarrowed } else { AuditAction::SessionStopped };
        let event = AuditEvent { at, actor, action, session: Some(id.clone()), details };
        if goes_on {
            for resource in &lost {
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
