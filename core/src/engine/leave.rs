//! Closes the sessions of somebody whom a surface says to be gone.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Engine, EngineError, end_because};
use crate::crash_point;
use crate::domain::{Actor, AuditAction, AuditEvent, Identity, MemberName, SessionId, Surface, is_all_of};
use crate::store::StoreError;

impl Engine {
    /// Every identity of whoever has a live session, wherever they asked for it, and of whoever is signed in to the pages: surfaces
    /// have to ask what became of them.
    pub async fn identities_with_sessions(&self) -> Result<BTreeSet<Identity>, EngineError> {
        // Whoever has left is looked for also where a session is nobody's that could be read: it is closed.
        let members = self.past_unreadable(async || self.store.begin().await?.members_with_sessions().await).await?;
        let signed_in = self.store.begin().await?.signed_in().await?.into_iter().map(|(identity, _)| identity);
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
        // It may be somebody's since a moment ago, as another replica was told.
        self.catch_up().await?;
        let live = loop {
            let member = self.member_behind(identity);
            if let Some(live) = self.note_left(member.as_ref(), identity, surface, why).await? {
                break live;
            }
        };
        self.catch_up().await?;
        if live.is_empty() {
            return Ok(0);
        }
        let ended = self.to_each(&live, |id| self.end_for_leaving(id, surface, why)).await;
        self.nudge_all();
        ended
    }

    /// Notes that an identity of this member's, or nobody's, is gone, and what is to end with it; none where it has become another's.
    async fn note_left(
        &self,
        member: Option<&MemberName>,
        identity: &Identity,
        surface: Surface,
        why: &str,
    ) -> Result<Option<Vec<SessionId>>, EngineError> {
        let mut tx = self.store.begin().await?;
        match member {
            // Whoever starts a session waits here or was before us: none slips in between, through a link that is out already.
            Some(member) => self.lock_member(&mut tx, member).await?,
            None => self.catch_up_in(&mut tx).await?,
        }
        let directory = self.directory();
        let found = directory.member_of(identity);
        if found.map(|found| &found.name) != member {
            return Ok(None);
        }
        let is_news = tx.note_departed(identity, why).await?;
        if is_news {
            // After the identity itself, as whoever takes it back locks.
            tx.known_changes().await?;
        }
        let Some(member) = found else {
            // Whoever is joined by it some day is not there, either.
            if is_news {
                tx.commit().await?;
            }
            return Ok(Some(Vec::new()));
        };
        let (name, only) = (&member.name, (!is_all_of(identity, member)).then_some(identity));
        let voided = tx.void_links(name, only.map(|only| (surface, only))).await?;
        let forgotten = tx.forget_confirmed(name, only).await?;
        let browsers = self.end_browsers(&mut tx, name, only, why).await?;
        let live = match only {
            Some(only) => tx.live_ids_as(name, surface, only).await?,
            None => tx.live_ids_of(name).await?,
        };
        if is_news || !live.is_empty() {
            let details =
                json!({ "member": name.as_str(), "identity": identity.to_string(), "why": why, "sessions": live.len() });
            let (at, actor) = (tx.now(), Actor::System);
            let event = AuditEvent { at, actor, action: AuditAction::MemberLeft, session: None, details };
            tx.record(&event, self.random.as_ref()).await?;
        }
        // Whoever left long ago is looked at again and again: where that changed nothing, nobody has to read anything anew.
        if is_news || !live.is_empty() || voided + forgotten + browsers > 0 {
            tx.commit().await?;
            self.nudge_all();
        }
        Ok(Some(live))
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
