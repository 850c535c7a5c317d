//! What the providers' limits let one claim take: calls are counted in the same transaction as the intent to make them.

use std::collections::BTreeMap;

use crate::domain::{ApiLimit, Bucket, Span};
use crate::provider::CallLimits;
use crate::store::{StoreError, Tx};

use super::{Plan, Reconciler, measure};

/// Calls that a removal may need too leave it this part of the burst.
const KEPT_FOR_REMOVALS: u32 = 40;
/// One pass adds no more than this part of a burst can: what needs more than a full bucket holds would wait for ever, and all behind it.
const MOST_ADDITIONS: u32 = 20;

/// Calls of one API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) limit: ApiLimit,
    calls: u32,
    // What has to be left in the bucket afterwards.
    kept: u32,
}

/// The buckets that a claim has looked into.
#[derive(Debug, Default)]
pub(super) struct Purse {
    buckets: BTreeMap<String, (ApiLimit, Bucket)>,
}

impl Reconciler {
    /// Shows what is left of each provider's limits.
    pub async fn measure_limits(&self) -> Result<(), StoreError> {
        let allowlists = self.allowlists();
        let limits = allowlists.values().filter_map(|allowlist| allowlist.limits());
        let limits = limits.flat_map(each);
        let limits: BTreeMap<_, _> = limits.map(|limit| (limit.api.as_str(), limit)).collect();
        let mut tx = self.store.begin().await?;
        for (api, limit) in limits {
            measure::tokens(api, tx.look_into_bucket(limit).await?);
        }
        Ok(())
    }
}

impl Purse {
    /// Looks into the buckets, which are locked from here on: in order of name, as everybody locks them. Whoever takes from many opens
    /// all of them first.
    pub(super) async fn open(&mut self, tx: &mut Tx, limits: impl Iterator<Item = &ApiLimit>) -> Result<(), StoreError> {
        let unopened: BTreeMap<_, _> = limits
            .filter(|limit| !self.buckets.contains_key(&limit.api))
            .map(|limit| (limit.api.clone(), limit.clone()))
            .collect();
        for (api, limit) in unopened {
            let bucket = tx.bucket(&limit).await?;
            self.buckets.insert(api, (limit, bucket));
        }
        Ok(())
    }

    /// Takes the calls, all or none; or how long to wait until they could be had.
    pub(super) async fn take(&mut self, tx: &mut Tx, needs: &[Need]) -> Result<Result<(), Span>, StoreError> {
        self.open(tx, needs.iter().map(|need| &need.limit)).await?;
        Ok(take(&mut self.buckets, needs))
    }

    /// Whether the calls could be taken; or how long to wait until they could be.
    pub(super) async fn look(&mut self, tx: &mut Tx, needs: &[Need]) -> Result<Result<(), Span>, StoreError> {
        self.open(tx, needs.iter().map(|need| &need.limit)).await?;
        Ok(take(&mut self.buckets.clone(), needs))
    }

    /// Writes what is left.
    pub(super) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        for (limit, bucket) in self.buckets.values() {
            tx.save_bucket(limit, bucket).await?;
        }
        Ok(())
    }
}

/// Takes the calls from the buckets, all or none; or how long to wait until they could be had.
pub(super) fn take(buckets: &mut BTreeMap<String, (ApiLimit, Bucket)>, needs: &[Need]) -> Result<(), Span> {
    let mut after = buckets.clone();
    let mut wait = None;
    for need in needs {
        if let Some((_, bucket)) = after.get_mut(&need.limit.api)
            && let Err(time) = bucket.take(need.calls, need.kept)
        {
            wait = wait.max(Some(time));
        }
    }
    match wait {
        Some(wait) => Err(wait),
        None => {
            *buckets = after;
            Ok(())
        }
    }
}

/// What a plan's removals need, and what the rest of it needs besides.
pub(super) fn needs(plan: &Plan, limits: &CallLimits) -> (Vec<Need>, Vec<Need>) {
    let mut urgent = Vec::new();
    if !plan.removing.is_empty() {
        // Where a removal does not know all that it has to remove, it looks first; and everything is read back.
        let looks = 1 + usize::from(plan.removing.iter().any(super::act::looks_first));
        urgent = vec![need(&limits.remove, 1, 0), need(&limits.observe, looks, 0)];
    }
    let keeping = |limit| keeping(limit, limits);
    let mut rest = Vec::new();
    if !plan.adding.is_empty() {
        rest.push(additions(plan.adding.len(), limits));
    }
    if !plan.remarking.is_empty() {
        rest.push(need(&limits.mark, 1, keeping(&limits.mark)));
    }
    if urgent.is_empty() && plan.calls_provider() {
        rest.push(need(&limits.observe, 1, keeping(&limits.observe)));
    }
    (urgent, rest)
}

/// What so many additions need.
pub(super) fn additions(openings: usize, limits: &CallLimits) -> Need {
    let calls = openings.div_ceil(limits.additions_a_call.max(1) as usize);
    need(&limits.add, calls, keeping(&limits.add, limits))
}

fn need(limit: &ApiLimit, calls: usize, kept: u32) -> Need {
    Need { limit: limit.clone(), calls: calls.try_into().unwrap_or(u32::MAX), kept }
}

/// What calls that are not urgent leave of a limit: something where removals may need it.
fn keeping(limit: &ApiLimit, limits: &CallLimits) -> u32 {
    if *limit == limits.remove || *limit == limits.observe { kept(limit) } else { 0 }
}

/// Every limit of a provider's calls.
pub(super) fn each(limits: &CallLimits) -> [&ApiLimit; 4] {
    let CallLimits { observe, add, mark, remove, .. } = limits;
    [observe, add, mark, remove]
}

/// How many openings one pass may add.
pub(super) fn most_additions(limits: &CallLimits) -> usize {
    let calls = (limits.add.burst * MOST_ADDITIONS).div_ceil(100).max(1);
    (calls * limits.additions_a_call.max(1)) as usize
}

/// One look at a list, for whoever is in no hurry.
pub(super) fn one_look(limits: &CallLimits) -> Need {
    Need { limit: limits.observe.clone(), calls: 1, kept: kept(&limits.observe) }
}

/// One look at a list on which something is overdue.
pub(super) fn urgent_look(limits: &CallLimits) -> Need {
    Need { kept: 0, ..one_look(limits) }
}

/// One removal, and the look after it.
pub(super) fn one_removal(limits: &CallLimits) -> [Need; 2] {
    [&limits.remove, &limits.observe].map(|limit| Need { limit: limit.clone(), calls: 1, kept: 0 })
}

fn kept(limit: &ApiLimit) -> u32 {
    limit.burst * KEPT_FOR_REMOVALS / 100
}
