//! Lets go of the rules that a session holds, and removes those that nobody else does.

use super::pace::{Pace, Patience};
use super::{ends_otherwise, is_ours};
use crate::clock::Clock;
use crate::domain::{OpeningId, ProviderRuleId, SessionId, Timestamp};
use crate::provider::{Note, NoteName, ProviderError, Removal, SharedAllowlist, SharedRule};

/// What became of the rules that a session held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many are gone.
    pub removed: usize,
    /// How many others still hold.
    pub kept_by_others: usize,
}

/// The next thing to do.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    LetGo(Vec<ProviderRuleId>),
    SayClosing(Vec<ProviderRuleId>),
    Remove(Vec<ProviderRuleId>),
    CorrectEnd(Vec<ProviderRuleId>, Timestamp),
    Done(Left),
}

/// Lets go of everything that the session holds on the list. When it returns, the list has shown that nothing of it is left.
pub async fn leave(
    list: &dyn SharedAllowlist,
    session: &SessionId,
    clock: &dyn Clock,
    patience: Patience<'_>,
) -> Result<Left, ProviderError> {
    let mut pace = Pace::with(patience);
    let mut held: Vec<ProviderRuleId> = Vec::new();
    loop {
        let seen = list.observe_shared().await;
        if let Some(seen) = pace.outcome(seen)? {
            let more = seen.iter().filter(|rule| is_of(rule, session) && !held.contains(&rule.rule.id));
            held.extend(more.map(|rule| rule.rule.id.clone()).collect::<Vec<_>>());
            let done = match next_step(&seen, &held, session, clock.now()) {
                Step::Done(left) => return Ok(left),
                Step::LetGo(rules) => {
                    let notes = [NoteName::Holder(session.clone()), NoteName::Closing(session.clone())];
                    list.erase(&rules, &notes).await
                }
                Step::SayClosing(rules) => list.write(&rules, &[Note::Closing(session.clone())]).await,
                Step::Remove(rules) => list.remove(&[Removal { opening: OpeningId::from_stored(""), rules }]).await,
                Step::CorrectEnd(rules, until) => list.write(&rules, &[Note::Until(until)]).await,
            };
            pace.outcome(done)?;
        }
        pace.again("closing the list").await?;
    }
}

/// Whether the session has written anything on it.
fn is_of(rule: &SharedRule, session: &SessionId) -> bool {
    is_ours(&rule.rule) && (rule.is_held_by(session) || rule.closing.contains(session))
}

fn next_step(seen: &[SharedRule], held: &[ProviderRuleId], session: &SessionId, now: Timestamp) -> Step {
    let there: Vec<_> = seen.iter().filter(|rule| held.contains(&rule.rule.id)).collect();
    let those = |wanted: &dyn Fn(&SharedRule) -> bool| -> Vec<_> {
        there.iter().filter(|rule| wanted(rule)).map(|rule| rule.rule.id.clone()).collect()
    };
    let others = |rule: &SharedRule| rule.held_by_others_until(session, now);
    let letting_go = those(&|rule| others(rule).is_some() && is_of(rule, session));
    if !letting_go.is_empty() {
        return Step::LetGo(letting_go);
    }
    let unsaid = those(&|rule| others(rule).is_none() && !rule.closing.contains(session));
    if !unsaid.is_empty() {
        return Step::SayClosing(unsaid);
    }
    let said = those(&|rule| others(rule).is_none());
    if !said.is_empty() {
        return Step::Remove(said);
    }
    let wrong = there.iter().find_map(|rule| others(rule).filter(|end| ends_otherwise(rule, *end)).map(|end| (rule, end)));
    match wrong {
        Some((rule, end)) => Step::CorrectEnd(vec![rule.rule.id.clone()], end),
        None => Step::Done(Left { removed: held.len() - there.len(), kept_by_others: there.len() }),
    }
}
