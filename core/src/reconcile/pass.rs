//! One pass over one resource that was claimed: the calls, and what they mean for each opening.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tracing::Instrument;

use crate::domain::{ApiLimit, Opening, Span};
use crate::provider::{Allowlist, CallLimits, ProviderError};
use crate::store::StoreError;

use super::act::{Outcome, act};
use super::blocked::Standing;
use super::claim::Claim;
use super::hold::{self, RENEWAL};
use super::judge::{Ours, Verdict, judge_marked, judge_unwanted, judge_wanted, judge_watched};
use super::observed::Looked;
use super::plan::Plan;
use super::{Hold, Reconciler, measure};

/// How long the calls of one pass may take together.
const CALLS: Span = Span::from_seconds(45);

/// What a pass has found out, to be recorded.
#[derive(Debug)]
pub(super) struct Worked {
    pub(super) claim: Claim,
    pub(super) verdicts: Vec<(Opening, Option<Verdict>)>,
    /// The limits that the provider said were passed.
    pub(super) throttled: Vec<ApiLimit>,
    /// What the list shows, of all that is taken for present.
    pub(super) looked: Looked,
    /// What the resource itself refused, and what was on its list.
    pub(super) standing: Standing,
}

impl Reconciler {
    /// Claims a resource that has something due, and makes it agree with what is wanted. False where nothing could be claimed.
    pub async fn reconcile_one(&self) -> Result<bool, StoreError> {
        let claims = match self.claim(1).await {
            Err(error) if self.set_aside(&error).await => return Ok(true),
            other => other?,
        };
        let told = claims.untold && self.tell_waiting().await?;
        let Some(claim) = claims.claims.into_iter().next() else { return Ok(told) };
        let worked = [self.work(claim).await];
        match self.record(&worked).await {
            Err(error) if self.set_aside(&error).await => self.record(&worked).await?,
            other => other?,
        }
        Ok(true)
    }

    /// Makes everything that is due agree with what is wanted, waiting for limits as need be.
    pub async fn reconcile_all_due(&self) -> Result<(), StoreError> {
        loop {
            let mut claims = self.claim(1).await?;
            while claims.untold && self.tell_waiting().await? {}
            match (claims.claims.pop(), claims.wait) {
                (Some(claim), _) => {
                    let worked = self.work(claim).await;
                    self.record(&[worked]).await?;
                }
                (None, Some(wait)) => tokio::time::sleep(wait.as_duration()).await,
                (None, None) => return Ok(()),
            }
        }
    }

    /// Calls the provider as planned, and judges what came of it.
    pub(super) async fn work(&self, claim: Claim) -> Worked {
        let span = measure::pass(&claim.hold.lease.resource, &claim.plan);
        self.work_on(claim).instrument(span).await
    }

    async fn work_on(&self, claim: Claim) -> Worked {
        let Claim { hold, plan } = &claim;
        let Some(allowlist) = self.allowlists().get(&hold.lease.resource).map(Arc::clone) else {
            let verdicts = not_configured(plan);
            let standing = Standing::refused(plan, &unconfigured());
            return Worked { claim, verdicts, throttled: Vec::new(), looked: Looked::Unread, standing };
        };
        let outcome = if plan.calls_provider() { self.call(hold, plan, allowlist.as_ref()).await } else { Outcome::default() };
        let verdicts = self.judge(plan, &outcome, allowlist.as_ref());
        let throttled = |limits: &CallLimits| outcome.throttled(limits).into_iter().cloned().collect();
        let throttled = allowlist.limits().map(throttled).unwrap_or_default();
        let standing = Standing::after(plan, &outcome, allowlist.as_ref());
        let looked = Looked::from(outcome);
        Worked { claim, verdicts, throttled, looked, standing }
    }

    /// Calls the provider for as long as the lease is ours and patience lasts; what is not done by then is looked at again.
    pub(super) async fn call(&self, hold: &Hold, plan: &Plan, allowlist: &dyn Allowlist) -> Outcome {
        let calls = self.while_held(hold, async {
            let _turn = self.turn_on(&hold.lease.resource).await;
            act(plan, allowlist, hold).await
        });
        tokio::time::timeout(CALLS.as_duration(), calls).await.ok().flatten().unwrap_or_default()
    }

    /// Works for as long as the lease is ours; nothing where it was lost before the work was done.
    ///
    /// A process may stand still for longer than its lease lasts, between two calls. It then makes no further one before it knows
    /// that the lease is still its own: somebody else may have ended by now what it was about to begin.
    pub(super) async fn while_held<T>(&self, hold: &Hold, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let work = poll_fn(|context| if hold.is_good() { work.as_mut().poll(context) } else { Poll::Pending });
        tokio::select! {
            // In this order, so that a renewal lets the work go on at once.
            biased;
            () = self.renew(hold) => None,
            done = work => Some(done),
        }
    }

    /// Renews the lease until it is lost. A database that does not answer for a moment does not lose it: time does. Then the work
    /// ends, because it holds the resource's turn, which closing without the database needs.
    async fn renew(&self, hold: &Hold) {
        loop {
            tokio::time::sleep(RENEWAL.as_duration()).await;
            let began = hold::now();
            let renewed = async {
                let mut tx = self.store.begin().await?;
                let ours = tx.renew_lease(&hold.lease, super::LEASE).await?;
                tx.commit().await?;
                Ok::<_, StoreError>(ours)
            };
            match renewed.await {
                Ok(true) => hold.renewed(began),
                Ok(false) => return,
                Err(error) if hold.is_long_over() => {
                    tracing::warn!(resource = %hold.lease.resource, %error, "a lease is over and could not be renewed; its work ends");
                    return;
                }
                Err(error) => {
                    tracing::warn!(resource = %hold.lease.resource, %error, "a lease could not be renewed; trying again");
                }
            }
        }
    }

    fn judge(&self, plan: &Plan, outcome: &Outcome, allowlist: &dyn Allowlist) -> Vec<(Opening, Option<Verdict>)> {
        let ours = Ours { parts: allowlist.parts(), owner: &self.deployment };
        let judged = |opening: &Opening, verdict| (opening.clone(), Some(verdict));
        let removed = plan.removing.iter().map(|opening| judged(opening, judge_unwanted(opening, outcome)));
        let watched = plan.watching.iter().map(|opening| judged(opening, judge_watched(opening, outcome)));
        let added = plan
            .adding
            .iter()
            .map(|(opening, _)| judged(opening, judge_wanted(opening, outcome.adding.as_ref(), outcome, &ours)));
        let marked = plan.remarking.iter().map(|(opening, wish)| judged(opening, judge_marked(opening, wish, outcome, &ours)));
        let untried = plan.untried.iter().map(|opening| judged(opening, Verdict::never_there()));
        let idle = plan.settled.iter().chain(&plan.waiting).map(|opening| (opening.clone(), None));
        removed.chain(watched).chain(added).chain(marked).chain(untried).chain(idle).collect()
    }
}

/// A resource that left the configuration with something open on it: nothing can be done, and somebody must know.
fn not_configured(plan: &Plan) -> Vec<(Opening, Option<Verdict>)> {
    let outcome = Outcome { removing: Some(unconfigured()), adding: Some(unconfigured()), ..Outcome::default() };
    let judged = plan.acted_on().map(|opening| (opening.clone(), Some(judge_unwanted(opening, &outcome))));
    let untried = plan.untried.iter().map(|opening| (opening.clone(), Some(Verdict::never_there())));
    let idle = plan.settled.iter().chain(&plan.waiting).map(|opening| (opening.clone(), None));
    judged.chain(untried).chain(idle).collect()
}

fn unconfigured() -> ProviderError {
    ProviderError::Missing { what: "the resource, which left the configuration with rules of ours on it,".into() }
}
