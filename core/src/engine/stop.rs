//! Stops sessions before their time.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Caller, Engine, EngineError, Idempotency, end_session};
use crate::crash_point;
use crate::domain::{Approval, AuditAction, AuditEvent, EndReason, Ending, SessionId};
use crate::store::SessionView;

/// Which session somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that is running.
    TheOnly,
    /// The one whose id begins so.
    Named(String),
    /// All of the caller's.
    AllOwn,
}

impl Engine {
    /// Stops the sessions; they show EXPIRING until their last rule is gone. Stopping what is over already changes nothing.
    pub async fn stop(&self, caller: &Caller, which: &Which) -> Result<Vec<SessionView>, EngineError> {
        let ids = self.select_to_stop(caller, which).await?;
        self.stop_each(caller, &ids).await
    }

    /// Stops the only one that is running. Asked again by the same name, it stops the same one, whatever has begun meanwhile.
    pub async fn stop_the_only(&self, caller: &Caller, once: &Idempotency) -> Result<Vec<SessionView>, EngineError> {
        let id = self.select_once(caller, once).await?;
        self.stop_each(caller, &[id]).await
    }

    /// Which one that is, remembered before it is stopped: whoever asks again after a crash in between has it stopped then.
    async fn select_once(&self, caller: &Caller, once: &Idempotency) -> Result<SessionId, EngineError> {
        let mut tx = self.store.begin().await?;
        self.lock_member(&mut tx, caller.name()).await?;
        if let Some(id) = self.meant_before(&mut tx, caller, once).await? {
            return Ok(id);
        }
        let id = self.the_only_live(&mut tx, caller).await?;
        self.remember_asked(&mut tx, caller, once, &id).await?;
        tx.commit().await?;
        Ok(id)
    }

    async fn stop_each(&self, caller: &Caller, ids: &[SessionId]) -> Result<Vec<SessionView>, EngineError> {
        let (mut stopped, mut failed) = (Vec::with_capacity(ids.len()), None);
        for id in ids {
            match self.stop_apart(caller, id).await {
                Ok(view) => stopped.extend(view),
                // One that fails keeps no other open.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.nudge_all();
        match failed {
            Some(error) => Err(error),
            None if stopped.is_empty() => Err(EngineError::NoLiveSession),
            None => Ok(stopped),
        }
    }

    /// The sessions that somebody means to stop: of their own, or another's who does without an approval that they might have refused.
    async fn select_to_stop(&self, caller: &Caller, which: &Which) -> Result<Vec<SessionId>, EngineError> {
        match self.select_live(caller, which).await {
            Err(EngineError::SessionUnknown(name)) => {
                let found = self.answered_for(&mut self.store.begin().await?, caller, &name).await;
                let broken = found.filter(|view| view.session.approval == Approval::BreakGlass);
                broken.map(|view| vec![view.session.id]).ok_or(EngineError::SessionUnknown(name))
            }
            ids => ids,
        }
    }

    /// Stops one; nothing where it cannot be read and was set aside, which closes it.
    async fn stop_apart(&self, caller: &Caller, id: &SessionId) -> Result<Option<SessionView>, EngineError> {
        loop {
            match self.stop_one(caller, id).await {
                Err(EngineError::Store(error)) if self.set_aside(&error).await => {}
                Err(EngineError::SessionUnknown(_)) => return Ok(None),
                stopped => return stopped.map(Some),
            }
        }
    }

    async fn stop_one(&self, caller: &Caller, id: &SessionId) -> Result<SessionView, EngineError> {
        let unknown = || EngineError::SessionUnknown(id.short().to_owned());
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let resources: BTreeSet<_> = tx.rules_of(id).await?.into_iter().map(|rule| rule.resource).collect();
        tx.lock_resources(&resources).await?;
        let session = tx.lock_session(id).await?.ok_or_else(unknown)?;
        if session.ending.is_none() {
            let ending = Ending { reason: EndReason::Manual, at: now, by: Some(caller.name().to_string()) };
            let action = AuditAction::SessionStopped;
            let details = json!({ "member": session.member.as_str() });
            let event = AuditEvent { at: now, actor: caller.actor(), action, session: Some(id.clone()), details };
            end_session(&mut tx, id, &ending, &event, self.random.as_ref()).await?;
        }
        let view = tx.session(id).await?.ok_or_else(unknown)?;
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        Ok(view)
    }
}
