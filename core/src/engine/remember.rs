//! The address that a member confirmed last: whoever has not moved since need not confirm it again.

use std::collections::BTreeMap;

use super::{Caller, Engine, EngineError};
use crate::domain::MemberName;
use crate::store::{Remembered, Tx};

impl Engine {
    /// What a caller confirmed last, while their roles let them use it again.
    pub async fn last_address(&self, caller: &Caller) -> Result<Option<Remembered>, EngineError> {
        let mut tx = self.store.begin().await?;
        Ok(self.remembered(&mut tx, [caller.name()]).await?.remove(caller.name()))
    }

    pub(super) async fn remembered<'a>(
        &self,
        tx: &mut Tx,
        members: impl IntoIterator<Item = &'a MemberName>,
    ) -> Result<BTreeMap<MemberName, Remembered>, EngineError> {
        let now = tx.now();
        let directory = self.directory();
        let since = |member: &MemberName| Some(now.minus(directory.terms_of(member).remember_address?));
        let since = members.into_iter().filter_map(|member| Some((member.clone(), since(member)?))).collect();
        let confirmed = tx.confirmed_since(&since).await?.into_iter();
        // A name can be given to somebody else, who must not let in the one before them.
        let own = confirmed.filter(|one| one.identity.as_ref().is_none_or(|identity| self.is_still(identity, &one.member)));
        // Of one member's, the last stays.
        Ok(own.map(|one| (one.member, one.remembered)).collect())
    }
}
