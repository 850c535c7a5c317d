//! The address that a member confirmed last: whoever has not moved since need not confirm it again.

use super::{Caller, Engine, EngineError};
use crate::domain::MemberName;
use crate::store::{Remembered, Tx};

impl Engine {
    /// What a caller confirmed last, while their roles let them use it again.
    pub async fn last_address(&self, caller: &Caller) -> Result<Option<Remembered>, EngineError> {
        let mut tx = self.store.begin().await?;
        self.remembered(&mut tx, caller.name()).await
    }

    pub(super) async fn remembered(&self, tx: &mut Tx, member: &MemberName) -> Result<Option<Remembered>, EngineError> {
        let Some(span) = self.directory.terms_of(member).remember_address else { return Ok(None) };
        let since = tx.now().minus(span);
        Ok(tx.last_confirmed(member, since).await?)
    }
}
