//! What became of an opening: decided by what was seen, not by what a call answered.

use crate::domain::{DeploymentId, HeldRule, Opening, OpeningEvent, OpeningState, RuleOwner, RulePart, Timestamp};
use crate::provider::{Next, ProviderError, SeenRule};

use super::act::{Outcome, bears};
use super::plan::Wish;

/// What became of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What happened to it, if anything did.
    pub(super) event: Option<OpeningEvent>,
    /// The rules that it is made of now, where they could be seen.
    pub(super) rules: Option<Vec<HeldRule>>,
    /// The earliest end that our rules of it bear.
    pub(super) marked_until: Option<Timestamp>,
    /// Of a rule that was told to go: whether a read did not show it. Nothing where there was no read to believe.
    pub(super) absent: Option<bool>,
    /// What went wrong.
    pub(super) trouble: Option<Trouble>,
}

/// What went wrong with an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// For people.
    pub(super) message: String,
    /// Whether it is worth showing at once.
    pub(super) next: Next,
}

impl From<&ProviderError> for Trouble {
    fn from(error: &ProviderError) -> Self {
        Self { message: error.to_string(), next: error.next() }
    }
}

impl Verdict {
    /// Of an opening that the provider was never asked for: there is nothing to look for.
    pub(super) const fn never_there() -> Self {
        Self { event: Some(OpeningEvent::SeenGone), rules: None, marked_until: None, absent: None, trouble: None }
    }

    fn trouble(trouble: Trouble) -> Self {
        Self { event: None, rules: None, marked_until: None, absent: None, trouble: Some(trouble) }
    }
}

/// What tells an opening's rules from all others on the list.
pub(super) struct Ours<'a> {
    pub(super) parts: &'a [RulePart],
    pub(super) owner: &'a DeploymentId,
}

/// Judges an opening that is there and was to be marked with another end.
pub(super) fn judge_marked(opening: &Opening, wish: &Wish, outcome: &Outcome, ours: &Ours<'_>) -> Verdict {
    let error = outcome.marking.as_ref();
    let mut verdict = judge_wanted(opening, error, outcome, ours);
    // Nothing can be marked on rules that lost their tags: sweeps replace these.
    if verdict.marked_until.is_none() && outcome.seen.iter().flatten().any(|rule| lost_its_mark(rule, opening)) {
        verdict.marked_until = Some(wish.until);
    }
    let moved = verdict.marked_until.map(Timestamp::as_seconds) == Some(wish.until.as_seconds());
    if verdict.trouble.is_none() && !moved {
        let unseen = || Trouble {
            message: "the provider does not show the new end yet; EntryGuard keeps trying".into(),
            next: Next::Retry,
        };
        verdict.trouble = Some(error.map_or_else(unseen, Trouble::from));
    }
    verdict
}

/// Judges an opening that is wanted: whether it is there.
pub(super) fn judge_wanted(opening: &Opening, error: Option<&ProviderError>, outcome: &Outcome, ours: &Ours<'_>) -> Verdict {
    let Ours { parts, owner } = *ours;
    let Some(seen) = &outcome.seen else { return unseen(error, outcome) };
    let found: Vec<_> = parts.iter().filter_map(|part| find_part(opening, part, seen, owner)).collect();
    let complete = found.len() == parts.len();
    let rules: Vec<_> = found.iter().map(|(rule, _)| rule.clone()).collect();
    let marked_until = found.iter().filter_map(|(_, until)| *until).min();
    let in_force = error.is_none_or(|error| !error.outlives_observation());
    if complete && in_force {
        let event = Some(OpeningEvent::SeenPresent);
        return Verdict { event, rules: Some(rules), marked_until, absent: None, trouble: None };
    }
    let trouble = error.map_or_else(
        || Trouble { message: "the provider does not show the rule yet; EntryGuard keeps trying".into(), next: Next::Retry },
        Trouble::from,
    );
    // What was there before stays written down: the sweep tells by it what has vanished.
    let rules = (opening.state == OpeningState::Adding).then_some(rules);
    Verdict { event: None, rules, marked_until, absent: None, trouble: Some(trouble) }
}

/// Judges an opening that was to be removed. A resource that does not exist has no rule; but it may be there again, or be another one
/// than it was, so there the trouble stays and the absence is never final.
pub(super) fn judge_unwanted(opening: &Opening, outcome: &Outcome) -> Verdict {
    let error = outcome.removing.as_ref();
    let Some(seen) = &outcome.seen else { return unseen_unwanted(error, outcome) };
    let still_there = seen.iter().any(|rule| bears(rule, opening) || opening.our_rules().any(|held| held.id == rule.id));
    // A read may be short or late, so it does not overrule a call that failed: that one is tried again, and is no error where the
    // rule is gone.
    let done = matches!(error, None | Some(ProviderError::Missing { .. }));
    if !still_there && done {
        return Verdict { event: None, rules: None, marked_until: None, absent: Some(true), trouble: None };
    }
    // A provider may say yes and remove nothing.
    let unmoved = || Trouble { message: "the rule is still there; EntryGuard keeps removing it".into(), next: Next::Retry };
    let verdict = Verdict::trouble(error.map_or_else(unmoved, Trouble::from));
    Verdict { absent: still_there.then_some(false), ..verdict }
}

/// Judges an opening that had gone from sight and was looked for again. Of one that is wanted, what was read decides elsewhere
/// ([`super::observed`]), as it does for all that are taken for present.
pub(super) fn judge_watched(opening: &Opening, outcome: &Outcome) -> Verdict {
    match (&outcome.seen, opening.state) {
        (None, OpeningState::Removing) => unseen_unwanted(None, outcome),
        (None, _) => unseen(None, outcome),
        (Some(_), OpeningState::Removing) => {
            judge_unwanted(opening, &Outcome { seen: outcome.seen.clone(), ..Outcome::default() })
        }
        (Some(_), _) => Verdict { event: None, rules: None, marked_until: None, absent: None, trouble: None },
    }
}

fn unseen_unwanted(error: Option<&ProviderError>, outcome: &Outcome) -> Verdict {
    let missing = matches!(outcome.observing, Some(ProviderError::Missing { .. }));
    Verdict { absent: missing.then_some(true), ..unseen(error, outcome) }
}

fn unseen(error: Option<&ProviderError>, outcome: &Outcome) -> Verdict {
    let unread = || Trouble { message: "the provider did not answer in time; EntryGuard keeps trying".into(), next: Next::Retry };
    Verdict::trouble(error.or(outcome.observing.as_ref()).map_or_else(unread, Trouble::from))
}

fn lost_its_mark(rule: &SeenRule, opening: &Opening) -> bool {
    rule.mark.is_none() && is_known_as_ours(rule, opening)
}

fn is_known_as_ours(rule: &SeenRule, opening: &Opening) -> bool {
    opening.our_rules().any(|known| known.id == rule.id)
}

/// The rule that opens a part for the opening's address, and the end that it bears if it is ours.
///
/// A rule of ours that was made for another instance is none of this one's: it is on its way out, and would take this one with it.
/// A rule that is known by its id to be ours stays ours without its tags: a foreign rule would never be removed.
fn find_part(
    opening: &Opening,
    part: &RulePart,
    seen: &[SeenRule],
    owner: &DeploymentId,
) -> Option<(HeldRule, Option<Timestamp>)> {
    seen.iter().filter(|rule| rule.is_for(opening.address) && rule.part == *part).find_map(|rule| {
        let held = |owner| HeldRule { id: rule.id.clone(), part: part.clone(), owner };
        if rule.is_of(owner, &opening.id) || is_known_as_ours(rule, opening) {
            let ours = rule.mark.as_ref().filter(|mark| mark.owner == *owner);
            Some((held(RuleOwner::Ours), ours.and_then(|mark| mark.expires_at)))
        } else if rule.is_owned_by(owner) {
            None
        } else {
            Some((held(RuleOwner::Foreign), None))
        }
    })
}
