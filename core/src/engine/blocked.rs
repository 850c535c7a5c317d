//! What a new session shows of resources that are known to refuse additions: the reason, at once and without asking the provider again.

use serde_json::json;

use super::{Engine, EngineError};
use crate::domain::{
    Actor, AddressFamily, AuditAction, AuditEvent, Drift, DriftKind, ResourceName, RuleEvent, RuleStatus, Session, SessionStatus,
};
use crate::reconcile::measure;
use crate::store::{BlockedGrants, Tx};

impl Engine {
    /// Lets the rules of a session that was just granted show why they wait.
    pub(super) async fn show_blocks(&self, tx: &mut Tx, session: &Session) -> Result<(), EngineError> {
        let rules = tx.rules_of(&session.id).await?;
        let waiting: Vec<_> =
            rules.iter().filter(|rule| rule.status == RuleStatus::Pending && rule.waits_for.is_some()).collect();
        let mut failed = 0;
        for rule in &waiting {
            let block = tx.block(&rule.resource, AddressFamily::of(rule.address)).await?;
            let Some(block) = block.filter(|block| block.is_loud()) else { continue };
            let mut shown = (*rule).clone();
            (shown.status, shown.error) = (shown.status.after(RuleEvent::Failed), Some(block.reason));
            tx.set_rule(&shown, &shown.opening, tx.now()).await?;
            let details = json!({
                "resource": shown.resource.as_str(), "address": shown.address.to_string(), "opening": shown.opening.as_str(),
                "error": shown.error,
            });
            self.record_of(tx, session, AuditAction::RuleFailed, details).await?;
            failed += 1;
        }
        // Where others are still on their way, the reconciler says what has become of the session.
        if failed > 0 && failed == rules.len() {
            let status = SessionStatus::Failed;
            self.record_of(tx, session, AuditAction::SessionFailed, json!({ "status": status.as_str() })).await?;
            let what = format!("{} of {}", session.id.short(), session.member);
            let drift = Drift { at: tx.now(), kind: DriftKind::Failed, resource: None, what };
            measure::drift(drift.kind);
            tx.note_drift(&drift, self.random.as_ref()).await?;
        }
        Ok(())
    }

    async fn record_of(
        &self,
        tx: &mut Tx,
        session: &Session,
        action: AuditAction,
        details: serde_json::Value,
    ) -> Result<(), EngineError> {
        let event = AuditEvent { at: tx.now(), actor: Actor::System, action, session: Some(session.id.clone()), details };
        Ok(tx.record(&event, self.random.as_ref()).await?)
    }

    /// Every resource that refuses additions, why, and how many wait for it.
    pub async fn blocked_grants(&self) -> Result<Vec<BlockedGrants>, EngineError> {
        Ok(self.store.begin().await?.blocked_grants().await?)
    }

    /// Lets what waits for a resource be tried now: an operator has checked it, and it answers.
    pub(super) async fn probe_now(&self, resource: &ResourceName) -> Result<(), EngineError> {
        let mut tx = self.store.begin().await?;
        tx.probe_now(resource).await?;
        tx.commit().await?;
        self.nudge_all();
        Ok(())
    }
}
