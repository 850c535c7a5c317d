//! Claims what is due: leases the resources and **writes the intent before the call**, many resources in one transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crash_point;
use crate::domain::{OpeningEvent, OpeningState, ResourceName, Span};
use crate::provider::CallLimits;
use crate::store::{Claimable, Lease, StoreError, Tx};

use super::plan::{Plan, plan};
use super::purse::{Purse, additions, each, keep_additions_of_one_pass, keep_marks_of_one_pass, most_additions, needs};
use super::{Hold, LEASE, Reconciler, hold, measure};

/// Due resources looked at in one claim.
const WINDOW: u32 = 1000;
/// Openings that one pass adds where no limit of the provider says less.
pub(super) const MOST_ADDITIONS: usize = 500;

/// A resource that is ours for a while, and what to do on it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) hold: Hold,
    pub(super) plan: Plan,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) claims: Vec<Claim>,
    /// How long to wait for calls that the providers do not let us make yet.
    pub(super) wait: Option<Span>,
    /// How long to sleep until more can be claimed.
    pub(super) sleep: Option<Duration>,
    /// Whether rules wait for a resource and may not show why yet.
    pub(super) untold: bool,
}

impl Reconciler {
    /// Claims up to so many resources.
    pub(super) async fn claim(&self, at_most: usize) -> Result<Claims, StoreError> {
        let began = hold::now();
        let mut tx = self.store.begin().await?;
        measure::reconciled(tx.now());
        let allowlists = self.allowlists();
        let (mut found, mut purse, mut blocked) = (Claims::default(), Purse::default(), BTreeSet::new());
        let claimable = tx.claimable(WINDOW).await?;
        let limits = claimable.iter().filter_map(|due| allowlists.get(&due.resource)?.limits());
        purse.open(&mut tx, limits.flat_map(each)).await?;
        for due in claimable {
            if found.claims.len() == at_most {
                break;
            }
            let limits = allowlists.get(&due.resource).and_then(|allowlist| allowlist.limits());
            // Where one addition has to wait for the limit, the next one has to as well; a removal may have what is kept for it.
            if limits.is_some_and(|limits| !due.closing && blocked.contains(&limits.add.api)) {
                continue;
            }
            match self.plan_within(&mut tx, &due, limits, &mut purse).await? {
                Ok(plan) => {
                    let lease = self.lease_and_intend(&mut tx, &due.resource, &plan).await?;
                    found.claims.extend(lease.map(|lease| Claim { hold: Hold::new(lease, began), plan }));
                }
                Err(wait) => {
                    found.wait = Some(found.wait.map_or(wait, |other| other.min(wait)));
                    blocked.extend(limits.map(|limits| limits.add.api.clone()));
                }
            }
        }
        // What is due and was not claimed is at work on already, and its end wakes us.
        let next = tx.next_due_later().await?.map(|at| at.since(tx.now())).filter(|left| !left.is_zero());
        found.sleep = [next, found.wait].into_iter().flatten().min().map(Span::as_duration);
        found.untold = tx.untold_block().await?.is_some();
        if !found.claims.is_empty() {
            purse.save(&mut tx).await?;
            crash_point!(IntentWritten);
            tx.commit().await?;
            crash_point!(IntentCommitted);
        }
        Ok(found)
    }

    /// What can be done on a resource now: all that is due, or the removals alone; or how long to wait for either.
    async fn plan_within(
        &self,
        tx: &mut Tx,
        due: &Claimable,
        limits: Option<&CallLimits>,
        purse: &mut Purse,
    ) -> Result<Result<Plan, Span>, StoreError> {
        // The rest stays due.
        let mut adding = tx.due_additions(&due.resource, limits.map_or(MOST_ADDITIONS, most_additions)).await?;
        if let Some(limits) = limits.filter(|_| !adding.is_empty()) {
            keep_additions_of_one_pass(&mut adding, limits);
            // Planning reads much more, so calls that cannot be had yet are found out before it.
            let expiries = adding.iter().filter_map(|addition| addition.until);
            if !due.closing
                && let Err(wait) = purse.look(tx, &[additions(expiries, limits)]).await?
            {
                return Ok(Err(wait));
            }
        }
        let adding: Vec<_> = adding.into_iter().map(|addition| addition.opening).collect();
        let mut plan = plan(tx.now(), &tx.due_openings(&due.resource, &adding).await?);
        if let Some(limits) = limits {
            keep_marks_of_one_pass(&mut plan, limits);
        }
        let plan = plan.intended();
        let Some(limits) = limits else { return Ok(Ok(plan)) };
        let (urgent, rest) = needs(&plan, limits);
        let all = [urgent.as_slice(), rest.as_slice()].concat();
        match purse.take(tx, &all).await? {
            Ok(()) => Ok(Ok(plan)),
            Err(wait) if urgent.is_empty() => Ok(Err(wait)),
            Err(_) => Ok(purse.take(tx, &urgent).await?.map(|()| Plan { removing: plan.removing, ..Plan::nothing(plan.at) })),
        }
    }

    /// Writes what the pass is about to do, before it does it: whatever happens next, the opening stays due.
    async fn lease_and_intend(&self, tx: &mut Tx, resource: &ResourceName, plan: &Plan) -> Result<Option<Lease>, StoreError> {
        let Some(lease) = tx.lease(resource, &self.worker, LEASE).await? else { return Ok(None) };
        let again = tx.now().plus(LEASE);
        let changed = plan.removing.iter().chain(&plan.watching).chain(&plan.untried).map(|opening| (opening, Some(again)));
        tx.save_openings(&changed.collect::<Vec<_>>(), plan.at).await?;
        // Of these the intent is one more try, and nothing else.
        let tried = plan.adding.iter().chain(&plan.remarking);
        tx.try_openings(tried.map(|(opening, _)| &opening.id), again).await?;
        Ok(Some(lease))
    }
}

impl Plan {
    /// Moves what is planned for as far as the intent goes: what nobody wants is on its way out from here on.
    pub(super) fn intended(mut self) -> Self {
        for opening in &mut self.removing {
            // A state that is neither gone nor unknown to this match can always become unwanted; see `OpeningState::after`.
            if opening.state != OpeningState::Removing {
                opening.attempts = 0;
                // What a read did not show before it was told to go says nothing of its removal.
                opening.unseen_since = None;
            }
            opening.state = opening.state.after(OpeningEvent::Unwanted).unwrap_or(OpeningState::Removing);
            opening.attempts = opening.attempts.saturating_add(1);
        }
        for (opening, _) in self.adding.iter_mut().chain(&mut self.remarking) {
            opening.attempts = opening.attempts.saturating_add(1);
        }
        for opening in &mut self.untried {
            opening.state = OpeningState::Removing;
        }
        self
    }
}
