//! Lists and shows sessions, and finds the one that somebody means.

use std::collections::BTreeMap;

use super::{Caller, Engine, EngineError, Token, Which};
use crate::domain::{MemberName, ResourceName, SessionCursor, SessionId, Timestamp};
use crate::store::{Listed, SessionFilter, SessionView, Tx};

/// What one list shows at the most.
const PAGE: u32 = 50;

/// Whose sessions a list has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's own.
    Own,
    /// Everybody's; administrators alone see them.
    Everybodys,
    /// One member's; administrators alone see another's.
    Of(MemberName),
}

/// A part of a list, the newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// What it has.
    pub sessions: Vec<SessionView>,
    /// Where the next part begins, if there is more.
    pub next: Option<SessionCursor>,
}

impl Engine {
    /// Whose alone a list is, where the caller may see it.
    fn whose(&self, caller: &Caller, whose: &Whose) -> Result<Option<MemberName>, EngineError> {
        match whose {
            Whose::Own => return Ok(Some(caller.name().clone())),
            Whose::Of(member) if member == caller.name() => return Ok(Some(member.clone())),
            Whose::Of(_) | Whose::Everybodys => self.check_administers(caller)?,
        }
        Ok(if let Whose::Of(member) = whose { Some(member.clone()) } else { None })
    }

    /// A part of a list of sessions: what comes after `after`, not more than `at_most`.
    pub async fn page(
        &self,
        caller: &Caller,
        whose: &Whose,
        listed: Listed,
        after: Option<SessionCursor>,
        at_most: u32,
    ) -> Result<Page, EngineError> {
        let member = self.whose(caller, whose)?;
        // One more tells whether there is more.
        let filter = SessionFilter { member, listed, after, at_most: at_most.saturating_add(1), prefix: None };
        let mut sessions = self.store.begin().await?.sessions(&filter).await?;
        let more = sessions.len() > at_most as usize;
        sessions.truncate(at_most as usize);
        let next = sessions.last().filter(|_| more).map(|view| SessionCursor::after(&view.session));
        Ok(Page { sessions, next })
    }

    /// How many sessions the whole list has.
    pub async fn count(&self, caller: &Caller, whose: &Whose, listed: Listed) -> Result<u64, EngineError> {
        let member = self.whose(caller, whose)?;
        Ok(self.store.begin().await?.count_sessions(member.as_ref(), listed).await?)
    }

    /// The caller's sessions, the newest first.
    pub async fn list(&self, caller: &Caller, listed: Listed) -> Result<Vec<SessionView>, EngineError> {
        let filter = SessionFilter { member: Some(caller.name().clone()), listed, at_most: PAGE, ..SessionFilter::default() };
        Ok(self.store.begin().await?.sessions(&filter).await?)
    }

    /// The caller's sessions as people look for them: what is live, however long ago it began; what is closing; and then what is over,
    /// as far as `at_most` goes.
    pub async fn live_first(&self, caller: &Caller, at_most: usize) -> Result<Vec<SessionView>, EngineError> {
        let mut tx = self.store.begin().await?;
        self.live_first_of(&mut tx, caller.name(), at_most).await
    }

    /// The live sessions of whom a link is for, or where there is none their last: whoever confirms an address may want to know.
    pub async fn live_or_last_behind(&self, token: &Token) -> Result<Vec<SessionView>, EngineError> {
        let mut tx = self.store.begin().await?;
        let link = self.open_confirmation(&mut tx, token).await?;
        self.live_first_of(&mut tx, &link.member, 1).await
    }

    async fn live_first_of(&self, tx: &mut Tx, member: &MemberName, at_most: usize) -> Result<Vec<SessionView>, EngineError> {
        let mut sessions = self.live_of(tx, member).await?;
        for listed in [Listed::Unclosed, Listed::Past] {
            // The live ones are among them.
            let enough = u32::try_from(sessions.len().saturating_add(at_most)).unwrap_or(PAGE).min(PAGE);
            let filter = SessionFilter { member: Some(member.clone()), listed, at_most: enough, ..SessionFilter::default() };
            let more = if sessions.len() < at_most { tx.sessions(&filter).await? } else { Vec::new() };
            let new = more.into_iter().filter(|view| !view.status().is_live()).take(at_most.saturating_sub(sessions.len()));
            sessions.extend(new);
        }
        Ok(sessions)
    }

    /// When each resource was swept last, and why it could not be, if it could not.
    pub async fn last_sweeps(&self) -> Result<BTreeMap<ResourceName, (Timestamp, Option<String>)>, EngineError> {
        Ok(self.store.begin().await?.last_sweeps().await?)
    }

    /// One session that the caller may see: their own, anybody's for an administrator, and for whoever is asked to agree to it.
    pub async fn show(&self, caller: &Caller, name: &str) -> Result<SessionView, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        match self.seen(&mut tx, caller, name).await {
            Err(EngineError::SessionUnknown(unknown)) if self.check_may_see_others(caller).is_ok() => {
                self.answered_for(&mut tx, caller, name).await.ok_or(EngineError::SessionUnknown(unknown))
            }
            seen => seen,
        }
    }

    /// The same, for whoever looks again and again: asked each time whether they are who they were.
    pub async fn look_again(&self, caller: &Caller, name: &str) -> Result<SessionView, EngineError> {
        let mut tx = self.store.begin().await?;
        self.catch_up_in(&mut tx).await?;
        self.still(&mut tx, caller).await?;
        self.seen(&mut tx, caller, name).await
    }

    /// The session of that name, among those that the caller may see by who they are.
    async fn seen(&self, tx: &mut Tx, caller: &Caller, name: &str) -> Result<SessionView, EngineError> {
        // They may be no administrator any more, or one who is gone.
        let is_admin = self.directory().members.get(caller.name()).is_some_and(|member| member.admin);
        let sees_all = is_admin && self.check_may_see_others(caller).is_ok();
        self.named_of(tx, (!sees_all).then(|| caller.name().clone()), name).await
    }

    /// The live sessions of a member that can be read, the newest first, and all of them. Whoever closes them goes by
    /// [`Tx::live_ids_of`], which leaves none out.
    pub(super) async fn live_of(&self, tx: &mut Tx, member: &MemberName) -> Result<Vec<SessionView>, EngineError> {
        let filter =
            SessionFilter { member: Some(member.clone()), listed: Listed::Live, at_most: u32::MAX, ..SessionFilter::default() };
        Ok(tx.sessions(&filter).await?)
    }

    /// The ids of the sessions that somebody means and may change.
    pub(super) async fn select_live(&self, caller: &Caller, which: &Which) -> Result<Vec<SessionId>, EngineError> {
        let mut tx = self.store.begin().await?;
        if let Which::Named(name) = which {
            return Ok(vec![self.named(&mut tx, caller, name).await?.session.id]);
        }
        if *which == Which::TheOnly {
            return Ok(vec![self.the_only_live(&mut tx, caller).await?]);
        }
        let ids = tx.live_ids_of(caller.name()).await?;
        if ids.is_empty() { Err(EngineError::NoLiveSession) } else { Ok(ids) }
    }

    /// The id of the caller's only live session.
    pub(super) async fn the_only_live(&self, tx: &mut Tx, caller: &Caller) -> Result<SessionId, EngineError> {
        the_only(&tx.live_ids_of(caller.name()).await?)
    }

    /// The session of that name, among those that the caller may end: an administrator anybody's, also where they are gone elsewhere.
    pub(super) async fn named(&self, tx: &mut Tx, caller: &Caller, name: &str) -> Result<SessionView, EngineError> {
        let member = (!caller.is_admin()).then(|| caller.name().clone());
        self.named_of(tx, member, name).await
    }

    /// The session of that name, whosever it is: the caller has to be checked by what is found.
    pub(super) async fn anybodys(&self, tx: &mut Tx, name: &str) -> Result<SessionView, EngineError> {
        self.named_of(tx, None, name).await
    }

    async fn named_of(&self, tx: &mut Tx, member: Option<MemberName>, name: &str) -> Result<SessionView, EngineError> {
        let name = name.to_ascii_lowercase();
        let filter = SessionFilter { member, prefix: Some(name.clone()), at_most: 2, ..SessionFilter::default() };
        let mut found = if name.len() < SHORTEST_PREFIX { Vec::new() } else { tx.sessions(&filter).await? };
        match (found.pop(), found.pop()) {
            (Some(view), None) => Ok(view),
            (Some(_), Some(_)) => Err(EngineError::SessionAmbiguous(name)),
            (None, _) => Err(EngineError::SessionUnknown(name)),
        }
    }
}

/// Below this, a prefix is more likely a slip than a choice.
const SHORTEST_PREFIX: usize = 4;

/// The only one of these.
pub(super) fn the_only(ids: &[SessionId]) -> Result<SessionId, EngineError> {
    match ids {
        [] => Err(EngineError::NoLiveSession),
        [only] => Ok(only.clone()),
        several => Err(EngineError::WhichSession(several.iter().map(SessionId::short).collect::<Vec<_>>().join(", "))),
    }
}
