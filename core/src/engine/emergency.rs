//! An administrator closes at once from where they are, and lifts it again: what `entryguard panic` does beside the database.

use super::panic::{close_again, close_at_once, finish_panics, lift_panic};
use super::{Caller, Engine, EngineError};
use crate::domain::{Panic, PanicScope, Span, Timestamp};

/// How long somebody may think about it: what it would close is another number later, and another emergency.
const QUESTION_LIFE: Span = Span::from_minutes(10);

/// What closing at once would close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// What is to be closed.
    pub scope: PanicScope,
    /// How many live sessions end by it, or lose the resource.
    pub sessions: usize,
    /// What is closed already.
    pub in_force: Vec<Panic>,
    /// When that was so.
    pub asked_at: Timestamp,
}

/// What was lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// How many panics that ended.
    pub panics: usize,
    /// Those that go on.
    pub in_force: Vec<Panic>,
}

impl Engine {
    /// What closing this at once would close.
    pub async fn look_at_panic(&self, caller: &Caller, scope: PanicScope) -> Result<Emergency, EngineError> {
        self.check_may_panic(caller, &scope)?;
        let mut tx = self.store.begin().await?;
        let sessions = tx.live_in(&scope, u32::MAX).await?.len();
        Ok(Emergency { scope, sessions, in_force: tx.panics_in_force().await?, asked_at: tx.now() })
    }

    /// Closes it at once, and keeps it closed; how many sessions ended by it, or lost the resource. Whoever was asked long ago is asked
    /// again. What is closed already is closed by the panic that there is.
    pub async fn close_at_once(&self, caller: &Caller, scope: &PanicScope, asked_at: Timestamp) -> Result<usize, EngineError> {
        self.check_may_panic(caller, scope)?;
        if !self.now().is_good(asked_at.plus(QUESTION_LIFE), QUESTION_LIFE) {
            return Err(EngineError::PanicAskedLongAgo { scope: scope.to_string() });
        }
        let (actor, random) = (caller.actor(), self.random.as_ref());
        let in_force = self.store.begin().await?.panics_in_force().await?.into_iter().find(|panic| panic.scope == *scope);
        let closed = match &in_force {
            Some(panic) => close_again(&self.store, panic, &actor, random).await,
            None => close_at_once(&self.store, scope, &actor, None, random).await?,
        };
        // Also where it could not go on: what it has ended is to be closed.
        self.nudge_all();
        match closed.unfinished {
            None => Ok(closed.sessions.len()),
            Some(error) => Err(EngineError::PanicUnfinished { scope: scope.to_string(), ended: closed.sessions.len(), error }),
        }
    }

    /// Lets it be opened again.
    pub async fn lift_panic(&self, caller: &Caller, scope: Option<&PanicScope>) -> Result<Lifted, EngineError> {
        let mut tx = self.store.begin().await?;
        self.served(&mut tx, caller).await?;
        drop(tx);
        caller.check_admin()?;
        let panics = lift_panic(&self.store, scope, &caller.actor(), self.random.as_ref()).await?;
        Ok(Lifted { panics, in_force: self.store.begin().await?.panics_in_force().await? })
    }

    /// Ends what is live under a panic in force, whoever it was that did not come to the end of it; how many sessions that changed.
    pub async fn finish_panics(&self) -> Result<usize, EngineError> {
        let changed = finish_panics(&self.store, self.random.as_ref()).await;
        if !matches!(changed, Ok(0)) {
            self.nudge_all();
        }
        Ok(changed?)
    }

    fn check_may_panic(&self, caller: &Caller, scope: &PanicScope) -> Result<(), EngineError> {
        caller.check_admin()?;
        if scope.is_in(&self.directory()) { Ok(()) } else { Err(EngineError::NothingToClose(scope.to_string())) }
    }
}
