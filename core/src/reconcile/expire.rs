//! The clock: ends the sessions whose time has run out. Their end is an index, not a timer for each.

use std::collections::BTreeSet;

use serde_json::json;

use crate::crash_point;
use crate::domain::{AuditAction, EndReason, Ending};
use crate::engine::end_session;
use crate::store::StoreError;

use super::Reconciler;

/// Sessions ended in one transaction's time: small enough that nobody waits long behind it.
const BATCH: u32 = 50;

impl Reconciler {
    /// Ends every session whose time has run out; how many.
    pub async fn expire_overdue(&self) -> Result<usize, StoreError> {
        let mut ended = 0;
        loop {
            let mut tx = self.store.begin().await?;
            let overdue = tx.overdue(self.clock.now(), BATCH).await?;
            drop(tx);
            if overdue.is_empty() {
                break;
            }
            let before = ended;
            for id in &overdue {
                // One that cannot be ended must not keep the others open.
                match self.expire(id).await {
                    Ok(done) => ended += usize::from(done),
                    Err(error) => tracing::error!(session = %id, ?error, "a session could not be ended; trying again"),
                }
            }
            if ended == before {
                break;
            }
        }
        if ended > 0 {
            self.nudges.reconcile.notify_one();
            self.nudges.chat.notify_one();
        }
        Ok(ended)
    }

    async fn expire(&self, id: &crate::domain::SessionId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let resources: BTreeSet<_> = tx.rules_of(id).await?.into_iter().map(|rule| rule.resource).collect();
        tx.lock_resources(&resources).await?;
        // Somebody may have extended or stopped it since it was listed.
        let still_overdue = tx.lock_session(id).await?.is_some_and(|s| s.ending.is_none() && s.expires_at <= now);
        if still_overdue {
            end_session(&mut tx, id, &Ending { reason: EndReason::Expired, at: now, by: None }).await?;
            self.audit(&mut tx, AuditAction::SessionExpired, id, json!({}), now).await?;
        }
        crash_point!(ExpiryWritten);
        tx.commit().await?;
        crash_point!(ExpiryCommitted);
        Ok(still_overdue)
    }
}
