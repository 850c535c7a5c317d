//! What administrators alone see: who may reach what, and what was not as it should be.

use std::sync::Arc;

use super::{Caller, Engine, EngineError};
use crate::domain::{Directory, Drift};

impl Engine {
    /// Everybody, every role and every limit.
    pub fn everybody(&self, caller: &Caller) -> Result<Arc<Directory>, EngineError> {
        self.check_administers(caller)?;
        Ok(self.directory())
    }

    /// What sweeps found lately, the newest first.
    pub async fn drifts(&self, caller: &Caller, at_most: u32) -> Result<Vec<Drift>, EngineError> {
        self.check_administers(caller)?;
        Ok(self.store.begin().await?.newest_drifts(at_most).await?)
    }

    /// Refuses whoever is no administrator, or is one who is gone elsewhere: they see nothing that is others'.
    /// Closing takes no more than this.
    pub(super) fn check_administers(&self, caller: &Caller) -> Result<(), EngineError> {
        caller.check_admin()?;
        self.check_may_see_others(caller)
    }
}

impl Caller {
    pub(super) fn check_admin(&self) -> Result<(), EngineError> {
        if self.is_admin() { Ok(()) } else { Err(EngineError::AdministratorsOnly) }
    }
}
