//! Closes the sessions of somebody whom a surface says to be gone.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Engine, EngineError, end_because};
use crate::crash_point;
use crate::domain::{Actor, AuditAction, AuditEvent, Identity, SessionId, Surface};

impl Engine {
    /// Every identity of whoever has a live session that was asked for in this surface, and of whoever is signed in to the pages: the
    /// surface has to ask what became of them.
    pub async fn identities_with_sessions_of(&self, surface: Surface) -> Result<Vec<Identity>, EngineError> {
        let mut tx = self.store.begin().await?;
        let members = tx.members_with_sessions_of(surface).await?;
        let signed_in = tx.signed_in().await?.into_iter().map(|(identity, _)| identity);
        let directory = self.directory();
        let known = members.iter().filter_map(|name| directory.members.get(name));
        let all: BTreeSet<_> = known.flat_map(|member| member.identities.clone()).chain(signed_in).collect();
        Ok(all.into_iter().collect())
    }

    /// Ends live sessions of the member behind an identity, because its surface says that they are gone; how many.
    pub async fn identity_left(&self, identity: &Identity, surface: Surface, why: &str) -> Result<usize, EngineError> {
        // A deactivated account tells of the person. Who leaves a Discord server may still be what they are elsewhere.
        let only = (surface == Surface::Discord).then_some(surface);
        let directory = self.directory();
        let Some(member) = directory.member_of(identity) else { return Ok(0) };
        let mut tx = self.store.begin().await?;
        // Whoever starts a session waits here or was before us: none slips in between, through a link that is out already.
        self.lock_member(&mut tx, &member.name).await?;
        tx.void_links(&member.name, only).await?;
        self.end_browsers(&mut tx, &member.name, only.is_some().then_some(identity), why).await?;
        let live = self.live_of(&mut tx, &member.name).await?.into_iter().map(|view| view.session);
        let live: Vec<_> =
            live.filter(|session| only.is_none_or(|only| session.surface == only)).map(|session| session.id).collect();
        let details =
            json!({ "member": member.name.as_str(), "identity": identity.to_string(), "why": why, "sessions": live.len() });
        let (at, actor) = (tx.now(), Actor::System);
        let event = AuditEvent { at, actor, action: AuditAction::MemberLeft, session: None, details };
        tx.record(&event, self.random.as_ref()).await?;
        tx.commit().await?;
        let mut ended = 0;
        for id in &live {
            ended += usize::from(self.end_for_leaving(id, surface, why).await?);
        }
        self.nudge_all();
        Ok(ended)
    }

    async fn end_for_leaving(&self, id: &SessionId, surface: Surface, why: &str) -> Result<bool, EngineError> {
        let mut tx = self.store.begin().await?;
        let details = json!({ "why": why, "surface": surface.as_str() });
        if !end_because(&mut tx, id, why, details, self.random.as_ref()).await? {
            return Ok(false);
        }
        crash_point!(WishWritten);
        tx.commit().await?;
        crash_point!(WishCommitted);
        Ok(true)
    }
}
