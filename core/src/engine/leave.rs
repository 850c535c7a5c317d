//! Closes the sessions of somebody whom a surface says to be gone.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Engine, EngineError, end_because};
use crate::crash_point;
use crate::domain::{Actor, AuditAction, AuditEvent, Identity, SessionId, Surface, is_all_of};
use crate::store::StoreError;

impl Engine {
    /// Every identity of whoever has a live session, wherever they asked for it, and of whoever is signed in to the pages: surfaces
    /// have to ask what became of them.
    pub async fn identities_with_sessions(&self) -> Result<BTreeSet<Identity>, EngineError> {
        let mut tx = self.store.begin().await?;
        let members = tx.members_with_sessions().await?;
        let signed_in = tx.signed_in().await?.into_iter().map(|(identity, _)| identity);
        let directory = self.directory();
        let known = members.iter().filter_map(|name| directory.members.get(name));
        Ok(known.flat_map(|member| member.identities.clone()).chain(signed_in).collect())
    }

    /// Every identity of everybody.
    pub fn identities(&self) -> BTreeSet<Identity> {
        self.directory().members.values().flat_map(|member| member.identities.clone()).collect()
    }

    /// Ends live sessions of the member behind an identity, because its surface says that they are gone, and serves nobody as them
    /// until it says otherwise; how many. Saying so again says nothing new.
    pub async fn identity_left(&self, identity: &Identity, surface: Surface, why: &str) -> Result<usize, EngineError> {
        let directory = self.directory();
        let Some(member) = directory.member_of(identity) else { return Ok(0) };
        let only = (!is_all_of(identity, member)).then_some(surface);
        let mut tx = self.store.begin().await?;
        // Whoever starts a session waits here or was before us: none slips in between, through a link that is out already.
        self.lock_member(&mut tx, &member.name).await?;
        tx.void_links(&member.name, only).await?;
        tx.forget_confirmed(&member.name, only.map(|_| identity)).await?;
        let is_news = tx.note_departed(identity, why).await?;
        // After the identity itself, as whoever takes it back locks.
        tx.known_changes().await?;
        self.end_browsers(&mut tx, &member.name, only.is_some().then_some(identity), why).await?;
        let live = match only {
            Some(only) => tx.live_ids_of_surface(&member.name, only).await?,
            None => tx.live_ids_of(&member.name).await?,
        };
        let details =
            json!({ "member": member.name.as_str(), "identity": identity.to_string(), "why": why, "sessions": live.len() });
        if is_news || !live.is_empty() {
            let (at, actor) = (tx.now(), Actor::System);
            let event = AuditEvent { at, actor, action: AuditAction::MemberLeft, session: None, details };
            tx.record(&event, self.random.as_ref()).await?;
        }
        tx.commit().await?;
        self.catch_up().await?;
        let ended = self.to_each(&live, |id| self.end_for_leaving(id, surface, why)).await;
        self.nudge_all();
        ended
    }

    async fn end_for_leaving(&self, id: SessionId, surface: Surface, why: &str) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let details = json!({ "why": why, "surface": surface.as_str() });
        if !end_because(&mut tx, &id, why, details, self.random.as_ref()).await? {
            return Ok(false);
        }
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        Ok(true)
    }
}
