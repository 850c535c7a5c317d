//! One pass over one resource: lease, intent, calls, verdicts, record.

use std::sync::Arc;

use crate::crash_point;
use crate::domain::{OpeningEvent, OpeningState, Span};
use crate::provider::Allowlist;
use crate::store::{Lease, StoreError, Tx};

use super::Reconciler;
use super::act::{Outcome, act};
use super::judge::{Ours, Verdict, judge_marked, judge_unwanted, judge_wanted};
use super::plan::{Plan, plan};
use crate::domain::Opening;

/// How long a lease lasts, and so how long a dead worker keeps a resource from the others.
pub(super) const LEASE: Span = Span::from_seconds(15);
/// How often a lease is renewed while calls are under way.
const RENEWAL: Span = Span::from_seconds(5);
/// How long the calls of one pass may take together.
const CALLS: Span = Span::from_seconds(45);

impl Reconciler {
    /// Leases a resource that has something due, and makes it agree with what is wanted. False where nothing was due.
    pub async fn reconcile_one(&self) -> Result<bool, StoreError> {
        let Some(lease) = self.lease_due().await? else { return Ok(false) };
        self.pass(&lease).await?;
        Ok(true)
    }

    pub(super) async fn lease_due(&self) -> Result<Option<Lease>, StoreError> {
        let mut tx = self.store.begin().await?;
        let lease = tx.lease_due(&self.worker, self.clock.now(), LEASE).await?;
        tx.commit().await?;
        Ok(lease)
    }

    pub(super) async fn pass(&self, lease: &Lease) -> Result<(), StoreError> {
        let plan = self.intend(lease).await?;
        let Some(allowlist) = self.allowlists.get(&lease.resource).map(Arc::clone) else {
            return self.record(lease, &plan, not_configured(&plan)).await;
        };
        let outcome = if plan.calls_provider() { self.call(lease, &plan, allowlist.as_ref()).await } else { Outcome::default() };
        let verdicts = self.judge(&plan, &outcome, allowlist.as_ref());
        self.record(lease, &plan, verdicts).await
    }

    /// Calls the provider for as long as the lease is ours and patience lasts; what is not done by then is looked at again.
    async fn call(&self, lease: &Lease, plan: &Plan, allowlist: &dyn Allowlist) -> Outcome {
        tokio::select! {
            outcome = act(plan, allowlist) => outcome,
            () = self.renew(lease) => Outcome::default(),
            () = tokio::time::sleep(CALLS.as_duration()) => Outcome::default(),
        }
    }

    /// Renews the lease until that fails.
    pub(super) async fn renew(&self, lease: &Lease) {
        loop {
            tokio::time::sleep(RENEWAL.as_duration()).await;
            let renewed = async {
                let mut tx = self.store.begin().await?;
                let ours = tx.renew_lease(lease, self.clock.now().plus(LEASE)).await?;
                tx.commit().await?;
                Ok::<_, StoreError>(ours)
            };
            if !renewed.await.unwrap_or(false) {
                return;
            }
        }
    }

    /// What a crash between the calls and the record leaves behind.
    #[cfg(test)]
    pub(super) async fn die_before_recording(&self, lease: &Lease) {
        let plan = self.intend(lease).await.unwrap();
        act(&plan, self.allowlists[&lease.resource].as_ref()).await;
    }

    /// Writes what the pass is about to do, before it does it: whatever happens next, the opening stays due.
    async fn intend(&self, lease: &Lease) -> Result<Plan, StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !tx.still_holds(lease).await? {
            return Ok(Plan::default());
        }
        let mut plan = plan(now, &tx.wished_openings(&lease.resource).await?);
        let again = now.plus(LEASE);
        for opening in &mut plan.removing {
            // A state that is neither gone nor unknown to this match can always become unwanted; see `OpeningState::after`.
            if opening.state != OpeningState::Removing {
                opening.attempts = 0;
            }
            opening.state = opening.state.after(OpeningEvent::Unwanted).unwrap_or(OpeningState::Removing);
            opening.attempts = opening.attempts.saturating_add(1);
        }
        for (opening, _) in plan.adding.iter_mut().chain(&mut plan.remarking) {
            opening.attempts = opening.attempts.saturating_add(1);
        }
        save_all(&mut tx, &plan, again, now).await?;
        crash_point!(IntentWritten);
        tx.commit().await?;
        crash_point!(IntentCommitted);
        Ok(plan)
    }

    fn judge(&self, plan: &Plan, outcome: &Outcome, allowlist: &dyn Allowlist) -> Vec<(Opening, Option<Verdict>)> {
        let ours = Ours { parts: allowlist.parts(), owner: &self.deployment };
        let removed = plan.removing.iter().map(|opening| (opening.clone(), Some(judge_unwanted(opening, outcome))));
        let added = plan
            .adding
            .iter()
            .map(|(opening, _)| (opening.clone(), Some(judge_wanted(opening, outcome.adding.as_ref(), outcome, &ours))));
        let marked =
            plan.remarking.iter().map(|(opening, wish)| (opening.clone(), Some(judge_marked(opening, wish, outcome, &ours))));
        let idle = plan.settled.iter().chain(&plan.waiting).map(|opening| (opening.clone(), None));
        removed.chain(added).chain(marked).chain(idle).collect()
    }
}

async fn save_all(
    tx: &mut Tx,
    plan: &Plan,
    again: crate::domain::Timestamp,
    now: crate::domain::Timestamp,
) -> Result<(), StoreError> {
    let acted_on = plan.removing.iter().chain(plan.adding.iter().chain(&plan.remarking).map(|(opening, _)| opening));
    for opening in acted_on {
        tx.save_opening(opening, Some(again), now).await?;
    }
    Ok(())
}

/// A resource that left the configuration with something open on it: nothing can be done, and somebody must know.
fn not_configured(plan: &Plan) -> Vec<(Opening, Option<Verdict>)> {
    let outcome = Outcome { removing: Some(unconfigured()), adding: Some(unconfigured()), ..Outcome::default() };
    let acted_on = plan.removing.iter().chain(plan.adding.iter().chain(&plan.remarking).map(|(opening, _)| opening));
    let judged = acted_on.map(|opening| (opening.clone(), Some(judge_unwanted(opening, &outcome))));
    judged.chain(plan.settled.iter().chain(&plan.waiting).map(|opening| (opening.clone(), None))).collect()
}

fn unconfigured() -> crate::provider::ProviderError {
    crate::provider::ProviderError::Missing {
        what: "the resource, which left the configuration with rules of ours on it,".into(),
    }
}
