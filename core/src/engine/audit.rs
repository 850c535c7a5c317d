//! Shows administrators what was done, and by whom.

use super::{Caller, Engine, EngineError};
use crate::domain::AuditEntry;
use crate::store::AuditFilter;

/// A part of the audit log, the newest first.
#[derive(Clone, Debug)]
pub struct AuditPart {
    /// What it has.
    pub entries: Vec<AuditEntry>,
    /// Before which place the next part begins, if there is more.
    pub next: Option<i64>,
}

impl Engine {
    /// A part of the audit log, for administrators.
    pub async fn audit(&self, caller: &Caller, filter: AuditFilter) -> Result<AuditPart, EngineError> {
        self.check_administers(caller)?;
        // One more tells whether there is more.
        let at_most = filter.at_most;
        let mut entries = self.store.audit_search(&AuditFilter { at_most: at_most.saturating_add(1), ..filter }).await?;
        let more = entries.len() > at_most as usize;
        entries.truncate(at_most as usize);
        let next = entries.last().filter(|_| more).map(|entry| entry.seq);
        Ok(AuditPart { entries, next })
    }
}
