//! The calls of one pass: removals before additions, each in one batch, and then a look at what is there.

use std::collections::BTreeSet;

use crate::crash_point;
use crate::domain::{ApiLimit, Opening};
use crate::provider::{Addition, Allowlist, CallLimits, ProviderError, Remark, Removal, SeenRule};

use super::plan::{Plan, Wish};
use super::{Hold, measure};

/// What the calls of one pass brought.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is on the allowlist now; nothing where it could not be read.
    pub(super) seen: Option<Vec<SeenRule>>,
    /// What went wrong with the removals.
    pub(super) removing: Option<ProviderError>,
    /// What went wrong with the additions.
    pub(super) adding: Option<ProviderError>,
    /// What went wrong with the marks.
    pub(super) marking: Option<ProviderError>,
    /// What went wrong with reading.
    pub(super) observing: Option<ProviderError>,
}

impl Outcome {
    /// The limits that the provider said were passed.
    pub(super) fn throttled<'a>(&self, limits: &'a CallLimits) -> Vec<&'a ApiLimit> {
        let CallLimits { observe, add, mark, remove, .. } = limits;
        let calls = [(&self.removing, remove), (&self.adding, add), (&self.marking, mark), (&self.observing, observe)];
        let throttled = |error: &Option<ProviderError>| matches!(error, Some(ProviderError::Throttled { .. }));
        calls.into_iter().filter(|(error, _)| throttled(error)).map(|(_, limit)| limit).collect()
    }
}

/// Calls the provider as planned, for as long as the lease surely lasts. An error in one step does not keep the others from being
/// tried.
pub(super) async fn act(plan: &Plan, allowlist: &dyn Allowlist, hold: &Hold) -> Outcome {
    let mut outcome = Outcome::default();
    if hold.has_time() {
        outcome.removing = remove(&plan.removing, allowlist).await.err();
    }
    if hold.has_time() {
        outcome.adding = add(&plan.adding, allowlist).await.err();
    }
    if hold.has_time() {
        outcome.marking = mark(&plan.remarking, allowlist).await.err();
    }
    match observe(allowlist).await {
        Ok(seen) => outcome.seen = Some(seen),
        Err(error) => outcome.observing = Some(error),
    }
    crash_point!(ReadBack);
    outcome
}

/// What is on an allowlist.
pub(super) async fn observe(allowlist: &dyn Allowlist) -> Result<Vec<SeenRule>, ProviderError> {
    measure::call("observe", allowlist.observe()).await
}

/// Whether the removal of an opening does not know all that it has to remove: it was never seen and may be there all the same, for
/// the answer was lost or we crashed; or a try before this one did not do, and what that went by was not all there is.
pub(super) fn looks_first(opening: &Opening) -> bool {
    opening.rules.is_empty() || opening.attempts > 1
}

async fn remove(openings: &[Opening], allowlist: &dyn Allowlist) -> Result<(), ProviderError> {
    if openings.is_empty() {
        return Ok(());
    }
    let seen = if openings.iter().any(looks_first) { observe(allowlist).await? } else { Vec::new() };
    let removals: Vec<_> = openings
        .iter()
        .map(|opening| {
            let known = opening.our_rules().map(|rule| &rule.id);
            let found = seen.iter().filter(|rule| bears(rule, opening)).map(|rule| &rule.id);
            let rules: BTreeSet<_> = known.chain(found).cloned().collect();
            Removal { opening: opening.id.clone(), rules: rules.into_iter().collect() }
        })
        .collect();
    crash_point!(RemovalNext);
    let answer = measure::call("remove", allowlist.remove(&removals)).await;
    crash_point!(RemovalAnswered);
    answer
}

/// Whether a rule was made for the opening. The address counts too: one call may have marked the rules of several openings together.
pub(super) fn bears(rule: &SeenRule, opening: &Opening) -> bool {
    rule.is_for(opening.address) && rule.mark.as_ref().is_some_and(|mark| mark.openings.contains(&opening.id))
}

async fn add(openings: &[(Opening, Wish)], allowlist: &dyn Allowlist) -> Result<(), ProviderError> {
    if openings.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = openings.iter().map(|(opening, wish)| addition(opening, wish, allowlist)).collect();
    crash_point!(AdditionNext);
    let answer = match measure::call("add", allowlist.add(&all)).await {
        // One rule that is there already fails a whole batch, and it may well be ours, from an answer that was lost.
        Err(ProviderError::Duplicate) => {
            let seen = observe(allowlist).await?;
            let missing: Vec<_> = all.into_iter().filter_map(|addition| missing_of(addition, &seen)).collect();
            if missing.is_empty() { Ok(()) } else { measure::call("add", allowlist.add(&missing)).await }
        }
        other => other,
    };
    crash_point!(AdditionAnswered);
    answer
}

fn addition(opening: &Opening, wish: &Wish, allowlist: &dyn Allowlist) -> Addition {
    Addition {
        opening: opening.id.clone(),
        address: opening.address,
        parts: allowlist.parts().to_vec(),
        until: wish.until,
        member: wish.member.clone(),
        session: wish.session.clone(),
    }
}

fn missing_of(mut addition: Addition, seen: &[SeenRule]) -> Option<Addition> {
    let there = |part: &_| seen.iter().any(|rule| rule.is_for(addition.address) && rule.part == *part);
    addition.parts.retain(|part| !there(part));
    (!addition.parts.is_empty()).then_some(addition)
}

async fn mark(openings: &[(Opening, Wish)], allowlist: &dyn Allowlist) -> Result<(), ProviderError> {
    if openings.is_empty() {
        return Ok(());
    }
    let remarks: Vec<_> = openings
        .iter()
        .map(|(opening, wish)| {
            let rules = opening.our_rules().map(|rule| rule.id.clone()).collect();
            Remark { opening: opening.id.clone(), rules, until: wish.until }
        })
        .collect();
    crash_point!(MarkNext);
    let answer = measure::call("mark", allowlist.mark_until(&remarks)).await;
    crash_point!(MarkAnswered);
    answer
}
