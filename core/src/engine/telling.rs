//! Who is shown a new session in which chat: its member, those who may agree to it, and those who have to know that nobody did.

use std::collections::BTreeSet;

use super::{Engine, EngineError};
use crate::domain::{Approval, MemberName, PostId, PostKind, Session, Surface, Terms};
use crate::store::{NewPost, Tx};

/// The place of an alarm that goes wherever a chat is told of what administrators should know.
pub const ANNOUNCEMENT: &str = "announcement";

impl Engine {
    /// Shows a session where it was asked for, and to whom it takes or bypasses.
    pub(super) async fn tell_of_start(
        &self,
        tx: &mut Tx,
        session: &Session,
        terms: &Terms,
        place: Option<&str>,
    ) -> Result<(), EngineError> {
        if let Some(place) = place {
            let id = PostId::from_stored(session.id.as_str());
            let thread = NewPost { id: &id, session: &session.id, surface: session.surface, kind: PostKind::Thread, place };
            tx.insert_post(thread).await?;
        }
        let approvers = terms.approval.as_ref().map(|approval| approval.approvers.clone()).unwrap_or_default();
        match session.approval {
            Approval::NotNeeded | Approval::Granted { .. } => Ok(()),
            Approval::Awaited { .. } => self.tell(tx, session, PostKind::Request, &approvers).await,
            Approval::BreakGlass => {
                let directory = self.directory();
                let administrators = directory.administrators().into_iter().cloned();
                let mut who: BTreeSet<_> = approvers.into_iter().chain(administrators).collect();
                who.remove(&session.member);
                self.tell(tx, session, PostKind::Alarm, &who).await?;
                for surface in [Surface::Slack, Surface::Discord] {
                    self.post(tx, session, surface, PostKind::Alarm, ANNOUNCEMENT).await?;
                }
                Ok(())
            }
        }
    }

    /// Tells each member in every chat that knows them.
    async fn tell(
        &self,
        tx: &mut Tx,
        session: &Session,
        kind: PostKind,
        members: &BTreeSet<MemberName>,
    ) -> Result<(), EngineError> {
        let directory = self.directory();
        let known = members.iter().filter_map(|name| directory.members.get(name)).flat_map(|member| &member.identities);
        for identity in known {
            let Some(surface) = identity.chat() else { continue };
            self.post(tx, session, surface, kind, &identity.to_string()).await?;
        }
        Ok(())
    }

    async fn post(
        &self,
        tx: &mut Tx,
        session: &Session,
        surface: Surface,
        kind: PostKind,
        place: &str,
    ) -> Result<(), EngineError> {
        let id = PostId::new(tx.now(), self.random.as_ref());
        Ok(tx.insert_post(NewPost { id: &id, session: &session.id, surface, kind, place }).await?)
    }
}
