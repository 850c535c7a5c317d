//! The clock: ends the sessions whose time has run out. Their end is an index, not a timer for each.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::json;

use crate::crash_point;
use crate::domain::{Actor, AuditAction, AuditEvent, EndReason, Ending, ResourceName, SessionId};
use crate::engine::end_session;
use crate::store::StoreError;

use super::offline::Step;
use super::worker::report;
use super::{Reconciler, measure};

/// Sessions ended in one transaction: few enough that nobody waits long behind it.
const BATCH: u32 = 50;

impl Reconciler {
    /// Ends every session whose time has run out; how many.
    ///
    /// # Errors
    /// The database fails, or sessions are left that could not be ended.
    pub async fn expire_overdue(&self) -> Result<usize, StoreError> {
        let mut ended = 0;
        loop {
            let mut tx = self.store.begin().await?;
            measure::clock_ticked(tx.now());
            let overdue = tx.overdue(BATCH).await?;
            drop(tx);
            if overdue.is_empty() {
                break;
            }
            let (now_ended, failed) = self.expire_apart(&overdue).await;
            ended += now_ended;
            // What cannot be ended is overdue again: this is no success, whatever else could be ended.
            if let (0, Some(error)) = (now_ended, failed) {
                return Err(error);
            }
            if now_ended == 0 {
                break;
            }
            self.nudges.reconcile.notify_one();
        }
        if ended > 0 {
            self.nudges.sessions_changed();
        }
        Ok(ended)
    }

    /// Ends all together, and where that fails each by itself: one that cannot be ended must not keep the others open. How many were
    /// ended, and why one was not.
    async fn expire_apart(&self, ids: &[SessionId]) -> (usize, Option<StoreError>) {
        if let Ok(ended) = self.expire(ids).await {
            return (ended, None);
        }
        let (began, mut ended, mut failed) = (Instant::now(), 0, None);
        for id in ids {
            match self.expire(std::slice::from_ref(id)).await {
                Ok(done) => ended += done,
                // It is over as far as it goes: what it granted is taken back.
                Err(error) if self.set_aside(&error).await => ended += 1,
                Err(error) => {
                    tracing::error!(session = %id, error = %report(&error), "a session could not be ended; trying again");
                    // At once, because the next ones may take as long to fail.
                    self.offline.steps.failed(Step::Expire, began, Instant::now(), report(&error));
                    failed = Some(error);
                }
            }
        }
        (ended, failed)
    }

    async fn expire(&self, ids: &[SessionId]) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let mut resources = BTreeSet::<ResourceName>::new();
        for id in ids {
            resources.extend(tx.rules_of(id).await?.into_iter().map(|rule| rule.resource));
        }
        tx.lock_resources(&resources).await?;
        // All are locked, in order of id, before the audit log is, as everybody does.
        let mut overdue = BTreeSet::new();
        for id in ids.iter().collect::<BTreeSet<_>>() {
            // Somebody may have extended or stopped it since it was listed.
            if let Some(session) = tx.lock_session(id).await?.filter(|s| s.ending.is_none() && s.expires_at <= now) {
                overdue.insert((id, session.approval.is_awaited()));
            }
        }
        for &(id, awaited) in &overdue {
            let (reason, action) = match awaited {
                true => (EndReason::Denied, AuditAction::SessionLapsed),
                false => (EndReason::Expired, AuditAction::SessionExpired),
            };
            let ending = Ending { reason, at: now, by: None };
            let (actor, session) = (Actor::System, Some(id.clone()));
            let event = AuditEvent { at: now, actor, action, session, details: json!({}) };
            end_session(&mut tx, id, &ending, &event, self.random.as_ref()).await?;
        }
        crash_point!(ExpiryWritten);
        tx.commit().await?;
        crash_point!(ExpiryCommitted);
        Ok(overdue.len())
    }
}
