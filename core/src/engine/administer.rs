//! What administrators alone see: who may reach what, and what was not as it should be.

use std::sync::Arc;

use super::{Caller, Engine, EngineError};
use crate::domain::{Directory, Drift};

impl Engine {
    /// Everybody, every role and every limit.
    pub fn everybody(&self, caller: &Caller) -> Result<Arc<Directory>, EngineError> {
        caller.check_admin()?;
        Ok(self.directory())
    }

    /// What sweeps found lately, the newest first.
    pub async fn drifts(&self, caller: &Caller, at_most: u32) -> Result<Vec<Drift>, EngineError> {
        caller.check_admin()?;
        Ok(self.store.begin().await?.newest_drifts(at_most).await?)
    }
}

impl Caller {
    pub(super) fn check_admin(&self) -> Result<(), EngineError> {
        if self.is_admin() { Ok(()) } else { Err(EngineError::AdministratorsOnly) }
    }
}
