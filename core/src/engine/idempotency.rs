//! A name that a caller gives a question, so that asking again, where the answer was lost, starts no second session and stops no other one.

use sha2::{Digest, Sha256};

use super::{Caller, Engine, EngineError};
use crate::domain::SessionId;
use crate::store::{SessionView, Tx};

/// A question's name, and what was asked; hashes alone, for the one may be a secret and the other long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    body: String,
}

impl Idempotency {
    /// The name, for a question that reads so.
    pub fn new(key: &str, body: &[u8]) -> Self {
        let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        Self { key: hash(key.as_bytes()), body: hash(body) }
    }
}

impl Engine {
    /// The session that the question has started already. The member is locked, so of two that come at once one waits.
    pub(super) async fn asked_before(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        once: Option<&Idempotency>,
    ) -> Result<Option<SessionView>, EngineError> {
        let Some(once) = once else { return Ok(None) };
        match self.meant_before(tx, caller, once).await? {
            Some(session) => Ok(tx.session(&session).await?),
            None => Ok(None),
        }
    }

    /// Which session the question was about when it was asked first, with the member locked as well.
    pub(super) async fn meant_before(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        once: &Idempotency,
    ) -> Result<Option<SessionId>, EngineError> {
        match tx.asked_before(caller.identity(), &once.key).await? {
            Some((body, _)) if body != once.body => Err(EngineError::IdempotencyKeyReused),
            before => Ok(before.map(|(_, session)| session)),
        }
    }

    pub(super) async fn remember_asked(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        once: &Idempotency,
        session: &SessionId,
    ) -> Result<(), EngineError> {
        Ok(tx.remember_asked(caller.identity(), &once.key, &once.body, session).await?)
    }
}
