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
        for mut post in tx.due_posts(surface, now, AT_ONCE).await? {
            if tx.take_post(&mut post, now.plus(hold)).await? {
                let view = view_with_turns(&mut tx, &post.session, told(&post)).await?;
                tx.commit().await?;
                return Ok(Some((post, view)));
            }
        }
        Ok(None)
    }

    /// Records what a post shows by now, and when to look at it again: when its session changes, if there is no time. False where
    /// another worker took the post over after its hold had ended: what that one posted counts.
    ///
    /// # Errors
    /// [`EngineError::Store`] where the database does not answer. The post is due again when its hold ends.
    pub async fn save_post(&self, post: &mut ChatPost) -> Result<bool, EngineError> {
        let mut tx = self.store.begin().await?;
        let saved = tx.save_post(post).await?;
        tx.commit().await?;
        Ok(saved)
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

#[cfg(test)]
mod tests {
    use crate::domain::{Addresses, HostAddress, Span, Surface};
    use crate::engine::StartRequest;
    use crate::engine::testing::OnSqlite;

    const CONFIG: &str = r#"
[[resource]]
name = "intranet"
provider = "file"
type = "allowlist"
id = "/nowhere/intranet.allow"
[[member]]
name = "ana"
identities = ["slack:T/ANA"]
[[role]]
name = "people"
members = ["ana"]
resources = ["intranet"]
"#;
    const HOLD: Span = Span::from_seconds(16);

    #[tokio::test]
    async fn i7_a_worker_that_stood_still_for_longer_than_its_hold_does_not_save_over_what_another_posted() {
        let on = OnSqlite::with(CONFIG).await;
        let engine = &on.engine;
        let ana = engine.caller(&"slack:T/ANA".parse().unwrap(), Surface::Slack).unwrap();
        let home = Addresses::new(&[HostAddress::parse("93.184.216.34").unwrap()]).unwrap();
        let place = Some(r#"{"channel":"C1","user":"ANA"}"#.to_owned());
        engine.start(&ana, StartRequest { place, ..StartRequest::seen(None, home) }).await.unwrap();
        let take = async || engine.take_due_post(Surface::Slack, HOLD, |_| 0).await.unwrap().map(|(post, _)| post);

        let mut frozen = take().await.unwrap();
        assert_eq!(take().await, None, "it is held");
        on.clock.advance(HOLD);
        let mut other = take().await.expect("its hold is over");
        (other.posted, other.due_at) = (Some("the second thread".to_owned()), Some(engine.now().plus(HOLD)));
        assert!(engine.save_post(&mut other).await.unwrap());
        (frozen.posted, frozen.due_at) = (Some("the first thread".to_owned()), None);
        assert!(!engine.save_post(&mut frozen).await.unwrap());

        other.due_at = Some(engine.now());
        assert!(engine.save_post(&mut other).await.unwrap(), "a worker that saves goes on holding it until it is due");
        assert_eq!(take().await.unwrap().posted.as_deref(), Some("the second thread"));
    }
}
