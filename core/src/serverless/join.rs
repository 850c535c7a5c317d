//! Opens an allowlist for a session, together with whoever else comes from the same address.

use std::time::Duration;

use super::pace::{Pace, Patience};
use super::{ends_otherwise, is_ours};
use crate::domain::{Addresses, HostAddress, MemberName, OpeningId, ProviderRuleId, RulePart, SessionId, Timestamp};
use crate::provider::{Addition, Holder, Note, NoteName, ProviderError, SharedAllowlist, SharedRule};

/// How long to wait for a session that said it would remove the rule. It does so at once or never: then it is dead.
const CLOSING_TAKES: Duration = Duration::from_secs(20);

/// What a session wants of a list.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub member: MemberName,
    /// Whom to let in.
    pub addresses: Addresses,
    /// Until when.
    pub until: Timestamp,
    /// What rules that are made for it are called.
    pub opening: OpeningId,
}

/// What a list is to a session that has joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The addresses that somebody else's rules let in: as they are, and for as long as they are there.
    pub by_others: Vec<HostAddress>,
}

/// The next thing that is missing.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    TakeHold(Vec<ProviderRuleId>, Timestamp),
    Add(Vec<Addition>),
    AwaitClosing(Vec<ProviderRuleId>, Vec<NoteName>),
    CorrectEnd(Vec<ProviderRuleId>, Timestamp),
    Done(Joined),
}

/// Opens the list for the wish. When it returns, the list has shown every rule, held by the session; or why not.
pub async fn join(list: &dyn SharedAllowlist, wish: &Wish, patience: Patience<'_>) -> Result<Joined, ProviderError> {
    let mut pace = Pace::with(patience);
    let mut closing_since = None;
    loop {
        let seen = list.observe_shared().await;
        if let Some(seen) = pace.outcome(seen)? {
            let done = match next_step(&seen, list.parts(), wish) {
                Step::Done(joined) => return Ok(joined),
                Step::TakeHold(rules, until) => list.write(&rules, &[Note::Holder(wish.hold()), Note::Until(until)]).await,
                Step::Add(additions) => list.add_held(&additions).await,
                Step::CorrectEnd(rules, until) => list.write(&rules, &[Note::Until(until)]).await,
                Step::AwaitClosing(rules, notes) => {
                    let since = *closing_since.get_or_insert_with(|| patience.elapsed());
                    if patience.elapsed() - since < CLOSING_TAKES { Ok(()) } else { list.erase(&rules, &notes).await }
                }
            };
            pace.outcome(done)?;
        }
        pace.again("opening the list").await?;
    }
}

fn next_step(seen: &[SharedRule], parts: &[RulePart], wish: &Wish) -> Step {
    let for_us =
        |rule: &&SharedRule| parts.contains(&rule.rule.part) && wish.addresses.iter().any(|address| rule.rule.is_for(address));
    let (ours, theirs): (Vec<_>, Vec<_>) = seen.iter().filter(for_us).partition(|rule| is_ours(&rule.rule));
    let not_held: Vec<_> = ours.iter().filter(|rule| !rule.is_held_by(&wish.session)).collect();
    if let Some(rule) = not_held.first() {
        // One call writes one end, so rules with other ends wait for their turn.
        let until = latest_end(rule).map_or(wish.until, |end| end.max(wish.until));
        let alike = not_held.iter().filter(|other| latest_end(other) == latest_end(rule));
        return Step::TakeHold(alike.map(|rule| rule.rule.id.clone()).collect(), until);
    }
    let missing = missing(seen, parts, wish);
    if !missing.is_empty() {
        return Step::Add(missing);
    }
    let closing: Vec<_> = ours.iter().filter(|rule| !rule.closing.is_empty()).collect();
    if !closing.is_empty() {
        let notes = closing.iter().flat_map(|rule| rule.closing.iter().cloned().map(NoteName::Closing)).collect();
        return Step::AwaitClosing(closing.iter().map(|rule| rule.rule.id.clone()).collect(), notes);
    }
    let wrong = ours.iter().find_map(|rule| latest_end(rule).filter(|end| ends_otherwise(rule, *end)).map(|end| (rule, end)));
    if let Some((rule, end)) = wrong {
        return Step::CorrectEnd(vec![rule.rule.id.clone()], end);
    }
    let by_others = wish.addresses.iter().filter(|address| theirs.iter().any(|rule| rule.rule.is_for(*address))).collect();
    Step::Done(Joined { by_others })
}

fn latest_end(rule: &SharedRule) -> Option<Timestamp> {
    rule.holders.iter().map(|holder| holder.until).max()
}

/// What nobody has opened yet. EC2 takes a rule of one shape once, whoever made it.
fn missing(seen: &[SharedRule], parts: &[RulePart], wish: &Wish) -> Vec<Addition> {
    let is_open =
        |address: HostAddress, part: &RulePart| seen.iter().any(|rule| rule.rule.is_for(address) && rule.rule.part == *part);
    let additions = wish.addresses.iter().map(|address| Addition {
        opening: wish.opening.clone(),
        address,
        parts: parts.iter().filter(|part| !is_open(address, part)).cloned().collect(),
        until: wish.until,
        member: wish.member.clone(),
        session: wish.session.clone(),
    });
    additions.filter(|addition| !addition.parts.is_empty()).collect()
}

impl Wish {
    fn hold(&self) -> Holder {
        Holder { session: self.session.clone(), until: self.until }
    }
}
