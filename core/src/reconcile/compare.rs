//! Compares what is on a list with what should be: pure, and the only place that says what is an orphan.

use crate::domain::{DeploymentId, HeldRule, Opening, OpeningId, OpeningState, RuleOwner, Timestamp};
use crate::provider::SeenRule;

use super::plan::{Wish, WishedOpening, needs_mark};

/// What differs on one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Rules with our mark that nobody wants.
    pub orphans: Vec<SeenRule>,
    /// Rules of live openings that let in others than they were made for.
    pub widened: Vec<SeenRule>,
    /// Wanted openings that have vanished, with those of their rules that are there still.
    pub missing: Vec<Opening>,
    /// Rules of ours that bear no mark any more.
    pub unmarked: Vec<SeenRule>,
    /// Wanted openings whose rules bear another end than the wanted one, with that end.
    pub mismarked: Vec<Opening>,
    /// Openings whose row was set aside, and whose rules are gone.
    pub aside_gone: Vec<OpeningId>,
}

impl Differences {
    /// The rules that are to go.
    pub fn surplus(&self) -> impl Iterator<Item = &SeenRule> {
        self.orphans.iter().chain(&self.widened)
    }
}

/// Compares. `settled` says whether an opening was seen long enough ago that the provider must show it by now.
pub(super) fn compare(
    seen: &[SeenRule],
    wished: &[WishedOpening],
    owner: &DeploymentId,
    settled: impl Fn(&Opening) -> bool,
) -> Differences {
    let mut found = Differences::default();
    for rule in seen {
        let of = wished.iter().find(|wished| was_made_for(rule, &wished.opening, owner));
        match of {
            None if rule.is_owned_by(owner) => found.orphans.push(rule.clone()),
            None => {}
            Some(of) if !rule.is_for(of.opening.address) => found.widened.push(rule.clone()),
            Some(_) if rule.mark.is_none() => found.unmarked.push(rule.clone()),
            Some(_) => {}
        }
    }
    let vanished = wished.iter().filter(|wished| settled(&wished.opening) && has_vanished(wished, seen));
    found.missing = vanished.map(|wished| as_left(&wished.opening, seen, owner)).collect();
    let whole = |wished: &&WishedOpening| found.missing.iter().all(|missing| missing.id != wished.opening.id);
    found.mismarked = wished.iter().filter(whole).filter_map(|wished| as_marked(wished, seen, owner)).collect();
    found
}

/// An opening with the end that its rules really bear, where that is not the wanted one: a call that was given up may have been
/// done long after, over a newer end.
fn as_marked(wished: &WishedOpening, seen: &[SeenRule], owner: &DeploymentId) -> Option<Opening> {
    let WishedOpening { opening, wish, .. } = wished;
    // What is known to need another end is on its way to it.
    let settled = |wish: &&Wish| opening.state == OpeningState::Present && !needs_mark(opening, wish.until);
    let wanted = wish.as_ref().filter(settled)?.until.as_seconds();
    let ours = seen.iter().filter(|rule| rule.is_of(owner, &opening.id) && rule.is_for(opening.address));
    let mut ends = ours.map(|rule| rule.mark.as_ref().and_then(|mark| mark.expires_at));
    let other = ends.find(|end| end.map(Timestamp::as_seconds) != Some(wanted))?;
    Some(Opening { marked_until: other, ..opening.clone() })
}

/// Whether the rule is the opening's: by its mark, or by its id where that was written down.
fn was_made_for(rule: &SeenRule, opening: &Opening, owner: &DeploymentId) -> bool {
    let known = opening.our_rules().any(|held| held.id == rule.id);
    // One call may have marked the rules of several openings together: then the address says whose it is.
    let marked = rule.mark.as_ref().is_some_and(|mark| mark.openings.len() == 1) || rule.is_for(opening.address);
    known || (rule.is_of(owner, &opening.id) && marked)
}

/// Wanted and taken for present, but one of its rules is there no more.
fn has_vanished(wished: &WishedOpening, seen: &[SeenRule]) -> bool {
    let opening = &wished.opening;
    let there = |id| seen.iter().any(|rule| rule.id == id && rule.is_for(opening.address));
    opening.state == OpeningState::Present && wished.wish.is_some() && !opening.rules.iter().all(|held| there(held.id.clone()))
}

/// A vanished opening, with those rules that count for it and are there still, by whatever id.
fn as_left(opening: &Opening, seen: &[SeenRule], owner: &DeploymentId) -> Opening {
    let known = |rule: &SeenRule| opening.our_rules().any(|held| held.id == rule.id);
    let left = seen.iter().filter(|rule| rule.is_for(opening.address) && (known(rule) || rule.is_of(owner, &opening.id)));
    let held = |rule: &SeenRule| HeldRule { id: rule.id.clone(), part: rule.part.clone(), owner: RuleOwner::Ours };
    Opening { rules: left.map(held).collect(), ..opening.clone() }
}
