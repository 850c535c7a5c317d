//! The calls of one pass: removals before additions, each in one batch, and then a look at what is there.

use std::collections::BTreeSet;

use crate::crash_point;
use crate::domain::Opening;
use crate::provider::{Addition, Allowlist, ProviderError, Remark, Removal, SeenRule};

use super::plan::{Plan, Wish};

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

/// Calls the provider as planned. An error in one step does not keep the others from being tried.
pub(super) async fn act(plan: &Plan, allowlist: &dyn Allowlist) -> Outcome {
    let removing = remove(&plan.removing, allowlist).await.err();
    let adding = add(&plan.adding, allowlist).await.err();
    let marking = mark(&plan.remarking, allowlist).await.err();
    let (seen, observing) = match allowlist.observe().await {
        Ok(seen) => (Some(seen), None),
        Err(error) => (None, Some(error)),
    };
    crash_point!(ReadBack);
    Outcome { seen, removing, adding, marking, observing }
}

async fn remove(openings: &[Opening], allowlist: &dyn Allowlist) -> Result<(), ProviderError> {
    if openings.is_empty() {
        return Ok(());
    }
    // What was never seen may be there all the same: the answer was lost, or we crashed. And where a try before this one did not
    // do, what it went by was not all there is.
    let look = openings.iter().any(|opening| opening.rules.is_empty() || opening.attempts > 1);
    let seen = if look { allowlist.observe().await? } else { Vec::new() };
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
    let answer = allowlist.remove(&removals).await;
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
    let answer = match allowlist.add(&all).await {
        // One rule that is there already fails a whole batch, and it may well be ours, from an answer that was lost.
        Err(ProviderError::Duplicate) => {
            let seen = allowlist.observe().await?;
            let missing: Vec<_> = all.into_iter().filter_map(|addition| missing_of(addition, &seen)).collect();
            if missing.is_empty() { Ok(()) } else { allowlist.add(&missing).await }
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
    let answer = allowlist.mark_until(&remarks).await;
    crash_point!(MarkAnswered);
    answer
}
