//! A name that a caller gives a question, so that asking again, where the answer was lost, starts no second session.

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
        let Some((body, session)) = tx.asked_before(caller.identity(), &once.key).await? else { return Ok(None) };
        if body != once.body {
            return Err(EngineError::IdempotencyKeyReused);
        }
        Ok(tx.session(&session).await?)
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
