//! What the providers' limits let one claim take: calls are counted in the same transaction as the intent to make them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{ApiLimit, Bucket, Span, Timestamp};
use crate::provider::CallLimits;
use crate::store::{DueAddition, StoreError, Tx};

use super::{Plan, Reconciler, measure};

/// Calls that a removal may need too leave it this part of the burst.
const KEPT_FOR_REMOVALS: u32 = 40;
/// One pass adds and marks no more than this part of a burst can: what needs more than a full bucket holds would wait for ever, and all
/// behind it.
const MOST_OF_ONE_PASS: u32 = 20;

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
    limits: BTreeMap<String, ApiLimit>,
    buckets: BTreeMap<String, Bucket>,
    // The APIs of which calls were taken: the others' buckets fill by themselves.
    used: BTreeSet<String>,
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
        let unopened = limits.filter(|limit| !self.buckets.contains_key(&limit.api));
        let unopened: BTreeMap<_, _> = unopened.map(|limit| (limit.api.clone(), limit.clone())).collect();
        if !unopened.is_empty() {
            self.buckets.append(&mut tx.buckets(&unopened).await?);
            self.limits.extend(unopened);
        }
        Ok(())
    }

    /// Takes the calls, all or none; or how long to wait until they could be had.
    pub(super) async fn take(&mut self, tx: &mut Tx, needs: &[Need]) -> Result<Result<(), Span>, StoreError> {
        self.open(tx, needs.iter().map(|need| &need.limit)).await?;
        let taken = take(&mut self.buckets, needs);
        if taken.is_ok() {
            self.used.extend(needs.iter().map(|need| need.limit.api.clone()));
        }
        Ok(taken)
    }

    /// Whether the calls could be taken; or how long to wait until they could be.
    pub(super) async fn look(&mut self, tx: &mut Tx, needs: &[Need]) -> Result<Result<(), Span>, StoreError> {
        self.open(tx, needs.iter().map(|need| &need.limit)).await?;
        Ok(take(&mut self.buckets.clone(), needs))
    }

    /// Writes what is left.
    pub(super) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        for api in &self.used {
            if let (Some(limit), Some(bucket)) = (self.limits.get(api), self.buckets.get(api)) {
                tx.save_bucket(limit, bucket).await?;
            }
        }
        Ok(())
    }
}

/// Takes the calls from the buckets, all or none; or how long to wait until they could be had.
pub(super) fn take(buckets: &mut BTreeMap<String, Bucket>, needs: &[Need]) -> Result<(), Span> {
    let mut after = buckets.clone();
    let mut wait = None;
    for need in needs {
        if let Some(bucket) = after.get_mut(&need.limit.api)
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
        rest.push(additions(plan.adding.iter().map(|(_, wish)| wish.until), limits));
    }
    if !plan.remarking.is_empty() {
        let expiries: BTreeSet<_> = plan.remarking.iter().map(|(_, wish)| wish.until.as_seconds()).collect();
        rest.push(need(&limits.mark, expiries.len(), keeping(&limits.mark)));
    }
    if urgent.is_empty() && plan.calls_provider() {
        rest.push(need(&limits.observe, 1, keeping(&limits.observe)));
    }
    (urgent, rest)
}

/// What additions with these expiries need.
pub(super) fn additions(expiries: impl IntoIterator<Item = Timestamp>, limits: &CallLimits) -> Need {
    need(&limits.add, limits.calls_to_add(expiries), keeping(&limits.add, limits))
}

/// Leaves of additions, the oldest first, those that one pass may make: each expiry needs a call. The rest stays due.
pub(super) fn keep_additions_of_one_pass(additions: &mut Vec<DueAddition>, limits: &CallLimits) {
    let (mut calls, mut together) = (0, BTreeMap::<_, u32>::new());
    let fitting = additions.iter().take_while(|addition| {
        if let Some(until) = addition.until {
            let in_call = together.entry(until.as_seconds()).or_default();
            calls += usize::from(in_call.is_multiple_of(limits.additions_a_call.max(1)));
            *in_call += 1;
        }
        calls <= most_calls(&limits.add)
    });
    let fitting = fitting.count();
    additions.truncate(fitting);
}

/// Leaves of a plan's marks those that one pass may write: each expiry needs a call. The rest stays due.
pub(super) fn keep_marks_of_one_pass(plan: &mut Plan, limits: &CallLimits) {
    let mut expiries = BTreeSet::new();
    plan.remarking.retain(|(_, wish)| {
        let expiry = wish.until.as_seconds();
        expiries.contains(&expiry) || expiries.len() < most_calls(&limits.mark) && expiries.insert(expiry)
    });
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
    most_calls(&limits.add) * limits.additions_a_call.max(1) as usize
}

/// How many calls to an API that may wait one pass makes.
fn most_calls(limit: &ApiLimit) -> usize {
    (limit.burst * MOST_OF_ONE_PASS).div_ceil(100).max(1) as usize
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

#[cfg(test)]
mod tests {
    use super::super::Wish;
    use super::*;
    use crate::domain::{HostAddress, MemberName, Opening, OpeningId, OpeningState, ResourceName, SessionId};

    const START: i64 = 1_000_000;

    fn limits() -> CallLimits {
        let limit = |api: &str| ApiLimit { api: api.to_owned(), burst: 50, per_second: 5 };
        let [observe, add, mark, remove] = ["observe", "add", "mark", "remove"].map(limit);
        CallLimits { observe, add, mark, remove, additions_a_call: 6 }
    }

    fn until(seconds: usize) -> Timestamp {
        Timestamp::from_millis(START + 1000 * seconds as i64)
    }

    fn wish(until: Timestamp) -> Wish {
        Wish { until, session: SessionId::from_stored("s"), member: MemberName::new("ana").unwrap() }
    }

    fn opening(number: usize) -> Opening {
        Opening {
            id: OpeningId::from_stored(format!("{number:04}")),
            resource: ResourceName::new("bastion").unwrap(),
            address: HostAddress::parse("93.184.216.34").unwrap(),
            state: OpeningState::Adding,
            rules: Vec::new(),
            marked_until: None,
            unseen_since: None,
            attempts: 0,
            error: None,
        }
    }

    /// How many of so many additions one pass makes, and with how many calls, where so many of them in a row have the same expiry.
    fn of_one_pass(additions: usize, alike: usize) -> (usize, u32) {
        let due = |number| DueAddition { opening: opening(number).id, until: Some(until(number / alike)) };
        let all: Vec<_> = (0..additions).map(due).collect();
        let mut chosen = all.clone();
        keep_additions_of_one_pass(&mut chosen, &limits());
        assert_eq!(chosen, all[..chosen.len()], "the oldest first");
        let adding = chosen.iter().zip(0..).map(|(chosen, number)| (opening(number), wish(chosen.until.unwrap()))).collect();
        let plan = Plan { adding, ..Plan::nothing(until(0)) };
        let (_, rest) = needs(&plan, &limits());
        (chosen.len(), rest.iter().find(|need| need.limit.api == "add").map_or(0, |need| need.calls))
    }

    #[test]
    fn a_call_for_each_expiry_is_counted_and_one_pass_makes_no_more_calls_than_a_fifth_of_the_burst() {
        assert_eq!(of_one_pass(6, 6), (6, 1));
        assert_eq!(of_one_pass(60, 60), (60, 10));
        assert_eq!(of_one_pass(61, 61), (60, 10), "what does not fit stays due");
        assert_eq!(of_one_pass(60, 3), (30, 10));
        assert_eq!(of_one_pass(60, 1), (10, 10));
        assert_eq!(of_one_pass(14, 7), (14, 4));
    }

    #[test]
    fn a_mark_for_each_expiry_is_counted_and_one_pass_writes_no_more_of_them_than_a_fifth_of_the_burst() {
        let remarking = (0..24).map(|number| (opening(number), wish(until(number / 2)))).collect();
        let mut plan = Plan { remarking, ..Plan::nothing(until(0)) };
        keep_marks_of_one_pass(&mut plan, &limits());
        assert_eq!(plan.remarking.len(), 20);
        let (_, rest) = needs(&plan, &limits());
        assert_eq!(rest.iter().find(|need| need.limit.api == "mark").map(|need| need.calls), Some(10));
    }
}
