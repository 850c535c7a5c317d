//! Compares what is on a list with what should be: pure, and the only place that says what is an orphan.

use crate::domain::{DeploymentId, Opening, OpeningId, OpeningState, ProviderRuleId, Timestamp};
use crate::provider::SeenRule;

use super::plan::{Wish, WishedOpening, needs_mark};
use super::presence::{Sight, is_changed, look_for, was_made_for};

/// What differs on one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Rules with our mark that nobody wants.
    pub orphans: Vec<SeenRule>,
    /// Rules of live openings that let in others than they were made for, or open something else.
    pub widened: Vec<SeenRule>,
    /// Wanted openings that are replaced, with those of the widened rules that are theirs.
    pub replaced: Vec<(OpeningId, Vec<ProviderRuleId>)>,
    /// Wanted openings of which the list does not show every rule. Whether they are gone is for further reads to say.
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

    /// The widened rules that are removed as they are: those of a replaced opening go with it.
    pub fn widened_beside(&self) -> impl Iterator<Item = &SeenRule> {
        let goes_with_its_opening = |rule: &&SeenRule| self.replaced.iter().any(|(_, rules)| rules.contains(&rule.id));
        self.widened.iter().filter(move |rule| !goes_with_its_opening(rule))
    }
}

/// Compares.
pub(super) fn compare(seen: &[SeenRule], wished: &[WishedOpening], owner: &DeploymentId) -> Differences {
    let mut found = Differences::default();
    for rule in seen {
        let of = wished.iter().find(|wished| was_made_for(rule, &wished.opening, owner));
        match of {
            None if rule.is_owned_by(owner) => found.orphans.push(rule.clone()),
            None => {}
            Some(of) if is_changed(rule, &of.opening, owner) => found.widened.push(rule.clone()),
            Some(_) if rule.mark.is_none() => found.unmarked.push(rule.clone()),
            Some(_) => {}
        }
    }
    for WishedOpening { opening, .. } in wished.iter().filter(|wished| is_taken_for_present(wished)) {
        match look_for(opening, seen, owner) {
            Sight::Whole(_) => {}
            Sight::Unseen(_) => found.missing.push(opening.clone()),
            Sight::Changed(rules) => {
                found.replaced.push((opening.id.clone(), rules.into_iter().map(|rule| rule.id).collect()));
            }
        }
    }
    let replaced = found.replaced.iter().map(|(id, _)| id);
    let gone: Vec<_> = found.missing.iter().map(|missing| &missing.id).chain(replaced).collect();
    let whole = wished.iter().filter(|wished| !gone.contains(&&wished.opening.id));
    found.mismarked = whole.filter_map(|wished| as_marked(wished, seen, owner)).collect();
    found
}

fn is_taken_for_present(wished: &WishedOpening) -> bool {
    wished.opening.state == OpeningState::Present && wished.wish.is_some()
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
