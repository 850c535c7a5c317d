//! What the surfaces need to keep what they show up to date.

use std::collections::BTreeSet;

use super::{Engine, EngineError};
use crate::domain::{MemberName, SessionId, Span, Surface, Timestamp};
use crate::store::{ChatPost, SessionView, StoreError, Turn, Tx};

/// Posts looked at for one to take.
const AT_ONCE: u32 = 8;

/// A session as it stands, and what happened to it since some entry of the audit log.
pub type ViewWithTurns = (SessionView, Vec<Turn>);

impl Engine {
    /// Takes the post of a surface that has been out of date the longest, for `hold`: if it is not saved by then, it is due again.
    /// Its session comes with it, and the turns after the one that `told` reads from the post; none where there is no such session.
    pub async fn take_due_post(
        &self,
        surface: Surface,
        hold: Span,
        told: impl Fn(&ChatPost) -> i64,
    ) -> Result<Option<(ChatPost, Option<ViewWithTurns>)>, EngineError> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        // A few, because another worker may take the first of them in the same moment.
        for post in tx.due_posts(surface, now, AT_ONCE).await? {
            if tx.take_post(&post, now.plus(hold)).await? {
                let view = view_with_turns(&mut tx, &post.session, told(&post)).await?;
                tx.commit().await?;
                return Ok(Some((post, view)));
            }
        }
        Ok(None)
    }

    /// Records what a post shows by now, and when to look at it again: when its session changes, if there is no time.
    pub async fn save_post(&self, post: &ChatPost) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        tx.save_post(post).await?;
        Ok(tx.commit().await?)
    }

    /// Takes a channel's next turn, of which there is one in each `pace`: until when it is taken; where it is not free yet, says from
    /// when on it is.
    pub async fn take_turn(
        &self,
        surface: Surface,
        channel: &str,
        pace: Span,
    ) -> Result<Result<Timestamp, Timestamp>, EngineError> {
        let mut tx = self.store.begin().await?;
        let next = tx.now().plus(pace);
        let turn = tx.take_turn(surface, channel, next).await?;
        tx.commit().await?;
        Ok(turn.map(|()| next))
    }

    /// Keeps all replicas from a channel for as long as the chat has asked for; until when that is.
    pub async fn hold_channel(&self, surface: Surface, channel: &str, wait: Span) -> Result<Timestamp, EngineError> {
        let mut tx = self.store.begin().await?;
        let until = tx.now().plus(wait);
        tx.hold_channel(surface, channel, until).await?;
        tx.commit().await?;
        Ok(until)
    }

    /// Whose sessions have changed since this entry of the audit log, with whoever is asked for them, and its last entry by now.
    pub async fn changed_since(&self, seq: i64) -> Result<(BTreeSet<MemberName>, i64), EngineError> {
        let mut tx = self.store.begin().await?;
        // In this order: what comes between the two is looked at again.
        let last = tx.last_turn().await?;
        let mut members = tx.members_with_turns(seq).await?;
        let directory = self.directory();
        let approvals = members.iter().filter_map(|member| directory.terms_of(member).approval);
        let approvers: Vec<_> = approvals.flat_map(|approval| approval.approvers).collect();
        members.extend(approvers);
        Ok((members, last))
    }

    /// A session as it stands, with its turns after the one that was told last.
    pub async fn view_with_turns(&self, session: &SessionId, told: i64) -> Result<Option<ViewWithTurns>, EngineError> {
        Ok(view_with_turns(&mut self.store.begin().await?, session, told).await?)
    }

    /// A session as it stands.
    pub async fn view(&self, session: &SessionId) -> Result<Option<SessionView>, EngineError> {
        Ok(self.store.begin().await?.session(session).await?)
    }
}

async fn view_with_turns(tx: &mut Tx, session: &SessionId, told: i64) -> Result<Option<ViewWithTurns>, StoreError> {
    let Some(view) = tx.session(session).await? else { return Ok(None) };
    let turns = tx.turns_of(session, told).await?;
    Ok(Some((view, turns)))
}
