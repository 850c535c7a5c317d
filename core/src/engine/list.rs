//! Lists and shows sessions, and finds the one that somebody means.

use std::collections::BTreeMap;

use super::{Caller, Engine, EngineError, Which};
use crate::domain::{MemberName, ResourceName, SessionId, Timestamp};
use crate::store::{SessionFilter, SessionView, Tx};

/// What one list shows at the most.
const PAGE: u32 = 50;

impl Engine {
    /// The caller's sessions, the newest first.
    pub async fn list(&self, caller: &Caller, live_only: bool) -> Result<Vec<SessionView>, EngineError> {
        let filter = SessionFilter { member: Some(caller.name().clone()), live_only, at_most: PAGE, prefix: None };
        Ok(self.store.begin().await?.sessions(&filter).await?)
    }

    /// When each resource was swept last, and why it could not be, if it could not.
    pub async fn last_sweeps(&self) -> Result<BTreeMap<ResourceName, (Timestamp, Option<String>)>, EngineError> {
        Ok(self.store.begin().await?.last_sweeps().await?)
    }

    /// One session that the caller may see: their own, or anybody's for an administrator.
    pub async fn show(&self, caller: &Caller, name: &str) -> Result<SessionView, EngineError> {
        let mut tx = self.store.begin().await?;
        self.named(&mut tx, caller, name).await
    }

    /// The live sessions of a member, the newest first.
    pub(super) async fn live_of(&self, tx: &mut Tx, member: &MemberName) -> Result<Vec<SessionView>, EngineError> {
        let filter = SessionFilter { member: Some(member.clone()), live_only: true, at_most: PAGE, prefix: None };
        Ok(tx.sessions(&filter).await?)
    }

    /// The ids of the sessions that somebody means and may change.
    pub(super) async fn select_live(&self, caller: &Caller, which: &Which) -> Result<Vec<SessionId>, EngineError> {
        let mut tx = self.store.begin().await?;
        if let Which::Named(name) = which {
            return Ok(vec![self.named(&mut tx, caller, name).await?.session.id]);
        }
        let live = self.live_of(&mut tx, caller.name()).await?;
        let ids: Vec<_> = live.into_iter().map(|view| view.session.id).collect();
        match (which, ids.as_slice()) {
            (_, []) => Err(EngineError::NoLiveSession),
            (Which::TheOnly, [_, _, ..]) => {
                Err(EngineError::WhichSession(ids.iter().map(SessionId::short).collect::<Vec<_>>().join(", ")))
            }
            _ => Ok(ids),
        }
    }

    async fn named(&self, tx: &mut Tx, caller: &Caller, name: &str) -> Result<SessionView, EngineError> {
        let name = name.to_ascii_lowercase();
        let member = (!caller.is_admin()).then(|| caller.name().clone());
        let filter = SessionFilter { member, prefix: Some(name.clone()), live_only: false, at_most: 2 };
        let mut found = if name.len() < SHORTEST_PREFIX { Vec::new() } else { tx.sessions(&filter).await? };
        match (found.pop(), found.pop()) {
            (Some(view), None) => Ok(view),
            (Some(_), Some(_)) => Err(EngineError::SessionAmbiguous(name)),
            (None, _) => Err(EngineError::SessionUnknown(name)),
        }
    }
}

/// Below this, a prefix is more likely a slip than a choice.
pub(super) const SHORTEST_PREFIX: usize = 4;
