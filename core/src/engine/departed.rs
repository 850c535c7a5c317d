//! Whoever a surface says to be gone is served nowhere until it says otherwise: a person has other ways in, and one word of theirs being
//! gone holds for all of them.

use serde_json::json;

use super::{Caller, Engine, EngineError};
use crate::domain::{Actor, AuditAction, AuditEvent, Identity, MemberName};

/// What was known of an identity before its surface was asked about it ([`Engine::before_asking`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeAsking {
    departed: bool,
}

impl Engine {
    /// What is known of an identity now, to be called before its surface is asked about it.
    pub fn before_asking(&self, identity: &Identity) -> BeforeAsking {
        BeforeAsking { departed: self.known().departed.contains(identity) }
    }

    /// Serves an account again that its surface had said to be gone, and now says to be active.
    ///
    /// An account that was said to be gone while the answer was on its way stays gone: the answer is older than that.
    ///
    /// # Errors
    /// [`EngineError::Store`] where the database does not answer.
    pub async fn identity_returned(&self, identity: &Identity, before: BeforeAsking) -> Result<(), EngineError> {
        if !before.departed || !self.known().departed.contains(identity) {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        if tx.forget_departed(identity).await? {
            tx.known_changes().await?;
            let (at, actor) = (tx.now(), Actor::System);
            let details = json!({ "identity": identity.to_string() });
            let event = AuditEvent { at, actor, action: AuditAction::MemberReturned, session: None, details };
            tx.record(&event, self.random.as_ref()).await?;
            tx.commit().await?;
        } else {
            // Somebody else was quicker. SQLite has one connection, and catching up takes it.
            drop(tx);
        }
        self.catch_up().await?;
        Ok(())
    }

    /// Refuses where somebody's surface says that they are gone, as of when this replica caught up: whoever has locked the member has.
    pub(super) fn check_is_not_gone(&self, member: &MemberName) -> Result<(), EngineError> {
        match self.directory().gone_by(member, &self.known().departed) {
            Some(identity) => Err(self.departed(identity)),
            None => Ok(()),
        }
    }

    /// Refuses what is asked for as an account that is gone: its member may be what they are elsewhere, and nobody is it any more.
    pub(super) fn check_has_not_departed(&self, identity: &Identity) -> Result<(), EngineError> {
        if self.known().departed.contains(identity) { Err(self.departed(identity)) } else { Ok(()) }
    }

    /// Refuses to show what is others' to somebody who is gone, by what they act as or by another account of theirs.
    pub(super) fn check_may_see_others(&self, caller: &Caller) -> Result<(), EngineError> {
        self.check_has_not_departed(caller.identity())?;
        self.check_is_not_gone(caller.name())
    }

    fn departed(&self, identity: &Identity) -> EngineError {
        EngineError::Departed { identity: identity.to_string(), administrators: self.whom_to_ask() }
    }
}

#[cfg(test)]
#[path = "departed_tests.rs"]
mod tests;
