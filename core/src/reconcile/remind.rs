//! Tells members that their sessions end soon: once each, and early enough to extend.

use serde_json::json;

use super::Reconciler;
use crate::domain::{Actor, AuditAction, AuditEvent};
use crate::store::StoreError;

/// Sessions reminded of in one transaction.
const BATCH: u32 = 50;

impl Reconciler {
    /// Reminds of every session that is due for it; how many.
    pub async fn remind(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let mut reminded = 0;
        for id in tx.due_reminders(BATCH).await? {
            // Locked before the audit log is; it may have been extended or stopped since it was listed.
            let Some(session) = tx.lock_session(&id).await?.filter(|session| session.ending.is_none()) else {
                tx.take_reminder(&id).await?;
                continue;
            };
            if !tx.take_reminder(&id).await? {
                continue;
            }
            let details = json!({ "expiresAt": session.expires_at.to_string() });
            let (at, action) = (tx.now(), AuditAction::SessionReminded);
            let event = AuditEvent { at, actor: Actor::System, action, session: Some(id.clone()), details };
            tx.record(&event, self.random.as_ref()).await?;
            tx.thread_changed(&id);
            reminded += 1;
        }
        tx.commit().await?;
        if reminded > 0 {
            self.nudges.sessions_changed();
        }
        Ok(reminded)
    }
}
